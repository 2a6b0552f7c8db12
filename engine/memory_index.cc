#include "engine/memory_index.h"

namespace kachel {
namespace {
constexpr std::uint64_t kRowBytesEstimate = 128;
}  // namespace

void MemoryIndexImage::compact(std::size_t dead_before, const RowFilter* filter) {
  dead.erase(dead.begin(), dead.begin() + static_cast<std::ptrdiff_t>(dead_before));
  if (filter == nullptr) return;
  std::erase_if(rows, [&](const auto& row) { return filter->is_dead(row.first, row.second); });
}

MemoryIndex::MemoryIndex(std::shared_ptr<MemoryIndexImage> durable, const RowFilter* filter)
    : now_(*durable), durable_(std::move(durable)), filter_(filter) {}

Lookup MemoryIndex::find(const RowKey& key, Where) const {
  const std::lock_guard lock(mutex_);
  const auto found = now_.rows.find(key);
  if (found == now_.rows.end()) return {LookupStatus::kAbsent, {}};
  return {LookupStatus::kFound, found->second};
}

Result<std::vector<std::pair<Mac, Row>>> MemoryIndex::list(Namespace space, const Mac& from,
                                                           std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<Mac, Row>> rows;
  for (auto it = now_.rows.lower_bound({space, from});
       it != now_.rows.end() && it->first.space == space && rows.size() < limit; ++it) {
    rows.emplace_back(it->first.mac, it->second);
  }
  return rows;
}

Result<void> MemoryIndex::apply(std::span<const IndexChange> changes) {
  const std::lock_guard lock(mutex_);
  for (const IndexChange& change : changes) {
    bury(change.key);
    if (change.row) {
      now_.rows[change.key] = *change.row;
    } else {
      now_.rows.erase(change.key);
    }
  }
  unflushed_rows_ += changes.size();
  return {};
}

/// Even where no flush has seen it: one that has is not told from it.
void MemoryIndex::bury(const RowKey& key) {
  const auto found = now_.rows.find(key);
  if (found != now_.rows.end()) now_.dead.emplace_back(*found);
}

Result<void> MemoryIndex::put_fence(const Fence& fence) {
  const std::lock_guard lock(mutex_);
  now_.fences[{fence.space, fence.mac}] = fence;
  return {};
}

Result<void> MemoryIndex::drop_fence(const Fence& fence) {
  const std::lock_guard lock(mutex_);
  now_.fences.erase({fence.space, fence.mac});
  return {};
}

Result<void> MemoryIndex::put_hold(const Hold& hold) {
  const std::lock_guard lock(mutex_);
  now_.holds[hold.id] = hold;
  return {};
}

Result<void> MemoryIndex::drop_hold(const Mac& id) {
  const std::lock_guard lock(mutex_);
  now_.holds.erase(id);
  return {};
}

void MemoryIndex::flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) {
  {
    const std::lock_guard lock(mutex_);
    now_.marker = marker;
    now_.counts.clear();
    for (const SegmentCounts& count : counts)
      now_.counts[count.segment_id] = count;
    *durable_ = now_;
    unflushed_rows_ = 0;
  }
  done({});
}

void MemoryIndex::compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
                          Done done) {
  flush(marker, counts, std::move(flushed));
  drop_dead(dead_rows());
  {
    const std::lock_guard lock(mutex_);
    *durable_ = now_;
  }
  done({});
}

std::size_t MemoryIndex::dead_rows() const {
  const std::lock_guard lock(mutex_);
  return now_.dead.size();
}

void MemoryIndex::drop_dead(std::size_t dead_before) {
  const std::lock_guard lock(mutex_);
  now_.compact(dead_before, filter_);
}

Result<std::optional<Marker>> MemoryIndex::marker() const {
  const std::lock_guard lock(mutex_);
  return now_.marker;
}

Result<std::vector<SegmentCounts>> MemoryIndex::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<SegmentCounts> all;
  for (const auto& [id, count] : now_.counts)
    all.push_back(count);
  return all;
}

Result<std::vector<Fence>> MemoryIndex::fences() const {
  const std::lock_guard lock(mutex_);
  std::vector<Fence> all;
  for (const auto& [key, fence] : now_.fences)
    all.push_back(fence);
  return all;
}

Result<std::vector<Hold>> MemoryIndex::holds() const {
  const std::lock_guard lock(mutex_);
  std::vector<Hold> all;
  for (const auto& [id, hold] : now_.holds)
    all.push_back(hold);
  return all;
}

IndexFactory memory_index_factory(std::shared_ptr<MemoryIndexImage> image) {
  return [image = std::move(image)](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    if (request.wipe) *image = {};
    if (image->marker && image->marker->store_id != request.store_id) {
      return Error{ErrorCode::kForeign, "index: belongs to another store"};
    }
    return std::unique_ptr<Index>(std::make_unique<MemoryIndex>(image, request.filter));
  };
}

IndexUsage MemoryIndex::usage() const {
  const std::lock_guard lock(mutex_);
  return {0, now_.rows.size() * kRowBytesEstimate, unflushed_rows_ * kRowBytesEstimate};
}

}  // namespace kachel
