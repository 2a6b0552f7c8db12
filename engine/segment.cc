#include "engine/segment.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <mutex>

namespace kachel {
namespace {
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kIdDigits = 16;
}  // namespace

SegmentCounts counts_of(const Segment& segment) {
  SegmentCounts counts;
  counts.segment_id = segment.id;
  counts.live_bytes = segment.live_bytes;
  counts.has_later_expiries = segment.has_later_expiries;
  counts.due_ms = segment.due_ms;
  counts.live.assign(segment.live.begin(), segment.live.end());
  return counts;
}

std::string segment_path(std::uint64_t id) {
  char name[64];
  std::snprintf(name, sizeof name, "segments/%016llx.seg", static_cast<unsigned long long>(id));
  return name;
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kIdDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t id = 0;
  const char* end = name.data() + kIdDigits;
  const auto [stopped, error] = std::from_chars(name.data(), end, id, 16);
  if (error != std::errc() || stopped != end || id == 0 || id > format::kMaxNumber) {
    return std::nullopt;
  }
  return id;
}

void SegmentTable::add(SegmentPointer segment) {
  const std::unique_lock lock(mutex_);
  const std::uint64_t id = segment->id;
  segments_[id] = std::move(segment);
}

SegmentPointer SegmentTable::find(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  const auto found = segments_.find(id);
  return found == segments_.end() ? nullptr : found->second;
}

bool SegmentTable::contains(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  return segments_.contains(id);
}

bool SegmentTable::may_exist(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  return segments_.contains(id) || removed_.contains(id);
}

bool SegmentTable::has_bytes(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  return segments_.contains(id) || removed_.contains(id) || kept_.contains(id);
}

void SegmentTable::set_kept(std::map<std::uint64_t, std::uint64_t> kept) {
  const std::unique_lock lock(mutex_);
  kept_ = std::move(kept);
}

std::vector<SegmentPointer> SegmentTable::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<SegmentPointer> all;
  all.reserve(segments_.size());
  for (const auto& [id, segment] : segments_)
    all.push_back(segment);
  return all;
}

std::map<std::uint64_t, std::uint64_t> SegmentTable::left_over() const {
  const std::shared_lock lock(mutex_);
  std::map<std::uint64_t, std::uint64_t> all = removed_;
  for (const auto& [id, first_sequence] : kept_)
    if (!segments_.contains(id)) all.emplace(id, first_sequence);
  return all;
}

std::size_t SegmentTable::size() const {
  const std::shared_lock lock(mutex_);
  return segments_.size();
}

std::uint64_t SegmentTable::total_bytes() const {
  const std::shared_lock lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [id, segment] : segments_) {
    // An open segment's blocks are reserved up to its capacity.
    const bool open = segment->state.load() == SegmentState::kOpen;
    bytes += open ? segment->capacity_bytes : segment->bytes.load();
  }
  return bytes;
}

std::uint64_t SegmentTable::lowest_id() const {
  const std::shared_lock lock(mutex_);
  if (segments_.empty()) return removed_.empty() ? 0 : removed_.begin()->first;
  const std::uint64_t lowest = segments_.begin()->first;
  return removed_.empty() ? lowest : std::min(lowest, removed_.begin()->first);
}

bool SegmentTable::is_leaving(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  return removed_.contains(id);
}

void SegmentTable::remove(std::uint64_t id) {
  const std::unique_lock lock(mutex_);
  const auto found = segments_.find(id);
  if (found == segments_.end()) return;
  // What is in there for a hold, or in a dictionary, may be older than the segment.
  const bool is_older = found->second->bucket == kHeldBucket || found->second->dictionary_id != 0;
  removed_[id] = is_older ? 0 : found->second->first_sequence;
  segments_.erase(found);
}

void SegmentTable::forget(std::uint64_t id) {
  const std::unique_lock lock(mutex_);
  removed_.erase(id);
}

bool SegmentTable::may_hold_older(std::uint64_t covers, std::uint64_t sequence,
                                  std::uint64_t except) const {
  if (covers == 0) return false;
  const std::shared_lock lock(mutex_);
  for (auto it = segments_.lower_bound(covers); it != segments_.end(); ++it) {
    if (it->first != except && it->second->first_sequence < sequence) return true;
  }
  for (auto it = removed_.lower_bound(covers); it != removed_.end(); ++it) {
    if (it->first != except && it->second < sequence) return true;
  }
  return false;
}

}  // namespace kachel
