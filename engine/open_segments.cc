#include "engine/open_segments.h"

#include <algorithm>

#include "engine/lifetime_bucket.h"

namespace kachel {
namespace {

/// A record that had to wait may be older than what the segment has already: then it goes
/// elsewhere. A segment's records are in order, and none is older than its first.
bool fits(const Segment& segment, const Append& append) {
  return segment.state == SegmentState::kOpen &&
         segment.first_sequence <= append.summary.sequence &&
         segment.last_placed < append.summary.sequence &&
         segment.data_end + append.record.size() <= segment.capacity_bytes;
}

/// Records that only say something of others: they go where there is room.
bool is_small_talk(const Append& append) {
  return append.summary.type != format::RecordType::kPut;
}

}  // namespace

Result<SegmentPointer> OpenSegments::place(Append& append) {
  auto chosen = choose(append);
  if (!chosen) return chosen;
  Segment& segment = **chosen;
  Batch& batch = batch_of(*chosen);
  append.summary.offset = segment.data_end;
  append.record.finish({core_.store_id, segment.id, segment.data_end}, append.summary.sequence);
  batch.parts.push_back({append.record.data(), append.record.size()});
  segment.data_end += append.record.size();
  segment.last_placed = append.summary.sequence;
  batch.end = segment.data_end;
  return chosen;
}

Result<SegmentPointer> OpenSegments::choose(const Append& append) {
  const Slot slot{append.survivor, append.bucket};
  const std::uint64_t bytes = append.record.size();
  if (const auto found = open_.find(slot); found != open_.end()) {
    if (fits(*found->second, append)) return found->second;
    close(found->second->id);
  }
  if (SegmentPointer other = stand_in(slot, append)) return other;
  const bool essential = append.survivor || is_small_talk(append);
  auto taken =
      allocator_.take(bytes, essential, append.bucket, append.survivor, append.summary.sequence);
  if (!taken) return taken;
  open_[slot] = *taken;
  core_.segments.add(*taken);
  allocator_.refill();
  return taken;
}

/// Another open segment for a record that shall not open one of its own.
SegmentPointer OpenSegments::stand_in(Slot slot, const Append& append) const {
  if (slot.second == kHeldBucket) return nullptr;
  if (open_.size() < kMaxOpen && !is_small_talk(append)) return nullptr;
  // Longer-lived neighbours first: among them it is kept too long, never dropped too early.
  for (auto it = open_.lower_bound(slot); it != open_.end(); ++it) {
    if (it->first.second == kHeldBucket) continue;
    if (it->first.first == slot.first && fits(*it->second, append)) return it->second;
  }
  const auto forever = open_.find({slot.first, kNoExpiryBucket});
  if (forever != open_.end() && fits(*forever->second, append)) return forever->second;
  if (!is_small_talk(append)) return nullptr;
  for (const auto& [other, segment] : open_) {
    if (fits(*segment, append)) return segment;
  }
  return nullptr;
}

OpenSegments::Batch& OpenSegments::batch_of(const SegmentPointer& segment) {
  for (Batch& batch : batches_) {
    if (batch.segment == segment) return batch;
  }
  Batch& batch = batches_.emplace_back();
  batch.segment = segment;
  batch.start = segment->data_end;
  if (segment->data_end == format::kSegmentHeaderBytes) {
    batch.header = format::encode_segment_header(segment->header(core_.store_id));
    batch.start = 0;
    batch.parts.push_back({batch.header.data(), batch.header.size()});
  }
  return batch;
}

std::vector<OpenSegments::Outcome> OpenSegments::write() {
  std::vector<Outcome> outcomes;
  for (Batch& batch : batches_) {
    Segment& segment = *batch.segment;
    auto written = segment.file->write_at(batch.start, batch.parts);
    bump(core_.counters.device_writes);
    if (written) {
      bump(core_.counters.device_write_bytes, batch.end - batch.start);
      segment.bytes = segment.data_end;
    } else {
      bump(core_.counters.io_errors);
      segment.data_end = std::max<std::uint64_t>(batch.start, format::kSegmentHeaderBytes);
      // Part of it may be there, and would pass for damage. Where this fails too, it does.
      (void)segment.file->truncate(batch.start);
      segment.synced_end = 0;  // no footer before that is durable: without it, it could come back
      close(batch.segment->id);
    }
    outcomes.push_back({batch.segment, std::move(written)});
  }
  batches_.clear();
  return outcomes;
}

void OpenSegments::close(std::uint64_t id) {
  for (auto it = open_.begin(); it != open_.end(); ++it) {
    if (it->second->id != id) continue;
    it->second->state = SegmentState::kSealing;
    closed_.push_back(it->second);
    open_.erase(it);
    return;
  }
}

void OpenSegments::close_aged(std::int64_t now_ms) {
  std::vector<SegmentPointer> aged;
  for (const auto& [slot, segment] : open_) {
    const std::int64_t limit_ms = open_limit_ms(segment->bucket);
    if (limit_ms != 0 && now_ms - segment->created_ms > limit_ms) aged.push_back(segment);
  }
  for (const SegmentPointer& segment : aged)
    close(segment->id);
}

void OpenSegments::close_all() {
  while (!open_.empty())
    close(open_.begin()->second->id);
}

}  // namespace kachel
