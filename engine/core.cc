#include "engine/core.h"

namespace kachel {
namespace {

bool is_gone(Core& core, Namespace space, std::uint64_t version, const ScopeTags& tags,
             std::int64_t expires_at_ms, std::int64_t now_ms) {
  if (expires_at_ms != 0 && expires_at_ms <= now_ms) return true;
  return core.is_refused(space, version, tags);
}

Current of_row(Core& core, Namespace space, const Row& row, std::int64_t now_ms) {
  Current current;
  current.row = row;
  if (!core.segments.contains(row.segment_id)) return current;  // evicted with its segment
  if (is_gone(core, space, row.version, row.tags, row.expires_at_ms, now_ms)) return current;
  current.exists = true;
  current.version = row.version;
  current.expires_at_ms = row.expires_at_ms;
  current.raw_bytes = row.raw_bytes;
  current.erase_by_ms = row.erase_by_ms;
  current.tier = Tier::kFlash;
  return current;
}

Current of_pending(Core& core, Namespace space, const Pending& pending, std::int64_t now_ms) {
  Current current;
  if (pending.erased) return current;
  current.row = pending.row;
  if (is_gone(core, space, pending.version, pending.tags(), pending.expires_at_ms, now_ms)) {
    return current;
  }
  if (!pending.entry && pending.row && !core.segments.contains(pending.row->segment_id)) {
    return current;
  }
  current.exists = true;
  current.version = pending.version;
  current.expires_at_ms = pending.expires_at_ms;
  current.raw_bytes = pending.raw_bytes;
  current.tier = pending.entry ? Tier::kWriteBuffer : Tier::kFlash;
  current.entry = pending.entry;
  if (current.entry) {
    current.erase_by_ms = current.entry->metadata.erase_by_ms;
  } else if (current.row) {
    current.erase_by_ms = current.row->erase_by_ms;
  }
  if (current.row) current.row->expires_at_ms = pending.expires_at_ms;
  return current;
}

}  // namespace

MemoryPlan MemoryPlan::of(std::uint64_t memory_bytes) {
  // A quarter for the index keeps its filters in memory at some ten times as many entries as
  // the hot tier holds; a tenth buffers writes over a slow sync.
  MemoryPlan plan;
  plan.index_bytes = memory_bytes / 4;
  plan.write_buffer_bytes = std::max<std::uint64_t>(memory_bytes / 8, 8 * kMiB);
  plan.dictionary_bytes = std::min<std::uint64_t>(memory_bytes / 16, 8 * kMiB);
  const std::uint64_t rest = plan.index_bytes + plan.write_buffer_bytes + plan.dictionary_bytes;
  plan.hot_bytes = memory_bytes > rest ? memory_bytes - rest : memory_bytes / 4;
  return plan;
}

HeldShare held_share_of(const Core& core, const Segment& segment) {
  if (segment.has_due_dictionary()) return HeldShare::kUnknown;
  const bool is_known = segment.held_generation == core.holds.generation();
  return is_known ? segment.held.load() : HeldShare::kUnknown;
}

std::vector<SegmentCounts> books_of(const Core& core) {
  std::vector<SegmentCounts> books;
  for (const SegmentPointer& segment : core.segments.all())
    books.push_back(counts_of(*segment));
  SegmentCounts& itself = books.emplace_back();
  itself.segment_id = kIndexItself;
  itself.due_ms = core.index_debt.due_ms();
  return books;
}

Lookup find_timed(Core& core, const RowKey& key) {
  const std::int64_t began_ns = core.env.clock.monotonic_ns();
  Lookup lookup = core.index->find(key, Where::kAnywhere);
  core.lookup_pace.note(core.env.clock.monotonic_ns() - began_ns);
  return lookup;
}

void note_unreadable(Core& core, const Segment& segment) {
  Counters& counters = core.counters;
  bump(segment.is_arriving ? counters.not_arrived_reads : counters.damaged_reads);
}

bool may_have_hashes(const Core& core, Namespace space) {
  // What the index has is counted: so in this order.
  if (core.last_field > core.applied_through) return true;
  return core.live_counts.has_any_fields() && core.live_counts.of(fields_of(space)) > 0;
}

Current find_current(Core& core, Shard& shard, Namespace space, const Mac& mac, std::int64_t now_ms,
                     Where where) {
  if (const HotItem* item = shard.hot.peek(mac)) {
    Current current;
    if (is_gone(core, space, item->entry->version, item->entry->tags, item->expires_at_ms,
                now_ms)) {
      return current;
    }
    current.exists = true;
    current.version = item->entry->version;
    current.expires_at_ms = item->expires_at_ms;
    current.raw_bytes = item->entry->value().size();
    current.tier = Tier::kHot;
    current.entry = item->entry;
    current.erase_by_ms = item->entry->metadata.erase_by_ms;
    return current;
  }
  if (const auto found = shard.pending.find(mac); found != shard.pending.end()) {
    return of_pending(core, space, found->second, now_ms);
  }
  bump(core.counters.index_lookups);
  const Lookup lookup = core.index->find({space, mac}, where);
  Current current;
  switch (lookup.status) {
    case LookupStatus::kFound:
      return of_row(core, space, lookup.row, now_ms);
    case LookupStatus::kNeedsDisk:
      current.needs_disk = true;
      return current;
    case LookupStatus::kAbsent:
    case LookupStatus::kFailed:
      break;
  }
  return current;
}

}  // namespace kachel
