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
constexpr std::string_view kSegments = "segments";
constexpr std::string_view kQuarantine = "quarantine";
constexpr std::size_t kBlankChunkBytes = 64 * 1024;
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
  if (auto opened = open_index(); !opened) return opened.error();
  if (auto scanned = scan_unsealed(); !scanned) return scanned.error();
  if (auto replayed = replay(); !replayed) return replayed.error();
  return std::move(result_);
}

// ---- segments ------------------------------------------------------------------------------

Result<void> Recovery::load_segments() {
  if (auto made = core_.env.storage.create_directory("segments"); !made) return made;
  auto names = core_.env.storage.list("segments");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const auto id = parse_segment_name(name);
    if (!id) continue;  // not ours to touch
    result_.next_segment_id = std::max(result_.next_segment_id, *id + 1);
    if (auto loaded = load_segment(*id); !loaded) return loaded;
  }
  result_.next_segment_id = std::max(result_.next_segment_id, identity_.segment_id_limit());
  return {};
}

Result<void> Recovery::load_segment(std::uint64_t id) {
  const std::string path = segment_path(id);
  auto file = core_.env.storage.open(path, io::OpenMode::kReadWrite);
  if (!file) return file.error();
  auto size = (*file)->size();
  if (!size) return size.error();
  if (*size == 0) {
    file->reset();
    return keep_or_remove_spare(id);
  }
  if (*size < format::kSegmentHeaderBytes) {  // not even a whole header: it never had a record
    file->reset();
    return core_.env.storage.remove(path);
  }
  std::vector<std::byte> bytes(format::kSegmentHeaderBytes);
  auto got = (*file)->read_at(0, bytes);
  if (!got) return got.error();
  bytes.resize(*got);
  auto header = format::decode_segment_header(bytes, core_.store_id, id);
  bool has_header = header.has_value();
  const std::string header_error = has_header ? "" : header.error().message;
  if (!header) {
    if (header.error().code == ErrorCode::kVersion) return header.error();
    if (header.error().code == ErrorCode::kForeign) {
      file->reset();
      ++result_.stats.damaged_segments;
      return set_aside(id, header.error().message);
    }
    header = mend_header(id, **file, *size);
    if (header) {
      has_header = true;
      ++result_.stats.damaged_segments;
    } else if (header.error().code != ErrorCode::kCorrupt &&
               header.error().code != ErrorCode::kNotFound) {
      return header.error();
    } else {
      // Its records say for themselves where they belong.
      format::SegmentHeader guess;
      guess.store_id = core_.store_id;
      guess.segment_id = id;
      guess.created_ms = core_.clock.now_ms();
      guess.first_sequence = 1;
      guess.capacity_bytes = *size;
      header = guess;
    }
  }
  core_.clock.raise(header->created_ms);
  Loaded loaded;
  loaded.header_damaged = !has_header;
  loaded.segment = std::make_shared<Segment>(*header, std::move(*file));
  Segment& segment = *loaded.segment;
  segment.bytes = *size;
  auto trailer = read_trailer(core_.store_id, id, *segment.file, *size);
  if (!trailer && trailer.error().code == ErrorCode::kVersion) return trailer.error();
  if (!trailer && trailer.error().code == ErrorCode::kIo) return trailer.error();
  if (!has_header && !trailer) {
    auto ours = holds_records(segment);
    if (!ours) return ours.error();
    if (!*ours) {
      loaded.segment.reset();
      return drop_or_set_aside(id, header_error);
    }
  }
  // A power cut may tear the first write of a segment; anything else is damage.
  if (!has_header && (trailer || same_boot())) ++result_.stats.damaged_segments;
  if (trailer && has_header) {
    loaded.sealed = true;
    loaded.highest_sequence = trailer->highest_sequence;
    segment.highest_sequence = trailer->highest_sequence;
    segment.highest_deadline_ms = trailer->highest_deadline_ms;
    segment.note_deadlines(*trailer, core_.erase_within_ms);
    segment.state = SegmentState::kSealed;
  } else {
    segment.state = SegmentState::kSealing;
  }
  core_.segments.add(loaded.segment);
  loaded_.push_back(std::move(loaded));
  return {};
}

/// A scan would find the records that are whole; the table names those that are not as well,
/// and no older value of theirs comes back with the next index.
Result<format::SegmentHeader> Recovery::mend_header(std::uint64_t id, io::File& file,
                                                    std::uint64_t file_bytes) const {
  auto header = header_from_footer(core_.store_id, id, file, file_bytes, core_.clock.now_ms());
  if (!header) return header;
  std::vector<std::byte> bytes = format::encode_segment_header(*header);
  iovec part{bytes.data(), bytes.size()};
  if (auto written = file.write_at(0, std::span(&part, 1)); !written) return written.error();
  if (auto synced = sync(file); !synced) return synced.error();
  return header;
}

Result<bool> Recovery::holds_records(const Segment& segment) const {
  bool found = false;
  auto scan =
      format::scan_segment(*segment.file, core_.store_id, segment.id, format::kSegmentHeaderBytes,
                           [&](const format::DecodedRecord&, std::uint64_t) { found = true; });
  if (!scan) return scan.error();
  return found;
}

/// A file without a header and without a record: zeros are what a power cut leaves of a first
/// write, and mean nothing.
Result<void> Recovery::drop_or_set_aside(std::uint64_t id, const std::string& why) {
  const std::string path = segment_path(id);
  auto file = core_.env.storage.open(path, io::OpenMode::kRead);
  if (!file) return file.error();
  std::vector<std::byte> chunk(kBlankChunkBytes);
  for (std::uint64_t offset = 0;; offset += chunk.size()) {
    auto got = (*file)->read_at(offset, chunk);
    if (!got) return got.error();
    const auto end = chunk.begin() + static_cast<std::ptrdiff_t>(*got);
    const bool blank =
        std::all_of(chunk.begin(), end, [](std::byte b) { return b == std::byte{}; });
    if (!blank) break;
    if (*got == chunk.size()) continue;
    file->reset();
    return core_.env.storage.remove(path);
  }
  file->reset();
  if (same_boot()) ++result_.stats.damaged_segments;
  return set_aside(id, why);
}

/// A spare that never took a record. Its blocks may be the only ones left for erases: on a full
/// disk somebody else would have them at once. After a power cut it may have taken some, and
/// ids are not used again.
Result<void> Recovery::keep_or_remove_spare(std::uint64_t id) {
  if (same_boot() && result_.spares.size() < SegmentAllocator::kSpares) {
    result_.spares.push_back(id);
    return {};
  }
  return core_.env.storage.remove(segment_path(id));
}

/// What is not this store's is moved out of the way, never removed.
Result<void> Recovery::set_aside(std::uint64_t id, const std::string& why) {
  if (auto made = core_.env.storage.create_directory(kQuarantine); !made) return made;
  const std::string path = segment_path(id);
  const std::string aside = std::string(kQuarantine) + path.substr(path.find('/'));
  auto renamed = core_.env.storage.rename(path, aside);
  if (!renamed) {
    return Error{renamed.error().code, path + ": " + why + "; it could not be moved to " + aside +
                                           ": " + renamed.error().message};
  }
  // First where it is now, or a power cut could leave it in neither place.
  for (const std::string_view directory : {kQuarantine, std::string_view(), kSegments}) {
    if (auto synced = core_.env.storage.sync_directory(directory); !synced) return synced;
  }
  return {};
}

/// What the index has already goes straight into the footer to be; what is above the marker is
/// kept for the replay.
Result<void> Recovery::scan_unsealed() {
  for (Loaded& loaded : loaded_) {
    if (loaded.sealed) continue;
    Segment& segment = *loaded.segment;
    const format::SegmentHeader header = segment.header(core_.store_id);
    auto scan = format::scan_segment(
        *segment.file, core_.store_id, segment.id, format::kSegmentHeaderBytes,
        [&](const format::DecodedRecord& record, std::uint64_t offset) {
          if (offset > loaded.scanned_end) {
            loaded.gaps.push_back({offset - loaded.scanned_end, record.meta.sequence});
          }
          loaded.scanned_end = offset + record.size;
          core_.clock.raise(record.meta.created_ms);
          loaded.highest_sequence = std::max(loaded.highest_sequence, record.meta.sequence);
          if (record.meta.type == format::RecordType::kPut) ++loaded.puts;
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
    if (loaded.lost_its_footer && loaded.live_before > loaded.puts) {
      result_.stats.damaged_records += loaded.live_before - loaded.puts;
    }
  }
  return {};
}

void Recovery::add_to_footer(Loaded& loaded, const format::SegmentHeader& header,
                             format::RecordSummary summary) const {
  if (summary.type == format::RecordType::kPut) summary.covers = covers_of(summary.sequence);
  loaded.footer.add(header, summary);
  loaded.data_end = summary.offset + summary.size;
}

// ---- index ---------------------------------------------------------------------------------

Result<void> Recovery::open_index() {
  if (auto made = core_.env.storage.create_directory("index"); !made) return made;
  // Somebody may have removed it, and RocksDB syncs only what is in it.
  if (auto synced = core_.env.storage.sync_directory(""); !synced) return synced;
  auto condemned = is_index_condemned(core_.env.storage);
  if (!condemned) return condemned.error();
  Result<std::unique_ptr<Index>> opened = Error{ErrorCode::kCorrupt, "index: damaged"};
  if (!*condemned) opened = open_index_(false);
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
  auto wiped = open_index_(true);
  if (!wiped) return wiped.error();
  core_.index = std::move(*wiped);
  if (auto acquitted = acquit_index(core_.env.storage); !acquitted) return acquitted;
  rebuilt_ = true;
  core_.index->start_housekeeping();  // millions of rows are coming
  result_.stats.index_rebuilt = true;
  return {};
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
  applied_through_ = marker.applied_through;
  for (const SegmentCounts& count : *counts) {
    const SegmentPointer segment = core_.segments.find(count.segment_id);
    if (!segment) continue;
    note_lost_footer(marker, *segment, count);
    segment->live_bytes = count.live_bytes;
    segment->has_later_expiries = count.has_later_expiries;
    if (count.due_ms != 0) segment->note_due(count.due_ms);
    for (const auto& [space, live] : count.entries) {
      segment->live_entries[space] = live;
      core_.live_counts.add(space, static_cast<std::int64_t>(live));
    }
  }
  return {};
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
  for (const auto& [space, live] : counts.entries)
    loaded->live_before += live;
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
        const std::int64_t segment_ms = source.loaded->segment->created_ms;
        core_.fences.raise({record.space, record.mac, record.version,
                            record.created_ms != 0 ? record.created_ms : segment_ms});
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

/// Before a footer says that everything up to its highest sequence is durable, and before the
/// index is flushed with rows that rely on it. Footers, too, that a killed process has written
/// and that may not be on disk: what they settle is not settled anew after a power cut. On
/// another boot they may come from a start that was killed before it had told of that boot.
///
/// A sync covers what is written before it, and not what one that has failed, perhaps in the
/// instant of the kill, should have written: so whatever may not be durable is written again.
///
/// The index takes care of itself. RocksDB lets no file in whose sync has failed; opening it
/// writes its manifest anew and syncs it; and its marker is part of it.
Result<void> Recovery::sync_recent(std::uint64_t cut) {
  const std::uint64_t durable = known_durable();
  const bool settles = result_.stats.clean && !after_failed_sync_;
  for (const Loaded& loaded : loaded_) {
    if (loaded.sealed && (settles || loaded.highest_sequence <= applied_through_)) continue;
    auto written = settles ? Result<void>() : rewrite_recent(loaded, durable, cut);
    // A file system that writes nothing in place, and is full.
    const bool no_room = !written && written.error().code == ErrorCode::kNoSpace;
    if (!written && (!no_room || after_failed_sync_)) return written;
    if (auto synced = sync(*loaded.segment->file); !synced) return synced;
  }
  return {};
}

Result<void> Recovery::rewrite_recent(const Loaded& loaded, std::uint64_t durable,
                                      std::uint64_t cut) {
  const Segment& segment = *loaded.segment;
  if (!loaded.header_damaged) {
    // Durable records do not vouch for it: it may be one that a start had to make anew.
    auto header = format::encode_segment_header(segment.header(core_.store_id));
    if (auto written = rewrite(*segment.file, 0, std::move(header)); !written) return written;
  }
  if (loaded.sealed) return rewrite_footer(segment);  // its records were durable before it was
  for (const format::RecordSummary& record : loaded.scanned) {
    if (record.sequence <= durable || record.sequence >= cut) continue;
    auto bytes = read_exactly(*segment.file, record.offset, record.size);
    if (!bytes) return bytes.error();
    auto whole = format::decode_record(*bytes, {core_.store_id, segment.id, record.offset});
    // Out of the page cache since the scan.
    if (!whole) return Error{ErrorCode::kIo, segment_path(segment.id) + " reads differently"};
    auto written = rewrite(*segment.file, record.offset, std::move(*bytes));
    if (!written) return written;
  }
  return {};
}

Result<void> Recovery::rewrite_footer(const Segment& segment) {
  const std::uint64_t end = segment.bytes;
  auto trailer = read_trailer(core_.store_id, segment.id, *segment.file, end);
  if (!trailer) return trailer.error();
  auto bytes = read_exactly(*segment.file, trailer->table_offset, end - trailer->table_offset);
  if (!bytes) return bytes.error();
  return rewrite(*segment.file, trailer->table_offset, std::move(*bytes));
}

Result<void> Recovery::rewrite(io::File& file, std::uint64_t offset,
                               std::vector<std::byte> bytes) const {
  iovec part{bytes.data(), bytes.size()};
  return file.write_at(offset, std::span(&part, 1));
}

Result<void> Recovery::sync(io::File& file) const {
  return sync_or_mark(core_.env.storage, file);
}

/// A rebuild of millions of rows neither gathers in memory nor begins anew when interrupted.
Result<void> Recovery::flush_index() {
  Marker marker;
  marker.store_id = core_.store_id;
  marker.applied_through = applier_.applied_through();
  std::vector<SegmentCounts> counts;
  for (const SegmentPointer& segment : core_.segments.all()) {
    counts.push_back(counts_of(*segment));
  }
  auto flushed = std::make_shared<std::promise<Result<void>>>();
  core_.index->flush(marker, counts, [flushed](Result<void> done) { flushed->set_value(done); });
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

/// Footers for what the last run left open, so that appends always go to new segments.
Result<void> Recovery::seal_unsealed(std::uint64_t cut) {
  for (Loaded& loaded : loaded_) {
    if (loaded.sealed) continue;
    Segment& segment = *loaded.segment;
    const format::SegmentHeader layout = segment.header(core_.store_id);
    for (const format::RecordSummary& record : loaded.scanned) {
      if (record.sequence < cut) add_to_footer(loaded, layout, record);
    }
    const bool empty = loaded.footer.entries() == 0;
    loaded.scanned = {};
    if (empty && loaded.scan.tail_bytes != 0 && same_boot()) {
      core_.segments.remove(segment.id);
      core_.segments.forget(segment.id);
      if (auto aside = set_aside(segment.id, "no record in it is whole"); !aside) return aside;
      continue;
    }
    if (empty) {
      core_.segments.remove(segment.id);
      if (auto removed = core_.env.storage.remove(segment_path(segment.id)); !removed) {
        return removed;
      }
      core_.segments.forget(segment.id);
      continue;
    }
    const std::uint64_t data_end = loaded.data_end;
    format::EncodedFooter footer = loaded.footer.finish(core_.store_id, layout, data_end);
    iovec part{footer.bytes.data(), footer.bytes.size()};
    // What is voided goes for good before there is a footer: without the footer, which may be
    // lost though the next start has seen it, it would be back.
    if (segment.bytes > data_end) {
      if (auto cut_off = segment.file->truncate(data_end); !cut_off) return cut_off;
      if (auto synced = sync(*segment.file); !synced) return synced;
    }
    if (loaded.header_damaged) {
      std::vector<std::byte> header = format::encode_segment_header(layout);
      iovec head{header.data(), header.size()};
      if (auto written = segment.file->write_at(0, std::span(&head, 1)); !written) return written;
      // Before there is a footer: a sealed segment without a header would be a damaged one.
      if (auto synced = sync(*segment.file); !synced) return synced;
    }
    auto written = segment.file->write_at(data_end, std::span(&part, 1));
    const bool no_room = !written && written.error().code == ErrorCode::kNoSpace;
    if (!written && !no_room) return written;
    // On a full disk it goes without: it is scanned when its table is needed.
    const std::uint64_t end = no_room ? data_end : data_end + footer.bytes.size();
    if (auto cut_off = segment.file->truncate(end); !cut_off) return cut_off;
    if (auto synced = sync(*segment.file); !synced) return synced;
    segment.bytes = end;
    segment.data_end = data_end;
    segment.highest_sequence = footer.trailer.highest_sequence;
    segment.highest_deadline_ms = footer.trailer.highest_deadline_ms;
    segment.note_deadlines(footer.trailer, core_.erase_within_ms);
    segment.state = SegmentState::kSealed;
  }
  return core_.env.storage.sync_directory("segments");
}

}  // namespace kachel
