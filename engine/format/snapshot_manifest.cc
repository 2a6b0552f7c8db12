#include "engine/format/snapshot_manifest.h"

#include <string>

#include "engine/format/structure.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELSN");
constexpr std::size_t kCreatedOffset = 32;
constexpr std::size_t kExpiresOffset = 40;
constexpr std::size_t kThroughOffset = 48;
constexpr std::size_t kDerivedDueOffset = 56;
constexpr std::size_t kSegmentsOffset = 64;
constexpr std::size_t kZeroOffset = 72;
constexpr std::size_t kFirstSequenceOffset = 8;  // of a segment
constexpr std::size_t kBytesOffset = 16;
constexpr std::size_t kDueOffset = 24;
static_assert(kZeroOffset < kSnapshotHeaderBytes);
static_assert(kDueOffset + 8 == kSnapshotSegmentBytes);

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("the snapshot's manifest ") + what};
}

}  // namespace

std::vector<std::byte> encode_snapshot_manifest(const SnapshotManifest& manifest) {
  std::vector<std::byte> bytes(kSnapshotHeaderBytes +
                               manifest.segments.size() * kSnapshotSegmentBytes + kChecksumBytes);
  begin_structure(bytes, kMagic, manifest.store_id);
  store(bytes.data() + kCreatedOffset, manifest.created_ms);
  store(bytes.data() + kExpiresOffset, manifest.expires_ms);
  store(bytes.data() + kThroughOffset, manifest.through);
  store(bytes.data() + kDerivedDueOffset, manifest.derived_due_ms);
  store(bytes.data() + kSegmentsOffset, std::uint64_t{manifest.segments.size()});
  std::byte* to = bytes.data() + kSnapshotHeaderBytes;
  for (const SnapshotSegment& segment : manifest.segments) {
    store(to, segment.id);
    store(to + kFirstSequenceOffset, segment.first_sequence);
    store(to + kBytesOffset, segment.bytes);
    store(to + kDueOffset, segment.due_ms);
    to += kSnapshotSegmentBytes;
  }
  seal_structure(bytes, 0);
  return bytes;
}

Result<SnapshotManifest> decode_snapshot_manifest(std::span<const std::byte> bytes) {
  if (!has_magic(bytes, kMagic)) {
    return Error{ErrorCode::kForeign, "the file `snapshot` is not a snapshot's manifest"};
  }
  if (bytes.size() < kSnapshotHeaderBytes + kChecksumBytes || !is_sealed(bytes, 0)) {
    return corrupt("is damaged or cut off");
  }
  if (is_too_new(bytes)) return too_new(bytes, "the snapshot");
  SnapshotManifest manifest;
  manifest.store_id = load<StoreId>(bytes.data() + kStoreIdOffset);
  manifest.created_ms = load<std::int64_t>(bytes.data() + kCreatedOffset);
  manifest.expires_ms = load<std::int64_t>(bytes.data() + kExpiresOffset);
  manifest.through = load<std::uint64_t>(bytes.data() + kThroughOffset);
  manifest.derived_due_ms = load<std::int64_t>(bytes.data() + kDerivedDueOffset);
  const auto count = load<std::uint64_t>(bytes.data() + kSegmentsOffset);
  if (!all_zero(bytes.subspan(kZeroOffset, kSnapshotHeaderBytes - kZeroOffset)) ||
      count > kMaxSnapshotSegments || manifest.through > kMaxNumber ||
      bytes.size() != kSnapshotHeaderBytes + count * kSnapshotSegmentBytes + kChecksumBytes) {
    return corrupt("says what none does");
  }
  std::uint64_t last_id = 0;
  const std::byte* from = bytes.data() + kSnapshotHeaderBytes;
  for (std::uint64_t i = 0; i < count; ++i, from += kSnapshotSegmentBytes) {
    SnapshotSegment segment;
    segment.id = load<std::uint64_t>(from);
    segment.first_sequence = load<std::uint64_t>(from + kFirstSequenceOffset);
    segment.bytes = load<std::uint64_t>(from + kBytesOffset);
    segment.due_ms = load<std::int64_t>(from + kDueOffset);
    if (segment.id <= last_id || segment.id > kMaxNumber) return corrupt("names segments anyhow");
    last_id = segment.id;
    manifest.segments.push_back(segment);
  }
  return manifest;
}

}  // namespace kachel::format
