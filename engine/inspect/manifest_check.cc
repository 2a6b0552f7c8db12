// The record format of RocksDB's manifests, which is that of its logs (rocksdb/db/log_format.h):
// blocks of 32 KiB; in them `crc (4) | length (2) | type (1) | bytes`, the checksum over type and
// bytes; what is left of a block and too short for a header is zero.
#include <boost/crc.hpp>

#include "engine/format/bytes.h"
#include "engine/inspect/index_reader.h"

namespace kachel::inspect {
namespace {

constexpr std::size_t kManifestBlockBytes = 32768;
constexpr std::size_t kFrameHeaderBytes = 7;
constexpr std::uint8_t kFullFrame = 1;
constexpr std::uint8_t kFirstFrame = 2;
constexpr std::uint8_t kMiddleFrame = 3;
constexpr std::uint8_t kLastFrame = 4;

using Crc32c = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;

/// As RocksDB stores them, so that a checksum of checksums is none.
std::uint32_t masked(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

Error bad_frame(std::size_t at, const char* what) {
  return {ErrorCode::kCorrupt, "at offset " + std::to_string(at) + ": " + what};
}

}  // namespace

Result<void> check_manifest(std::string_view bytes) {
  bool is_inside = false;  // of a record in several frames
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t left = kManifestBlockBytes - at % kManifestBlockBytes;
    if (left < kFrameHeaderBytes) {
      const auto rest = bytes.substr(at, left);
      if (!format::all_zero(format::as_bytes(rest))) return bad_frame(at, "padding is not zero");
      at += rest.size();
      continue;
    }
    if (bytes.size() - at < kFrameHeaderBytes) return bad_frame(at, "a record is cut off");
    const auto* header = reinterpret_cast<const std::byte*>(bytes.data() + at);
    const auto length = format::load<std::uint16_t>(header + 4);
    if (length > left - kFrameHeaderBytes || length > bytes.size() - at - kFrameHeaderBytes) {
      return bad_frame(at, "a record is longer than what is left");
    }
    Crc32c crc;
    crc.process_bytes(header + 6, 1 + std::size_t{length});
    if (masked(crc.checksum()) != format::load<std::uint32_t>(header)) {
      return bad_frame(at, "a record does not fit its checksum");
    }
    const auto type = std::to_integer<std::uint8_t>(header[6]);
    const bool begins = type == kFullFrame || type == kFirstFrame;
    if (type < kFullFrame || type > kLastFrame || begins == is_inside) {
      return bad_frame(at, "a record is out of order");
    }
    is_inside = type == kFirstFrame || type == kMiddleFrame;
    at += kFrameHeaderBytes + length;
  }
  if (is_inside) return bad_frame(at, "the last record is cut off");
  if (bytes.empty()) return bad_frame(at, "it is empty");
  return {};
}

}  // namespace kachel::inspect
