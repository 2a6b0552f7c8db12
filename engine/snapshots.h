// Which snapshots there are, below snapshots/ in the data directory, and what of the store's bytes
// they keep there. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/copies.h"
#include "engine/format/snapshot_manifest.h"
#include "engine/segment.h"

namespace kachel {

inline constexpr std::string_view kSnapshotsDirectory = "snapshots";
inline constexpr std::size_t kMaxSnapshotNameBytes = 64;
inline constexpr std::size_t kMaxSnapshots = 100;
/// What is due leaves a snapshot that much before its deadline.
inline constexpr std::int64_t kSnapshotsLeaveAheadMs = 2'000;

/// 1 to kMaxSnapshotNameBytes letters, digits, '_', '-' and '.', and no '.' first.
bool is_snapshot_name(std::string_view name);
/// "snapshots/NAME"; while it is being made or removed that and ".new".
std::string snapshot_path(std::string_view name);
std::string unfinished_snapshot_path(std::string_view name);

class SnapshotTable {
 public:
  struct Snapshot {
    format::SnapshotManifest manifest;  // of segments those that are still there
    std::uint64_t number = 0;           // in the order in which they were begun, of this process
    std::uint64_t segments_left = 0;
    bool has_derived = true;
    bool is_complete = false;  // it is in its place
  };
  using Snapshots = std::map<std::string, Snapshot, std::less<>>;

  explicit SnapshotTable(SegmentTable& segments) : segments_(segments) {}

  /// One from before, or one that is being made.
  void add(const std::string& name, Snapshot snapshot);
  void complete(std::string_view name);
  void remove(std::string_view name);
  /// These have left it.
  void remove_segments(std::string_view name, const std::vector<std::uint64_t>& ids);
  void remove_derived(std::string_view name);

  Snapshots all() const;
  std::vector<SnapshotInfo> infos() const;
  bool contains(std::string_view name) const;

  /// While it is true no segment's file is removed.
  std::atomic<bool> is_taking{false};
  /// How many were begun by this process.
  std::uint64_t begun() const { return begun_; }
  std::uint64_t begin() { return ++begun_; }
  /// Whether one of the first `begun` has an index, or a manifest of the hot tier.
  bool has_derived(std::uint64_t begun) const;

  std::atomic<std::uint64_t> dropped{0};  // before their time, for want of room or for damage
  std::atomic<std::uint64_t> failed{0};   // could not be made, or something not be removed

 private:
  void tell_segments();

  SegmentTable& segments_;
  std::atomic<std::uint64_t> begun_{0};
  mutable std::mutex mutex_;
  Snapshots snapshots_;  // guarded by mutex_
};

}  // namespace kachel
