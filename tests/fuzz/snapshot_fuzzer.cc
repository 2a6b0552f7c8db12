// A snapshot's manifest: what decodes encodes to the same bytes again, a flipped bit is found, and
// what does not decode says why.
//
// Input: a byte of choices (1: put magic and a right checksum into the raw bytes), how many
// segments, the segments, which bit to flip, and the bytes of a manifest as they are.
#include "engine/format/snapshot_manifest.h"
#include "engine/format/structure.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};

void check_written(Input& input) {
  SnapshotManifest manifest;
  manifest.store_id = kStore;
  manifest.created_ms = input.number<std::int64_t>();
  manifest.expires_ms = input.number<std::int64_t>();
  manifest.derived_due_ms = input.number<std::int64_t>();
  manifest.through = input.number<std::uint64_t>() % kMaxNumber;
  manifest.segments.resize(input.below(40));
  std::uint64_t id = 0;
  for (SnapshotSegment& segment : manifest.segments) {
    segment.id = id += 1 + input.u8();
    segment.first_sequence = input.number<std::uint64_t>();
    segment.bytes = input.number<std::uint64_t>();
    segment.due_ms = input.number<std::int64_t>();
  }
  Bytes bytes = encode_snapshot_manifest(manifest);
  const auto again = decode_snapshot_manifest(bytes);
  KACHEL_CHECK(again && *again == manifest, "the manifest does not come back");
  const std::size_t at = input.below(bytes.size());
  bytes[at] ^= std::byte{1} << (input.u8() % 8);
  KACHEL_CHECK(!decode_snapshot_manifest(bytes), "a flipped bit goes unnoticed");
}

void check_raw(Bytes bytes, std::uint8_t choice) {
  if ((choice & 1) != 0 && bytes.size() >= kSnapshotHeaderBytes + kChecksumBytes) {
    begin_structure(bytes, magic_of("KACHELSN"), kStore);
    seal_structure(bytes, 0);
  }
  const auto manifest = decode_snapshot_manifest(bytes);
  if (manifest) {
    KACHEL_CHECK(encode_snapshot_manifest(*manifest) == bytes, "it encodes differently");
  } else {
    KACHEL_CHECK(!manifest.error().message.empty(), "no clear error");
  }
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  check_written(input);
  check_raw(exact_copy(input.rest()), choice);
  return 0;
}
