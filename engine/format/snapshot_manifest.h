// The file that says what a snapshot is: docs/format.md ("snapshots"). Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/format/record.h"
#include "io/error.h"

namespace kachel::format {

/// In the snapshot's directory.
inline constexpr std::string_view kSnapshotManifestName = "snapshot";
/// In the directory of a store that is still being made of one.
inline constexpr std::string_view kUnfinishedCopyName = "unfinished-copy";
inline constexpr std::size_t kSnapshotHeaderBytes = 96;
inline constexpr std::size_t kSnapshotSegmentBytes = 32;
/// More segments than a store of the smallest ones ever has.
inline constexpr std::uint64_t kMaxSnapshotSegments = std::uint64_t{1} << 24;

inline constexpr std::uint64_t kMaxSnapshotManifestBytes =
    kSnapshotHeaderBytes + kMaxSnapshotSegments * kSnapshotSegmentBytes + 8;

struct SnapshotSegment {
  std::uint64_t id = 0;
  std::uint64_t first_sequence = 0;  // 0: what is in it may be older than the segment
  std::uint64_t bytes = 0;           // of its file
  std::int64_t due_ms = 0;           // it leaves the snapshot by then
  friend bool operator==(const SnapshotSegment&, const SnapshotSegment&) = default;
};

struct SnapshotManifest {
  StoreId store_id{};
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;            // all of it goes by then
  std::uint64_t through = 0;              // it has every record up to this sequence, and none above
  std::int64_t derived_due_ms = 0;        // index and manifest of the hot tier leave it by then
  std::vector<SnapshotSegment> segments;  // by id
  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

std::vector<std::byte> encode_snapshot_manifest(const SnapshotManifest& manifest);
/// kForeign when it is no such file; kVersion; kCorrupt. Whose it is, is for the caller to compare.
Result<SnapshotManifest> decode_snapshot_manifest(std::span<const std::byte> bytes);

}  // namespace kachel::format
