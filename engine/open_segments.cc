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
         segment.data_end + append.record.size() <= segment.capacity_bytes &&
         (!append.dictionary || segment.dictionary == append.dictionary);
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
  const Dictionary::Pointer dictionary =
      append.dictionary ? append.dictionary : dictionary_for(append);
  const Slot slot{append.survivor, append.bucket, dictionary ? dictionary->id() : 0};
  const std::uint64_t bytes = append.record.size();
  if (const auto found = open_.find(slot); found != open_.end()) {
    if (fits(*found->second, append)) return found->second;
    close(found->second->id);
  }
  if (SegmentPointer other = stand_in(slot, append)) return other;
  const bool essential = append.survivor || is_small_talk(append);
  auto taken = allocator_.take(bytes, essential, append.bucket, append.survivor,
                               append.summary.sequence, dictionary);
  if (!taken) return taken;
  if (dictionary && dictionary->due_ms() != 0) (*taken)->note_due(dictionary->due_ms());
  open_[slot] = *taken;
  core_.segments.add(*taken);
  allocator_.refill();
  return taken;
}

/// For a record that needs none: with what else is likely to come to the same segment.
Dictionary::Pointer OpenSegments::dictionary_for(const Append& append) const {
  if (is_small_talk(append) || append.bucket == kHeldBucket) return nullptr;
  auto current = core_.dictionaries.current(append.summary.space.tenant);
  const std::int64_t death_ms = earlier(append.summary.expires_at_ms, append.summary.erase_by_ms);
  const bool fits = current && current->outlives(death_ms, core_.clock.now_ms());
  return fits ? current : nullptr;
}

/// Another open segment for a record that shall not open one of its own.
SegmentPointer OpenSegments::stand_in(const Slot& slot, const Append& append) const {
  const auto [survivors, bucket, dictionary_id] = slot;
  if (bucket == kHeldBucket) return nullptr;
  if (open_.size() < kMaxOpen && !is_small_talk(append)) return nullptr;
  // Longer-lived neighbours first: among them it is kept too long, never dropped too early.
  for (auto it = open_.lower_bound({survivors, bucket, 0}); it != open_.end(); ++it) {
    if (it->second->bucket == kHeldBucket) continue;
    if (it->second->survivors == survivors && fits(*it->second, append)) return it->second;
  }
  for (auto it = open_.lower_bound({survivors, kNoExpiryBucket, 0});
       it != open_.end() && it->second->bucket == kNoExpiryBucket; ++it) {
    if (it->second->survivors == survivors && fits(*it->second, append)) return it->second;
  }
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
  if (segment->data_end == segment->data_begin) {
    batch.header = format::encode_segment_header(segment->header(core_.store_id));
    batch.start = 0;
    batch.parts.push_back({batch.header.data(), batch.header.size()});
    if (segment->dictionary) {
      batch.dictionary =
          format::encode_dictionary(segment->dictionary->stored(), core_.store_id, segment->id);
      batch.parts.push_back({batch.dictionary.data(), batch.dictionary.size()});
    }
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
      segment.data_end = std::max<std::uint64_t>(batch.start, segment.data_begin);
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
  for (const SegmentPointer& segment : open()) {
    const std::int64_t limit_ms = open_limit_ms(segment->bucket);
    if (limit_ms != 0 && now_ms - segment->created_ms > limit_ms) close(segment->id);
  }
}

void OpenSegments::close_outdated() {
  for (const SegmentPointer& segment : open()) {
    if (!segment->dictionary) continue;
    const std::uint32_t tenant = segment->dictionary->tenant();
    if (core_.dictionaries.current(tenant) != segment->dictionary) close(segment->id);
  }
}

std::vector<SegmentPointer> OpenSegments::open() const {
  std::vector<SegmentPointer> open;
  for (const auto& [slot, segment] : open_)
    open.push_back(segment);
  return open;
}

void OpenSegments::close_all() {
  while (!open_.empty())
    close(open_.begin()->second->id);
}

}  // namespace kachel
