// Verification: segments. First what they say of themselves, then every byte of them.
#include <algorithm>

#include "engine/inspect/verifier.h"
#include "engine/lifetime_bucket.h"
#include "engine/segment_files.h"

namespace kachel::inspect {
namespace {

// Bytes of records: shorter segments are read by the time that a ring is there.
constexpr std::uint64_t kReadAheadFrom = std::uint64_t{8} << 20;

/// Not of all: the others are worth a look.
bool is_of_one_file(const Error& error) {
  return error.code == ErrorCode::kIo || error.code == ErrorCode::kPermission ||
         error.code == ErrorCode::kNotFound;
}

void say_nothing(const Finding&) {}

/// Whether a version was written down beside the sequence is a matter of coding: a table made while
/// the store ran does not say so of changes of an expiry, one made by a start does.
std::uint8_t listed_flags(std::uint8_t flags) {
  return flags & static_cast<std::uint8_t>(~format::kFlagVersioned);
}

bool same_listing(const format::RecordSummary& listed, const format::RecordSummary& own) {
  return listed.type == own.type && listed_flags(listed.flags) == listed_flags(own.flags) &&
         listed.offset == own.offset && listed.size == own.size &&
         listed.sequence == own.sequence && listed.version == own.version &&
         listed.space == own.space && listed.mac == own.mac && listed.tags == own.tags &&
         listed.expires_at_ms == own.expires_at_ms && listed.erase_by_ms == own.erase_by_ms &&
         listed.raw_bytes == own.raw_bytes;
}

}  // namespace

Result<void> Verifier::check_heads() {
  for (SegmentState& state : segments_) {
    if (auto done = inspection_.go_on(); !done) return done;
    if (auto done = check_head(state); !done) {
      if (!is_of_one_file(done.error())) return done;
      report({FindingCode::kUnreadable, segment_path(state.id), {}, 0, done.error().message});
      cannot(segment_path(state.id) + " can't be read");
    }
  }
  return {};
}

/// What is wrong with headers is told of all segments, whichever are selected.
Result<void> Verifier::check_head(SegmentState& state) {
  auto segment =
      open_segment(store_, state.id, [this](Finding finding) { report(std::move(finding)); });
  if (!segment) return segment.error();
  const std::int64_t created_ms = *segment ? (*segment)->header.created_ms : 0;
  state.is_selected = is_selected(state.id, created_ms);
  if (!*segment) {
    const auto bytes = size_of(segment_path(state.id));
    state.file_bytes = bytes ? *bytes : 0;
    report_.total_bytes += state.file_bytes;
    return {};
  }
  const SegmentView& view = **segment;
  state.file_bytes = view.file_bytes;
  report_.total_bytes += state.file_bytes;
  state.data_begin = std::min(view.data_begin, view.file_bytes);
  state.data_end = view.data_end;
  state.is_usable = view.data_begin <= view.file_bytes;
  state.is_sealed = view.is_sealed;
  if (view.trailer) {
    state.lowest_sequence = view.trailer->lowest_sequence;
    state.highest_sequence = view.trailer->highest_sequence;
    known_written_ = std::max(known_written_, view.trailer->highest_sequence);
    if (view.trailer->lowest_erase_by_ms != 0) state.due_ms = view.trailer->lowest_erase_by_ms;
  }
  if (state.is_sealed && state.is_usable) {
    if (auto read = read_voids(view); !read) return read;
  }
  if (!state.is_selected) return {};
  const bool whole = wants({VerifyScope::kFull, VerifyScope::kSegments, VerifyScope::kErasure});
  expect(whole || !state.is_sealed ? state.file_bytes
                                   : state.file_bytes - (state.data_end - state.data_begin));
  return {};
}

/// The table does not say which sequences a void record voids.
Result<void> Verifier::read_voids(const SegmentView& segment) {
  TableReader table(segment);
  while (true) {
    const auto entry = table.next();
    if (!entry) return entry.error().code == ErrorCode::kCorrupt ? Result<void>() : entry.error();
    if (!*entry) return {};
    if ((*entry)->type != format::RecordType::kVoid) continue;
    const auto bytes = read_exactly(*segment.file, (*entry)->offset, (*entry)->size);
    if (!bytes) continue;
    const auto record =
        format::decode_record(*bytes, {store_.store_id(), segment.id, (*entry)->offset});
    if (record) note_statements(record->meta);
  }
}

void Verifier::note_statements(const format::RecordMeta& meta) {
  if (meta.type == format::RecordType::kVoid) voids_.emplace_back(meta.first_void, meta.last_void);
  if (meta.type == format::RecordType::kMark) {
    known_written_ = std::max({known_written_, meta.durable_through, meta.written_through});
  }
}

Result<void> Verifier::check_segments() {
  auto done = check_each_segment();
  settle_lookup();
  return done;
}

Result<void> Verifier::check_each_segment() {
  for (SegmentState& state : segments_) {
    if (!state.is_selected || state.id <= walked_through_) continue;
    auto done = check_segment(state);
    match_all(state);
    if (!done) {
      if (!is_of_one_file(done.error())) return done;
      report({FindingCode::kUnreadable, segment_path(state.id), {}, 0, done.error().message});
      cannot(segment_path(state.id) + " can't be read");
    }
    ++report_.segments_checked;
    walked_through_ = state.id;
    walked_records_ = inspection_.progress.records;
  }
  return {};
}

Result<void> Verifier::check_segment(SegmentState& state) {
  if (!state.is_usable) {
    inspection_.count(state.file_bytes);
    return inspection_.go_on();
  }
  auto segment = open_segment(store_, state.id, say_nothing);
  if (!segment) return segment.error();
  const SegmentView& view = **segment;
  const bool reads_all = wants({VerifyScope::kFull, VerifyScope::kSegments, VerifyScope::kErasure});
  inspection_.count(state.data_begin);
  if (!reads_all && state.is_sealed) {
    if (auto done = check_table(state, view); !done) return done;
    inspection_.count(state.file_bytes - state.data_end);
    return inspection_.go_on();
  }
  Walk walk;
  if (view.data_end - view.data_begin >= kReadAheadFrom) {
    if (!ahead_) ahead_ = std::make_unique<io::ReadAhead>();
    walk.ahead = ahead_.get();
  }
  walk.check_values = options_.scope != VerifyScope::kErasure;
  walk.on_bytes = [this](std::uint64_t bytes) { inspection_.count(bytes); };
  walk.go_on = [this] { return inspection_.go_on(); };
  walk.on_finding = [this](Finding finding) { report_of_walk(std::move(finding)); };
  walk.on_record = [&](const WalkedRecord& record) {
    ++inspection_.progress.records;
    if (!state.is_sealed) {
      note_statements(record.meta);
      state.highest_sequence = std::max(state.highest_sequence, record.meta.sequence);
      state.lowest_sequence = state.lowest_sequence == 0
                                  ? record.meta.sequence
                                  : std::min(state.lowest_sequence, record.meta.sequence);
    }
    if (!store_.mac_key()) return;
    const auto own = format::summarize(record.meta, record.offset, record.size, *store_.mac_key());
    check_listed(view, record, own);
    if (own.type == format::RecordType::kPut) match(state, own);
  };
  const auto walked = walk_records(store_, view, walk);
  if (!walked) return walked.error();
  state.tail_bytes = walked->tail_bytes;
  inspection_.count(state.file_bytes - state.data_end);
  return inspection_.go_on();
}

/// Without reading the records: the table stands for them.
Result<void> Verifier::check_table(SegmentState& state, const SegmentView& segment) {
  TableReader table(segment);
  auto fits = table.check();
  while (fits) {
    const auto entry = table.next();
    if (!entry) {
      fits = entry.error();
      break;
    }
    if (!*entry) return {};
    if ((*entry)->type == format::RecordType::kPut && store_.mac_key()) match(state, **entry);
  }
  if (fits.error().code != ErrorCode::kCorrupt) return fits;
  report({FindingCode::kFooter, segment.path, segment.trailer->table_offset,
          segment.trailer->table_bytes, fits.error().message});
  return {};
}

/// A run that goes on after this one was cut off says it again: it won't look there.
void Verifier::report_of_walk(Finding finding) {
  walk_findings_.push_back(finding);
  report(std::move(finding));
}

void Verifier::check_listed(const SegmentView& segment, const WalkedRecord& record,
                            const format::RecordSummary& own) {
  if (!segment.trailer) return;
  const std::uint64_t sequence = record.meta.sequence;
  if (record.listed == nullptr) {
    const bool is_void = std::any_of(voids_.begin(), voids_.end(), [&](const auto& range) {
      return range.first <= sequence && sequence <= range.second;
    });
    if (is_void) return;
    report_of_walk({FindingCode::kTableDiffers, segment.path, record.offset, record.size,
                    "a whole record with sequence " + std::to_string(sequence) +
                        " that the segment's table does not have"});
    return;
  }
  if (same_listing(*record.listed, own)) return;
  report_of_walk({FindingCode::kTableDiffers, segment.path, record.offset, record.size,
                  "the segment's table says otherwise than the record with sequence " +
                      std::to_string(sequence)});
}

Result<void> Verifier::for_each_summary(const SegmentState& state, const OnSummary& call) {
  if (!state.is_usable) return {};
  auto segment = open_segment(store_, state.id, say_nothing);
  if (!segment) return segment.error();
  if (!*segment) return {};
  if ((*segment)->trailer) {
    TableReader table(**segment);
    if (table.check()) {
      while (true) {
        const auto entry = table.next();
        if (!entry) return entry.error();
        if (!*entry) return inspection_.go_on();
        call(**entry);
      }
    }
  }
  Walk walk;
  walk.check_values = false;
  walk.on_finding = say_nothing;
  walk.on_bytes = [](std::uint64_t) {};
  walk.go_on = [this] { return inspection_.go_on(); };
  walk.on_record = [&](const WalkedRecord& record) {
    const MacKey key = store_.mac_key().value_or(MacKey{});
    call(format::summarize(record.meta, record.offset, record.size, key));
  };
  const auto walked = walk_records(store_, **segment, walk);
  return walked ? Result<void>() : walked.error();
}

/// Segments without a footer: which of them should have one, and what their ends are.
void Verifier::check_ends() {
  for (const SegmentState& state : segments_) {
    if (!state.is_usable || state.is_sealed || !state.is_selected) continue;
    bool was_sealed = store_.is_clean() && !store_.is_copy();
    if (!was_sealed && marker_ && state.is_counted) {
      const auto& open = marker_->open_segments;
      was_sealed = std::none_of(open.begin(), open.end(),
                                [&](const auto& item) { return item.first == state.id; });
    }
    const std::string path = segment_path(state.id);
    if (was_sealed) {
      report({FindingCode::kFooterMissing, path, state.file_bytes, 0,
              "ends without a footer, and was sealed"});
    }
    if (state.tail_bytes == 0) continue;
    const std::uint64_t offset = state.file_bytes - state.tail_bytes;
    report({was_sealed ? FindingCode::kStrayBytes : FindingCode::kTornTail, path, offset,
            state.tail_bytes, "ends in bytes that are no whole record"});
  }
}

}  // namespace kachel::inspect
