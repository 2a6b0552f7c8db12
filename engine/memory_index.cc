#include "engine/memory_index.h"

namespace kachel {
namespace {
constexpr std::uint64_t kRowBytesEstimate = 128;
}  // namespace

MemoryIndex::MemoryIndex(std::shared_ptr<MemoryIndexImage> durable)
    : now_(*durable), durable_(std::move(durable)) {}

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
    if (change.row) {
      now_.rows[change.key] = *change.row;
    } else {
      now_.rows.erase(change.key);
    }
  }
  unflushed_rows_ += changes.size();
  return {};
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

void MemoryIndex::flush(const Marker& marker, std::span<const SegmentCounts> counts,
                        UniqueFunction<void(Result<void>)> done) {
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

IndexFactory memory_index_factory(std::shared_ptr<MemoryIndexImage> image) {
  return [image = std::move(image)](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    if (request.wipe) *image = {};
    if (image->marker && image->marker->store_id != request.store_id) {
      return Error{ErrorCode::kForeign, "index: belongs to another store"};
    }
    return std::unique_ptr<Index>(std::make_unique<MemoryIndex>(image));
  };
}

IndexUsage MemoryIndex::usage() const {
  const std::lock_guard lock(mutex_);
  return {0, now_.rows.size() * kRowBytesEstimate, unflushed_rows_ * kRowBytesEstimate};
}

}  // namespace kachel
