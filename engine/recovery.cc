// Recovery: what lies in the directory, read in order. What it does to the files:
// recovery_files.cc.
#include "engine/recovery.h"

#include <algorithm>
#include <future>
#include <queue>
#include <utility>

#include "engine/failed_sync.h"
#include "engine/index_mark.h"
#include "engine/segment_allocator.h"
#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::size_t kApplyBatch = 4096;
constexpr std::size_t kFlushEvery = 32 * 1024;  // records; when memory asks for it, too
constexpr std::uint64_t kNoCut = ~std::uint64_t{0};
}  // namespace

struct Recovery::Source {
  Loaded* loaded = nullptr;
  const std::vector<format::RecordSummary>* records = nullptr;  // by sequence
  std::vector<format::RecordSummary> own;  // what `records` points to, unless it was scanned
  std::size_t next = 0;
  bool is_read = false;

  /// A lower bound until the table is read.
  std::uint64_t sequence() const {
    return is_read ? (*records)[next].sequence : loaded->segment->first_sequence;
  }
  bool done() const { return is_read && next == records->size(); }
};

Result<RecoveryResult> Recovery::run() {
  result_.stats.created = identity_.created();
  result_.stats.clean = identity_.state() == format::StoreState::kClean;
  core_.clock.raise(identity_.highest_wall_ms());
  auto failed_before = has_failed_sync(core_.env.storage);
  if (!failed_before) return failed_before.error();
  after_failed_sync_ = *failed_before;
  if (auto loaded = load_segments(); !loaded) return loaded.error();
  if (auto loaded = load_dictionaries(); !loaded) return loaded.error();
  if (auto opened = open_index(); !opened) return opened.error();
  if (auto scanned = scan_unsealed(); !scanned) return scanned.error();
  if (auto replayed = replay(); !replayed) return replayed.error();
  return std::move(result_);
}

/// A power cut may lose the copies of a dictionary together with the header that names them. Until
/// the segment is sealed nothing tells what lay there but its length and its place.
bool Recovery::is_lost_dictionary(const Loaded& loaded, std::uint64_t first_record) {
  const Segment& segment = *loaded.segment;
  constexpr std::uint64_t kUnit = format::kDictionaryCopies * format::kSegmentHeaderBytes;
  return segment.made_anew && segment.dictionary_id == 0 &&
         loaded.scanned_end == segment.data_begin &&
         (first_record - segment.data_begin) % kUnit == 0;
}

/// What the index has already goes straight into the footer to be; what is above the marker is
/// kept for the replay.
Result<void> Recovery::scan_unsealed() {
  for (Loaded& loaded : loaded_) {
    if (loaded.sealed) continue;
    Segment& segment = *loaded.segment;
    const format::SegmentHeader header = segment.header(core_.store_id);
    Gap unreadable;
    std::uint64_t unreadable_end = 0;
    auto scan = format::scan_segment(
        *segment.file, core_.store_id, segment.id, segment.data_begin,
        [&](const format::DecodedRecord& record, std::uint64_t offset) {
          if (!is_readable(segment, record.meta)) {
            unreadable.next_sequence = record.meta.sequence;
            unreadable_end = offset + record.size;
            return;
          }
          if (offset > loaded.scanned_end && !is_lost_dictionary(loaded, offset)) {
            loaded.gaps.push_back({offset - loaded.scanned_end, record.meta.sequence});
          }
          loaded.scanned_end = offset + record.size;
          core_.clock.raise(record.meta.created_ms);
          loaded.highest_sequence = std::max(loaded.highest_sequence, record.meta.sequence);
          const bool is_held = (record.meta.flags & format::kFlagHeld) != 0;
          if (record.meta.type == format::RecordType::kPut && !is_held) ++loaded.puts;
          format::RecordSummary summary =
              format::summarize(record.meta, offset, record.size, core_.mac_key);
          if (record.meta.sequence > applied_through_ || !loaded.scanned.empty()) {
            loaded.scanned.push_back(summary);
          } else {
            add_to_footer(loaded, header, summary);
          }
        });
    if (!scan) return scan.error();
    loaded.scan = *scan;
    if (unreadable_end > loaded.scanned_end) {
      unreadable.bytes = unreadable_end - loaded.scanned_end;
      loaded.gaps.push_back(unreadable);
    }
    if (loaded.lost_its_footer && loaded.live_before > loaded.puts) {
      result_.stats.damaged_records += loaded.live_before - loaded.puts;
    }
  }
  return {};
}

// ---- index ---------------------------------------------------------------------------------

Result<void> Recovery::open_index() {
  if (auto made = core_.env.storage.create_directory("index"); !made) return made;
  // Somebody may have removed it, and RocksDB syncs only what is in it.
  if (auto synced = core_.env.storage.sync_directory(""); !synced) return synced;
  auto condemned = is_index_condemned(core_.env.storage);
  if (!condemned) return condemned.error();
  Result<std::unique_ptr<Index>> opened = Error{ErrorCode::kCorrupt, "index: damaged"};
  if (!*condemned) opened = open_index_for_room(false);
  std::optional<Marker> marker;
  bool usable = false;
  if (opened) {
    core_.index = std::move(*opened);
    auto found = core_.index->marker();
    usable = found.has_value();
    if (usable) marker = *found;
  } else if (opened.error().code != ErrorCode::kCorrupt &&
             opened.error().code != ErrorCode::kForeign &&
             opened.error().code != ErrorCode::kNoSpace) {  // what it takes up may be enough
    return opened.error();
  }
  // An index that knows of bytes which its segments do not have is from another time.
  for (const auto& [id, offset] :
       marker ? marker->open_segments : decltype(Marker::open_segments){}) {
    const SegmentPointer segment = core_.segments.find(id);
    if (!segment || segment->bytes >= offset) continue;
    usable = false;
    ++result_.stats.damaged_records;
    result_.stats.damaged_bytes += offset - segment->bytes;
  }
  // So is one that knows of sequences which were never given out.
  if (marker && marker->applied_through >= identity_.sequence_limit()) usable = false;
  if (usable && marker) {
    auto restored = restore_books(*marker);
    if (restored) return {};
    usable = false;
  }
  if (usable && loaded_.empty()) return {};  // a new store
  core_.index.reset();
  auto wiped = open_index_for_room(true);
  if (!wiped) return wiped.error();
  core_.index = std::move(*wiped);
  if (auto acquitted = acquit_index(core_.env.storage); !acquitted) return acquitted;
  rebuilt_ = true;
  core_.index->start_housekeeping();  // millions of rows are coming
  result_.stats.index_rebuilt = true;
  return {};
}

/// The index writes a little whenever it is opened. A disk without room for that costs spares
/// rather than the start.
Result<std::unique_ptr<Index>> Recovery::open_index_for_room(bool wipe) {
  auto opened = open_index_(wipe);
  while (!opened && opened.error().code == ErrorCode::kNoSpace && give_up_spare())
    opened = open_index_(wipe);
  return opened;
}

Result<void> Recovery::restore_books(const Marker& marker) {
  auto counts = core_.index->counts();
  if (!counts) return counts.error();
  auto fences = core_.index->fences();
  if (!fences) return fences.error();
  for (const Fence& fence : *fences) {
    if (fence.version >= identity_.sequence_limit()) return Error{ErrorCode::kCorrupt, "a fence"};
  }
  for (const Fence& fence : *fences)
    core_.fences.raise(fence);
  auto holds = core_.index->holds();
  if (!holds) return holds.error();
  for (const Hold& hold : *holds) {
    if (hold.version >= identity_.sequence_limit()) return Error{ErrorCode::kCorrupt, "a hold"};
  }
  for (const Hold& hold : *holds)
    core_.holds.place(hold);
  applied_through_ = marker.applied_through;
  bool knows_its_debt = false;
  for (const SegmentCounts& count : *counts) {
    const SegmentPointer segment = core_.segments.find(count.segment_id);
    if (!segment) {
      // Itself, or a segment that has gone since: its rows are dead.
      const bool is_itself = count.segment_id == kIndexItself;
      knows_its_debt |= is_itself;
      const std::int64_t due_ms = count.due_ms != 0 || is_itself ? count.due_ms : deadline_now();
      if (due_ms != 0) core_.index_debt.note(due_ms);
      continue;
    }
    note_lost_footer(marker, *segment, count);
    segment->live_bytes = count.live_bytes;
    segment->has_later_expiries = count.has_later_expiries;
    if (count.due_ms != 0) segment->note_due(count.due_ms);
    for (const auto& [space, live] : count.live) {
      segment->live[space] = live;
      core_.live_counts.add(space, live);
    }
  }
  // One that says nothing of it comes from an earlier version: anything may be dead in there.
  if (!knows_its_debt) core_.index_debt.note(core_.clock.now_ms());
  return {};
}

std::int64_t Recovery::deadline_now() const {
  return deadline_after(core_.clock.now_ms(), core_.erase_within_ms);
}

/// A segment that was sealed and has no footer any more has lost its end.
void Recovery::note_lost_footer(const Marker& marker, const Segment& segment,
                                const SegmentCounts& counts) {
  const auto loaded = std::find_if(loaded_.begin(), loaded_.end(), [&](const Loaded& candidate) {
    return candidate.segment.get() == &segment;
  });
  if (loaded == loaded_.end() || loaded->sealed) return;
  for (const auto& [id, offset] : marker.open_segments) {
    if (id == segment.id) return;
  }
  loaded->lost_its_footer = true;
  for (const auto& [space, live] : counts.live)
    loaded->live_before += live.entries;
}

// ---- replay --------------------------------------------------------------------------------

std::uint64_t Recovery::highest_found() const {
  std::uint64_t highest = applied_through_;
  for (const Loaded& loaded : loaded_)
    highest = std::max(highest, loaded.highest_sequence);
  return highest;
}

/// Whether all that was handed to the kernel is there: what a failed sync has lost is not.
bool Recovery::same_boot() const {
  if (after_failed_sync_) return false;
  return boot_id_bytes(identity_.boot_id()) == boot_id_bytes(core_.env.boot_id);
}

/// By when what holds have kept must be gone was in the index. What is still held stays.
void Recovery::note_held() {
  for (const Loaded& loaded : loaded_) {
    if (loaded.segment->bucket == kHeldBucket) loaded.segment->note_due(deadline_now());
  }
}

/// The highest sequence through which everything is known to have been durable.
std::uint64_t Recovery::known_durable() const {
  std::uint64_t durable = applied_through_;
  for (const Loaded& loaded : loaded_) {
    // A footer is written once a sync has covered the segment, and every sync covers all that
    // was written before it, in all segments.
    if (loaded.sealed) durable = std::max(durable, loaded.highest_sequence);
    for (const format::RecordSummary& record : loaded.scanned) {
      durable = std::max(durable, record.durable_through);
    }
  }
  return durable;
}

/// The first sequence above `from` that no unsealed segment has.
std::uint64_t Recovery::first_missing(std::uint64_t from) const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> present;  // ranges
  for (const Loaded& loaded : loaded_) {
    for (const format::RecordSummary& record : loaded.scanned) {
      if (record.sequence <= from) continue;
      present.emplace_back(record.sequence, record.sequence);
      if (record.type == format::RecordType::kVoid) {
        present.emplace_back(record.first_void, record.last_void);
      }
    }
  }
  std::sort(present.begin(), present.end());
  std::uint64_t next = from + 1;
  for (const auto& [first, last] : present) {
    if (first > next) return next;
    next = std::max(next, last + 1);
  }
  return next;
}

/// The first sequence that, with all after it, was never promised: kNoCut when there is none.
std::uint64_t Recovery::find_cut(std::uint64_t from) const {
  const std::uint64_t missing = first_missing(from);
  return missing < highest_found() ? missing : kNoCut;
}

/// The highest sequence through which everything is known to have been handed to the kernel.
std::uint64_t Recovery::known_written() const {
  std::uint64_t written = known_durable();
  for (const Loaded& loaded : loaded_) {
    for (const format::RecordSummary& record : loaded.scanned)
      written = std::max(written, record.written_through);
  }
  return written;
}

/// Bytes that are no record: torn by a crash, or else damaged. Up to `there` everything was
/// handed to the kernel once. Before a record of the same segment that a kill has left, nothing
/// can be torn: `in_order`.
Result<void> Recovery::count_damage(std::uint64_t there, bool in_order) {
  const bool lacks_records = first_missing(known_durable()) <= there;
  for (const Loaded& loaded : loaded_) {
    for (const Gap& gap : loaded.gaps) {
      if (!in_order) {
        if (gap.next_sequence > there) continue;
        auto elsewhere = is_elsewhere(loaded, gap.next_sequence);
        if (!elsewhere) return elsewhere.error();
        if (*elsewhere) continue;
      }
      ++result_.stats.damaged_records;
      result_.stats.damaged_bytes += gap.bytes;
    }
    if (loaded.scan.tail_bytes == 0 || !lacks_records) continue;
    ++result_.stats.damaged_records;
    result_.stats.damaged_bytes += loaded.scan.tail_bytes;
  }
  return {};
}

/// After a write that failed the log goes on in another segment, from the first record of that
/// write on: what is left of it here may be torn, and nothing is lost by it.
Result<bool> Recovery::is_elsewhere(const Loaded& here, std::uint64_t sequence) const {
  for (const Loaded& loaded : loaded_) {
    const Segment& segment = *loaded.segment;
    if (&loaded == &here || sequence < segment.first_sequence) continue;
    if (sequence > loaded.highest_sequence) continue;
    auto records = read_summaries(core_.store_id, core_.mac_key, segment);
    if (!records) return records.error();
    const auto same = [&](const format::RecordSummary& record) {
      return record.sequence == sequence;
    };
    if (std::any_of(records->begin(), records->end(), same)) return true;
  }
  return false;
}

Result<void> Recovery::replay() {
  const bool relaxed = identity_.state() == format::StoreState::kOpenRelaxed;
  std::uint64_t cut = kNoCut;
  if (result_.stats.clean) {
    auto counted = count_damage(identity_.sequence_limit() - 1, true);
    if (!counted) return counted;
  } else {
    // Every batch of a relaxed store ends in a mark: what was handed to the kernel is there.
    const std::uint64_t there = same_boot() ? known_written() : known_durable();
    if (!same_boot() || relaxed) cut = find_cut(there);
    auto counted = count_damage(there, same_boot() && !relaxed);
    if (!counted) return counted;
  }
  std::vector<Source> sources;
  for (Loaded& loaded : loaded_) {
    if (loaded.highest_sequence <= applied_through_) continue;
    Source source;
    source.loaded = &loaded;
    sources.push_back(std::move(source));
  }
  if (auto synced = sync_recent(cut); !synced) return synced;
  if (auto raised = raise_fences(sources, cut); !raised) return raised;
  const std::uint64_t highest = highest_found();
  if (auto replayed = replay_sources(sources, cut); !replayed) return replayed;
  if (rebuilt_) note_held();
  if (auto sealed = seal_unsealed(cut); !sealed) return sealed;

  // After a crash the numbers go on at the limit: segments that held higher ones than any
  // that is left may have been dropped.
  result_.last_sequence = std::max(highest, identity_.sequence_limit() - 1);
  const std::uint64_t first_void = cut == kNoCut ? highest + 1 : cut;
  if (first_void <= result_.last_sequence) {
    format::RecordMeta meta;
    meta.type = format::RecordType::kVoid;
    meta.created_ms = core_.clock.now_ms();
    meta.first_void = first_void;
    meta.last_void = result_.last_sequence;
    Append append;
    append.record = format::encode_record(meta, {});
    append.summary.type = format::RecordType::kVoid;
    append.summary.first_void = meta.first_void;
    append.summary.last_void = meta.last_void;
    result_.first_records.push_back(std::move(append));
  }
  return {};
}

/// Before anything is applied, so that what a fence covers never enters the books: the fence's
/// first record may be gone, and its place in the order with it.
Result<void> Recovery::raise_fences(const std::vector<Source>& sources, std::uint64_t cut) {
  for (const Source& source : sources) {
    const bool sealed = source.loaded->sealed;
    Result<std::vector<format::RecordSummary>> table = std::vector<format::RecordSummary>();
    if (sealed) table = read_summaries(core_.store_id, core_.mac_key, *source.loaded->segment);
    if (!table) return table.error();
    for (const format::RecordSummary& record : sealed ? *table : source.loaded->scanned) {
      if (record.sequence >= cut) continue;
      if (record.type == format::RecordType::kScopeFence) {
        core_.fences.raise({record.space, record.mac, record.version,
                            written_ms(record, *source.loaded->segment)});
      }
      if (record.type != format::RecordType::kFence) continue;
      core_.fences.raise({.space = record.space, .version = record.version});
      // The index is older than the fence, and its books are. When the fence's first record is
      // gone, this one is taken for one that is in the books.
      if (record.version > applied_through_) take_out_of_books(core_, record.space);
    }
  }
  return {};
}

/// A rebuild of millions of rows neither gathers in memory nor begins anew when interrupted.
Result<void> Recovery::flush_index() {
  Marker marker;
  marker.store_id = core_.store_id;
  marker.applied_through = applier_.applied_through();
  auto flushed = std::make_shared<std::promise<Result<void>>>();
  core_.index->flush(marker, books_of(core_),
                     [flushed](Result<void> done) { flushed->set_value(done); });
  return flushed->get_future().get();
}

/// By sequence, which nearly always is the order of offset too.
Result<void> Recovery::read_source(Source& source) {
  source.records = &source.loaded->scanned;
  if (source.loaded->sealed) {
    auto table = read_summaries(core_.store_id, core_.mac_key, *source.loaded->segment);
    if (!table) return table.error();
    source.own = std::move(*table);
    source.records = &source.own;
  }
  const auto by_sequence = [](const auto& a, const auto& b) { return a.sequence < b.sequence; };
  if (!std::is_sorted(source.records->begin(), source.records->end(), by_sequence)) {
    if (!source.loaded->sealed) source.own = source.loaded->scanned;
    source.records = &source.own;
    std::sort(source.own.begin(), source.own.end(), by_sequence);
  }
  const auto& records = *source.records;
  while (source.next < records.size() && records[source.next].sequence <= applied_through_) {
    ++source.next;
  }
  return {};
}

Result<void> Recovery::replay_sources(std::vector<Source>& sources, std::uint64_t cut) {
  const auto later = [](const Source* a, const Source* b) { return a->sequence() > b->sequence(); };
  std::priority_queue<Source*, std::vector<Source*>, decltype(later)> heap(later);
  for (Source& source : sources)
    heap.push(&source);
  std::vector<LogRecord> batch;
  std::size_t unflushed = 0;
  const auto flush = [&]() -> Result<void> {
    unflushed += batch.size();
    auto applied = applier_.apply(batch);
    for (const LogRecord& record : batch) {
      if (record.summary.covers != 0 && record.summary.type == format::RecordType::kPut &&
          record.segment->state == SegmentState::kSealing) {
        covers_[record.summary.sequence] = record.summary.covers;
      }
    }
    batch.clear();
    if (!applied && applied.error().code == ErrorCode::kCorrupt) {
      if (auto marked = condemn_index(core_.env.storage); !marked) return marked;
    }
    if (!applied || unflushed < kFlushEvery) return applied;
    const std::uint64_t memory = MemoryPlan::of(core_.memory_bytes).index_bytes;
    if (core_.index->usage().unflushed_bytes < memory / 3) return applied;
    unflushed = 0;
    return flush_index();
  };
  while (!heap.empty()) {
    Source* source = heap.top();
    heap.pop();
    if (!source->is_read) {
      // Read only when the merge has come this far, and dropped when it has passed.
      if (auto read = read_source(*source); !read) return read;
      source->is_read = true;
    } else {
      const format::RecordSummary& record = (*source->records)[source->next++];
      if (record.sequence >= cut) {
        ++result_.stats.voided_records;
      } else {
        ++result_.stats.replayed_records;
        result_.stats.replayed_bytes += record.size;
        batch.push_back({record, source->loaded->segment});
      }
    }
    if (source->done()) {
      source->own = {};
    } else {
      heap.push(source);
    }
    if (batch.size() >= kApplyBatch) {
      if (auto applied = flush(); !applied) return applied;
    }
  }
  return flush();
}

/// What a put covers is not in its record. Of those replayed just now it is known; of the others
/// the index would know, at the price of a lookup each: so they may cover anything, and reclaim
/// leaves a few tombstones too many behind.
std::uint64_t Recovery::covers_of(std::uint64_t sequence) const {
  if (sequence <= applied_through_) return 1;
  const auto found = covers_.find(sequence);
  return found == covers_.end() ? 0 : found->second;
}

}  // namespace kachel
