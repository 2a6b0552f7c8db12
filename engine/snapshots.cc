#include "engine/snapshots.h"

#include <algorithm>
#include <utility>

namespace kachel {

bool is_snapshot_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxSnapshotNameBytes && name.front() != '.' &&
         !name.ends_with(".new") && std::all_of(name.begin(), name.end(), is_allowed);
}

std::string snapshot_path(std::string_view name) {
  return std::string(kSnapshotsDirectory) + '/' + std::string(name);
}

std::string unfinished_snapshot_path(std::string_view name) {
  return snapshot_path(name) + ".new";
}

void SnapshotTable::add(const std::string& name, Snapshot snapshot) {
  const std::lock_guard lock(mutex_);
  snapshots_.insert_or_assign(name, std::move(snapshot));
  tell_segments();
}

void SnapshotTable::complete(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = snapshots_.find(name); found != snapshots_.end()) {
    found->second.is_complete = true;
  }
}

void SnapshotTable::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = snapshots_.find(name); found != snapshots_.end()) snapshots_.erase(found);
  tell_segments();
}

void SnapshotTable::remove_segments(std::string_view name, const std::vector<std::uint64_t>& ids) {
  const std::lock_guard lock(mutex_);
  const auto found = snapshots_.find(name);
  if (found == snapshots_.end()) return;
  found->second.segments_left += ids.size();
  std::erase_if(found->second.manifest.segments, [&](const format::SnapshotSegment& segment) {
    return std::find(ids.begin(), ids.end(), segment.id) != ids.end();
  });
  tell_segments();
}

void SnapshotTable::remove_derived(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = snapshots_.find(name);
  if (found != snapshots_.end()) found->second.has_derived = false;
}

SnapshotTable::Snapshots SnapshotTable::all() const {
  const std::lock_guard lock(mutex_);
  return snapshots_;
}

std::vector<SnapshotInfo> SnapshotTable::infos() const {
  std::vector<SnapshotInfo> infos;
  for (const auto& [name, snapshot] : all()) {
    if (!snapshot.is_complete) continue;
    SnapshotInfo& info = infos.emplace_back();
    info.name = name;
    info.created_ms = snapshot.manifest.created_ms;
    info.expires_ms = snapshot.manifest.expires_ms;
    info.through = snapshot.manifest.through;
    info.segments = snapshot.manifest.segments.size();
    info.segments_left = snapshot.segments_left;
    info.has_index = snapshot.has_derived;
    for (const format::SnapshotSegment& segment : snapshot.manifest.segments) {
      info.bytes += segment.bytes;
      if (!segments_.contains(segment.id)) info.own_bytes += segment.bytes;
    }
  }
  return infos;
}

bool SnapshotTable::contains(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return snapshots_.contains(name);
}

bool SnapshotTable::has_derived(std::uint64_t begun) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(snapshots_.begin(), snapshots_.end(), [&](const auto& entry) {
    return entry.second.has_derived && entry.second.number <= begun;
  });
}

/// The lowest first sequence counts, should they differ.
void SnapshotTable::tell_segments() {
  std::map<std::uint64_t, std::uint64_t> kept;
  for (const auto& [name, snapshot] : snapshots_) {
    for (const format::SnapshotSegment& segment : snapshot.manifest.segments) {
      const auto [found, is_new] = kept.emplace(segment.id, segment.first_sequence);
      if (!is_new) found->second = std::min(found->second, segment.first_sequence);
    }
  }
  segments_.set_kept(std::move(kept));
}

}  // namespace kachel
