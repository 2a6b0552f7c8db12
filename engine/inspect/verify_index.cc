// Verification: the index, its files and its rows, against the segments in both directions. Each
// record asks the index for its row; a sum over the rows that point into a segment and a sum over
// those that were met there tell whether there are others.
#include <algorithm>

#include "engine/audit/files.h"
#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/inspect/entries.h"
#include "engine/inspect/verifier.h"
#include "engine/row_coding.h"
#include "engine/segment_files.h"

namespace kachel::inspect {
namespace {

// Records that the index lacks and no fence explains, before the tables are searched for
// tombstones.
constexpr std::size_t kMostOrphans = 200'000;
// Puts of a segment whose rows are looked up together: some 8 MiB of them.
constexpr std::size_t kMostUnmatched = 32'768;
// Fewer are not worth a thread.
constexpr std::size_t kLookupsBeside = 1024;
constexpr std::uint64_t kRowsAStep = 4096;
constexpr std::uint64_t kMostManifestBytes = std::uint64_t{64} << 20;

std::uint64_t digest_of(const RowKey& key, std::uint64_t offset) {
  return format::checksum(key.mac.bytes, offset ^ (std::uint64_t{key.space.tenant} << 32) ^
                                             (std::uint64_t{key.space.database} << 56));
}

bool same_entry(const Row& row, const format::RecordSummary& put) {
  return row.sequence == put.sequence && row.version == put.version && row.size == put.size &&
         row.raw_bytes == put.raw_bytes && row.erase_by_ms == put.erase_by_ms &&
         row.tags == put.tags &&
         (row.expiry_sequence != 0 || row.expires_at_ms == put.expires_at_ms);
}

}  // namespace

Result<void> Verifier::open_index() {
  const auto is_there = store_.storage().exists("index");
  if (!is_there) return is_there.error();
  index_path_ = store_.storage().native_root() + "/index";
  if (!*is_there || store_.storage().native_root().empty()) {
    report({FindingCode::kIndexMissing, "index", {}, 0, "there is no index"});
    cannot("there is no index to compare with");
    return {};
  }
  if (const auto marked = store_.storage().exists("index/REBUILD"); marked && *marked) {
    report({FindingCode::kIndexMissing, "index/REBUILD", {}, 0, "the index is marked as damaged"});
  }
  auto index = IndexReader::open(index_path_);
  if (index) {
    index_ = std::move(*index);
  } else {
    report(
        {FindingCode::kIndexFile, "index", {}, 0, "it can't be opened: " + index.error().message});
    cannot("the index can't be opened, so nothing was compared with it");
  }
  if (auto done = check_index_files("index"); !done) return done;
  return index_ ? read_index() : Result<void>();
}

Result<void> Verifier::check_index_files(const std::string& path) {
  const auto names = store_.storage().list(path);
  if (!names) return names.error();
  std::vector<std::string> tables = index_ ? index_->tables() : std::vector<std::string>();
  std::string manifest;
  if (auto current = audit::read_file(store_.storage(), path + "/CURRENT", 1024)) {
    expect(current->size());
    inspection_.count(current->size());
    if (current->ends_with('\n')) manifest = current->substr(0, current->size() - 1);
  }
  for (const std::string& name : *names) {
    if (auto done = inspection_.go_on(); !done) return done;
    const bool is_table = name.ends_with(".sst");
    const std::string file = std::string(path).append("/").append(name);
    if (name == manifest ||
        (is_table && (!index_ || std::find(tables.begin(), tables.end(), name) != tables.end()))) {
      check_index_file(file, name);
    } else if (is_table || name.starts_with("MANIFEST-") || name.ends_with(".dbtmp")) {
      report({FindingCode::kLeftover, file, {}, 0, "a file that the index does not use any more"});
    } else if (name.ends_with(".log")) {
      const auto bytes = size_of(file);
      if (!bytes || *bytes == 0) continue;
      report({FindingCode::kUnknownFile, file, {}, 0, "a log, which this index never writes"});
    } else if (name != "CURRENT" && name != "IDENTITY" && name != "LOCK" && name != "REBUILD" &&
               !name.starts_with("OPTIONS-")) {
      report({FindingCode::kUnknownFile, file, {}, 0, "no part of Kachel has made this"});
    }
  }
  return {};
}

void Verifier::check_index_file(const std::string& path, const std::string& name) {
  const auto bytes = size_of(path);
  if (bytes) expect(*bytes);
  Result<void> checked;
  if (name.ends_with(".sst")) {
    if (options_.scope == VerifyScope::kQuick) {
      inspection_.progress.expected_bytes -= bytes ? *bytes : 0;
      return;
    }
    checked = check_table_file(index_path_ + "/" + name);
  } else {
    const auto text = audit::read_file(store_.storage(), path, kMostManifestBytes);
    checked = text ? check_manifest(*text) : Result<void>(text.error());
  }
  if (bytes) inspection_.count(*bytes);
  if (checked) return;
  report({FindingCode::kIndexFile, path, {}, bytes ? *bytes : 0, checked.error().message});
}

Result<void> Verifier::read_index() {
  const bool reads_rows = options_.scope != VerifyScope::kQuick;
  std::uint64_t items = 0;
  auto done =
      index_->for_each({}, [&](std::string_view key, std::string_view value) -> Result<void> {
        if (++items % kRowsAStep == 0) {
          if (auto go = inspection_.go_on(); !go) return go;
        }
        if (!key.empty() && key[0] == kRowPrefix) {
          if (reads_rows) read_row(key, value);
          return {};
        }
        if (key == marker_key()) {
          marker_ = decode_marker(value);
          if (!marker_ || marker_->store_id != store_.store_id()) {
            report(
                {FindingCode::kIndexItem,
                 "index",
                 {},
                 0,
                 marker_ ? "the index belongs to another store" : "the marker can't be decoded"});
            marker_.reset();
          }
        } else if (const auto id = decode_counts_key(key)) {
          read_counts(*id, segment_path(*id), value);
        } else if (const auto fence = decode_fence(key, value)) {
          fences_.push_back(*fence);
        } else if (const auto hold = decode_hold(key, value)) {
          holds_.push_back(*hold);
        } else {
          report({FindingCode::kIndexItem,
                  "index",
                  {},
                  0,
                  "an item of " + std::to_string(key.size() + value.size()) +
                      " bytes that can't be decoded"});
        }
        return {};
      });
  if (!done && done.error().code != ErrorCode::kShutdown) {
    report({FindingCode::kIndexFile, "index", {}, 0, done.error().message});
    cannot("the index can't be read to its end");
    index_.reset();
    return {};
  }
  if (items == 0) {
    report({FindingCode::kIndexEmpty,
            "index",
            {},
            0,
            "it is empty: no flush has ended since it was made, or a rebuild was cut short"});
  }
  if (!marker_ && items > 0) cannot("the index has no marker, so nothing was compared with it");
  if (marker_) known_written_ = std::max(known_written_, marker_->applied_through);
  if (report_.dangling_rows > 0 && reads_rows && !store_.is_clean()) {
    report({FindingCode::kLeftover,
            "index",
            {},
            0,
            std::to_string(report_.dangling_rows) +
                " rows point into segments that are not there: of segments that were reclaimed, as "
                "far as the index of a store that was not stopped in order can tell"});
  }
  rows_are_known_ = reads_rows && marker_.has_value();
  return done;
}

void Verifier::read_row(std::string_view key, std::string_view value) {
  ++inspection_.progress.rows;
  const auto row_key = decode_row_key(key);
  const auto row = decode_row(value);
  if (!row_key || !row) {
    report({FindingCode::kIndexItem, "index", {}, 0, "a row that can't be decoded"});
    return;
  }
  SegmentState* const state = find(row->segment_id);
  if (state == nullptr) {
    ++report_.dangling_rows;
    return;
  }
  if (!state->is_selected || (options_.tenant && row_key->space.tenant != *options_.tenant)) return;
  const bool is_inside = row->offset >= state->data_begin && row->size > 0 &&
                         row->offset <= state->data_end &&
                         row->size <= state->data_end - row->offset;
  if (!is_inside) {
    report({FindingCode::kRowWithoutRecord, segment_path(state->id), row->offset, row->size,
            "the index has a row for " + std::to_string(row->size) +
                " bytes here, which is not among the segment's records"});
    return;
  }
  ++state->rows;
  state->rows_digest += digest_of(*row_key, row->offset);
}

void Verifier::read_counts(std::uint64_t id, const std::string& path, std::string_view value) {
  const auto counts = decode_counts(id, value);
  if (!counts) {
    report({FindingCode::kIndexItem,
            "index",
            {},
            0,
            "the live counts of " + path + " can't be decoded"});
    return;
  }
  if (id == 0) {
    index_due_ms_ = counts->due_ms;
    return;
  }
  if (SegmentState* const state = find(id)) {
    state->is_counted = true;
    if (counts->due_ms != 0) state->due_ms = counts->due_ms;
    return;
  }
  // A segment that goes leaves the books with the next flush, and a stop in order ends with one.
  if (!store_.is_clean() || snapshot_) return;  // what a snapshot has its manifest says
  std::uint64_t entries = 0;
  for (const auto& [space, live] : counts->live)
    entries += live.entries;
  if (entries == 0 && store_.is_copy()) return;
  report({FindingCode::kSegmentMissing,
          path,
          {},
          0,
          "is not there, and the index counts " + std::to_string(entries) + " entries in it"});
}

/// A put is to be compared with the row of its key. Not one at a time: in the order of the log each
/// lookup would read a block of the index for itself; and beside the walk, which goes on.
void Verifier::match(SegmentState& state, const format::RecordSummary& put) {
  if (!rows_are_known_ || (put.flags & format::kFlagHeld) != 0) return;
  if (!wants({VerifyScope::kFull, VerifyScope::kIndex})) return;
  if (options_.tenant && put.space.tenant != *options_.tenant) return;
  unmatched_.push_back(put);
  if (unmatched_.size() >= kMostUnmatched) match_all(state);
}

void Verifier::match_all(SegmentState& state) {
  if (unmatched_.empty()) return;
  settle_lookup();
  const bool is_short = unmatched_.size() < kLookupsBeside;
  lookup_ =
      std::async(is_short ? std::launch::deferred : std::launch::async | std::launch::deferred,
                 [&state, &index = *index_, puts = std::move(unmatched_)]() mutable {
                   sort_as_rows(puts);
                   std::vector<RowKey> keys;
                   keys.reserve(puts.size());
                   for (const format::RecordSummary& put : puts)
                     keys.push_back({put.space, put.mac});
                   PutLookup lookup{&state, std::move(puts), {}};
                   lookup.rows.reserve(keys.size());
                   index.find_all(keys, [&](std::size_t, const Result<std::optional<Row>>& row) {
                     lookup.rows.push_back(row);
                   });
                   return lookup;
                 });
  unmatched_.clear();
  if (is_short) settle_lookup();
}

void Verifier::settle_lookup() {
  if (!lookup_.valid()) return;
  const PutLookup lookup = lookup_.get();
  for (std::size_t i = 0; i < lookup.puts.size(); ++i)
    match_row(*lookup.state, lookup.puts[i], lookup.rows[i]);
}

void Verifier::match_row(SegmentState& state, const format::RecordSummary& put,
                         const Result<std::optional<Row>>& found) {
  const RowKey key{put.space, put.mac};
  if (!found) {
    if (failed_lookups_++ == 0) {
      report({FindingCode::kIndexFile,
              "index",
              {},
              0,
              "a lookup fails, and so may others: " + found.error().message});
    }
    return;
  }
  if (*found) {
    const Row& row = **found;
    if (row.segment_id == state.id && row.offset == put.offset) {
      ++state.matched;
      state.matched_digest += digest_of(key, put.offset);
      if (same_entry(row, put)) return;
      report_of_walk({FindingCode::kRowDiffers, segment_path(state.id), put.offset, put.size,
                      "the index says otherwise of this record than it says itself"});
      return;
    }
    if (row.version > put.version) return;
    if (row.version == put.version && row.sequence >= put.sequence) return;  // moved since
  }
  if (put.sequence > marker_->applied_through) return;
  if (put.expires_at_ms != 0 && put.expires_at_ms <= options_.now_ms) return;
  if (is_fenced_by(fences_, put)) return;
  add_orphan(state, put);
}

void Verifier::add_orphan(const SegmentState& state, const format::RecordSummary& put) {
  orphans_[put.mac].push_back({put.version, state.id, put.offset, false});
  ++orphan_count_;
  if (orphan_count_ >= kMostOrphans) (void)settle_orphans();
}

/// A tombstone of a later version explains why an entry has no row; so does a later put, whose own
/// row may be gone for a reason of its own: what it superseded stays superseded.
Result<void> Verifier::settle_orphans() {
  if (orphan_count_ == 0) return {};
  for (const SegmentState& state : segments_) {
    auto done = for_each_summary(state, [&](const format::RecordSummary& record) {
      const bool is_entry =
          record.type == format::RecordType::kPut && (record.flags & format::kFlagHeld) == 0;
      if (!is_entry && record.type != format::RecordType::kErase) return;
      const auto found = orphans_.find(record.mac);
      if (found == orphans_.end()) return;
      for (Orphan& orphan : found->second)
        orphan.is_explained |= orphan.version < record.version;
    });
    if (!done && done.error().code == ErrorCode::kShutdown) return done;
  }
  for (const auto& [mac, orphans] : orphans_) {
    for (const Orphan& orphan : orphans) {
      if (orphan.is_explained) continue;
      report({FindingCode::kRecordWithoutRow, segment_path(orphan.segment_id), orphan.offset, 0,
              "the entry with version " + std::to_string(orphan.version) +
                  " lives, and the index does not have it"});
    }
  }
  orphans_.clear();
  orphan_count_ = 0;
  return {};
}

/// Rows of which no record was met, where the sums say that there are some.
Result<void> Verifier::compare_rows() {
  if (!rows_are_known_) return {};
  const auto differs = [](const SegmentState& state) {
    return state.is_usable && state.is_selected &&
           (state.rows != state.matched || state.rows_digest != state.matched_digest);
  };
  if (std::none_of(segments_.begin(), segments_.end(), differs)) return {};
  std::optional<SegmentView> segment;
  std::uint64_t rows = 0;
  return index_->for_each({&kRowPrefix, 1},
                          [&](std::string_view key, std::string_view value) -> Result<void> {
                            if (++rows % kRowsAStep == 0) {
                              if (auto go = inspection_.go_on(); !go) return go;
                            }
                            const auto row_key = decode_row_key(key);
                            const auto row = decode_row(value);
                            if (!row_key || !row) return {};
                            const SegmentState* const state = find(row->segment_id);
                            if (state == nullptr || !differs(*state)) return {};
                            if (options_.tenant && row_key->space.tenant != *options_.tenant)
                              return {};
                            if (row->offset < state->data_begin || row->offset > state->data_end ||
                                row->size > state->data_end - row->offset) {
                              return {};  // told before
                            }
                            return compare_row(*row_key, *row, segment);
                          });
}

Result<void> Verifier::compare_row(const RowKey& key, const Row& row,
                                   std::optional<SegmentView>& segment) {
  if (!segment || segment->id != row.segment_id) {
    auto opened = open_segment(store_, row.segment_id, [](const Finding&) {});
    if (!opened) return opened.error();
    segment = std::move(*opened);
  }
  std::string why;
  const auto head = read_exactly(*segment->file, row.offset,
                                 std::min<std::size_t>(row.size, format::kRecordFixedBytes));
  const auto extent =
      head ? format::peek_record(*head) : Result<format::RecordExtent>(head.error());
  if (!extent || extent->size != row.size) {
    why = "there is no record of its length";
  } else {
    const auto bytes = read_exactly(*segment->file, row.offset, extent->meta_end);
    if (!bytes) return bytes.error();
    const auto record =
        format::decode_record_meta(*bytes, {store_.store_id(), row.segment_id, row.offset});
    if (!record) {
      why = record.error().message;
    } else {
      const auto put = format::summarize(record->meta, row.offset, extent->size, *store_.mac_key());
      if (put.mac == key.mac && put.space == key.space && put.type == format::RecordType::kPut)
        return {};
      why = "the record there is another's";
    }
  }
  report({FindingCode::kRowWithoutRecord, segment_path(row.segment_id), row.offset, row.size,
          "the index has a row that points here: " + why});
  return {};
}

}  // namespace kachel::inspect
