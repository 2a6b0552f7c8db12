// Records: the log's unit. Layout, meanings and coding: docs/format.md ("Record"). Do not
// change these values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/entry.h"
#include "engine/mac.h"
#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel::format {

inline constexpr std::uint32_t kRecordMagic = 0x4345524b;  // "KREC"
inline constexpr std::size_t kRecordFixedBytes = 40;
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::uint8_t kAllDatabases = 255;
/// No sequence and no segment id is above this: more than a store gives out in its life, and
/// low enough that what is added to them does not wrap around.
inline constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 62;
/// Bound a length before it is trusted: key, model and subjects at their limits, and more
/// than the largest value allowed by Options.
inline constexpr std::size_t kMaxMetaBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{512} << 20;

enum class RecordType : std::uint8_t {
  kPut = 1,
  kErase = 2,
  kExpiry = 3,
  kFence = 4,
  kVoid = 5,
  kMark = 6,
  kScopeFence = 7,
  kHold = 8,
  kRelease = 9,
};
enum class Codec : std::uint8_t {
  kRaw = 0,
  kZstd = 1,
  kZstdDictionary = 2,  // that of the segment
};
inline constexpr std::uint8_t kFlagMoved = 1;
inline constexpr std::uint8_t kFlagHeld = 4;       // of a put: no entry, but bytes under a hold
inline constexpr std::uint8_t kFlagVersioned = 2;  // set by the encoder, not by callers

using StoreId = std::array<std::byte, 16>;

/// Where a piece of a segment lies; seeds its checksums.
struct Place {
  StoreId store_id{};
  std::uint64_t segment_id = 0;
  std::uint64_t offset = 0;  // bytes from the start of the file
};
std::uint64_t checksum_seed(const Place& place);

/// A record without its payload. Views point into the bytes decoded from, or the caller's.
struct RecordMeta {
  RecordType type = RecordType::kPut;
  Codec codec = Codec::kRaw;
  std::uint8_t flags = 0;
  Kind kind = Kind::kBlob;
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;  // <= sequence; encoding: 0 means "its own sequence"
  Namespace space;
  std::int64_t created_ms = 0;
  std::int64_t expires_at_ms = 0;
  std::int64_t erase_by_ms = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t tokens_in = 0;
  std::uint64_t tokens_out = 0;
  std::uint64_t cost_micro_usd = 0;
  std::uint64_t covers = 0;
  std::string_view model;
  std::vector<std::string_view> subjects;
  std::string_view key;  // kPut
  Mac mac;    // kErase, kExpiry: of the key; kScopeFence: of the scope; kHold, kRelease: the id
  Mac scope;  // kHold: of the subject, if it is one's
  std::uint64_t first_void = 0;
  std::uint64_t last_void = 0;
  std::uint64_t durable_through = 0;
  std::uint64_t written_through = 0;
};

/// An encoded record whose place and sequence are not known yet. Move-only.
class EncodedRecord {
 public:
  EncodedRecord() = default;
  std::size_t size() const { return size_; }  // bytes, padding included
  std::byte* data() const { return bytes_.get(); }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }
  /// Sets the sequence and both checksums. Once, before writing.
  void finish(const Place& place, std::uint64_t sequence);

 private:
  friend EncodedRecord encode_record(const RecordMeta& meta, std::span<const std::byte> payload);
  ZeroizingArray bytes_;
  std::size_t size_ = 0;
};

/// Lays out everything but sequence and checksums; `meta.sequence` is ignored.
EncodedRecord encode_record(const RecordMeta& meta, std::span<const std::byte> payload);

struct DecodedRecord {
  RecordMeta meta;                     // views into the bytes given
  std::span<const std::byte> payload;  // as stored
  std::size_t size = 0;                // bytes, padding included
};

/// Decodes and verifies the record that starts at `bytes[0]`, which lies at `place`.
/// kCorrupt when anything does not fit: magic, bounds, checksums, coding, padding.
Result<DecodedRecord> decode_record(std::span<const std::byte> bytes, const Place& place);

/// As decode_record, for a prefix: needs the fixed part and the meta, not the payload, whose
/// checksum is not verified. `payload` in the result is empty.
Result<DecodedRecord> decode_record_meta(std::span<const std::byte> bytes, const Place& place);

/// From the first kRecordFixedBytes alone, unverified but bounded: the size of fixed part
/// and meta, and of the whole record. kCorrupt when it can't be a record.
struct RecordExtent {
  std::size_t meta_end = 0;
  std::size_t size = 0;
};
Result<RecordExtent> peek_record(std::span<const std::byte> bytes);

}  // namespace kachel::format
