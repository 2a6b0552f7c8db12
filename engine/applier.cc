#include "engine/applier.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>
#include <vector>

#include "io/check.h"

namespace kachel {

namespace {

constexpr std::size_t kWorthLookingUp = 4;  // together

/// A row of what died then is deleted or overwritten; its bytes are in the index's files still.
void note_dead_row(Core& core, std::int64_t died_ms) {
  core.index_debt.note(deadline_after(died_ms, core.erase_within_ms));
}

/// What is dead by then may be in dictionaries as well.
void note_dead_sample(Core& core, const Mac& mac, std::uint64_t version, std::int64_t died_ms) {
  core.dictionaries.note_death(mac, version, deadline_after(died_ms, core.erase_within_ms),
                               core.segments);
}

/// The copy is dead: its segment's books, unless they never had it.
void retire(Core& core, Namespace space, const Row& old, std::int64_t died_ms) {
  const auto segment = core.segments.find(old.segment_id);
  if (!segment) return;
  segment->note_due(deadline_after(died_ms, core.erase_within_ms));
  if (core.fences.is_namespace_fenced(space, old.version)) return;
  segment->live_bytes.fetch_sub(std::min<std::uint64_t>(old.size, segment->live_bytes.load()));
  const auto live = segment->live.find(space);
  if (live == segment->live.end()) return;
  LiveShare& share = live->second;
  // Shares of a store of an earlier version are an estimate: the last entry has what is left.
  const bool is_last = share.entries == 1;
  const LiveShare gone{1, is_last ? share.bytes : std::min<std::uint64_t>(old.size, share.bytes)};
  share.bytes -= gone.bytes;
  if (--share.entries == 0) segment->live.erase(live);
  core.live_counts.remove(space, gone);
}

}  // namespace

/// The changes of one call, visible to its own later records before they are in the index.
class Applier::Batch {
 public:
  explicit Batch(Core& core) : core_(core) {}

  /// Of all that are about to be added what the index has of their keys.
  void look_up(std::span<const LogRecord> records) {
    std::vector<RowKey> keys;
    for (const LogRecord& record : records) {
      const format::RecordSummary& summary = record.summary;
      const bool asks = summary.type == format::RecordType::kPut ||
                        summary.type == format::RecordType::kErase ||
                        summary.type == format::RecordType::kExpiry;
      if (asks && (summary.flags & format::kFlagHeld) == 0) {
        keys.push_back({summary.space, summary.mac});
      }
    }
    if (keys.size() < kWorthLookingUp) return;
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    std::vector<Lookup> found(keys.size());
    core_.index->find_many(keys, found);
    for (std::size_t i = 0; i < keys.size(); ++i)
      known_.emplace(keys[i].mac, std::move(found[i]));
  }

  Result<void> add(LogRecord& record) {
    switch (record.summary.type) {
      case format::RecordType::kPut:
        return put(record);
      case format::RecordType::kErase:
        return erase(record);
      case format::RecordType::kExpiry:
        return change_expiry(record);
      case format::RecordType::kFence:
        return raise_fence(record);
      case format::RecordType::kScopeFence:
        return raise_scope_fence(record);
      case format::RecordType::kHold:
        return place_hold(record);
      case format::RecordType::kRelease:
        return release_hold(record);
      case format::RecordType::kVoid:
      case format::RecordType::kMark:
        return {};
    }
    return {};
  }

  Changes take(std::size_t records) {
    return {std::move(changes_), std::move(fences_), std::move(holds_), records};
  }

 private:
  using MaybeRow = std::optional<Row>;

  Result<MaybeRow> current(const RowKey& key) {
    if (const auto found = overlay_.find(key.mac); found != overlay_.end()) {
      return changes_[found->second].row;
    }
    const auto known = known_.find(key.mac);
    const Lookup lookup =
        known != known_.end() ? known->second : core_.index->find(key, Where::kAnywhere);
    if (lookup.status == LookupStatus::kFailed) {
      return Error{ErrorCode::kCorrupt, "index: a row can't be read"};
    }
    if (lookup.status != LookupStatus::kFound) return MaybeRow();
    return MaybeRow(lookup.row);
  }

  void set(const RowKey& key, MaybeRow row) {
    const auto [at, added] = overlay_.try_emplace(key.mac, changes_.size());
    if (added) {
      changes_.push_back({key, row});
    } else {
      changes_[at->second].row = row;
    }
  }

  Result<void> put(LogRecord& record) {
    format::RecordSummary& summary = record.summary;
    if ((summary.flags & format::kFlagHeld) != 0) return {};  // not an entry
    const RowKey key{summary.space, summary.mac};
    auto old = current(key);
    if (!old) return old.error();
    if (*old && (*old)->version > summary.version) return {};  // a later put is known already
    if (core_.fences.is_namespace_fenced(summary.space, summary.version)) return {};
    if (core_.fences.is_scope_fenced(summary.tags, summary.version)) {
      // Erased, not undone: what it superseded stays superseded.
      if (!*old) return {};
      summary.covers = older_copies(**old);
      retire(core_, key.space, **old, written_ms(record.summary, *record.segment));
      note_dead(key, **old, record);
      set(key, std::nullopt);
      return {};
    }
    Row row;
    row.segment_id = record.segment->id;
    row.offset = summary.offset;
    row.size = summary.size;
    row.sequence = summary.sequence;
    row.version = summary.version;
    row.expires_at_ms = summary.expires_at_ms;
    row.raw_bytes = summary.raw_bytes;
    row.erase_by_ms = summary.erase_by_ms;
    row.tags = summary.tags;
    if (*old) {
      row.covers = older_copies(**old);
      retire(core_, key.space, **old, written_ms(record.summary, *record.segment));
      // A copy that reclaim has made says the same as the row before.
      const bool is_copy = (*old)->version == summary.version;
      if (!is_copy) note_dead(key, **old, record);
    }
    summary.covers = row.covers;
    set(key, row);
    record.segment->live_bytes.fetch_add(row.size);
    const LiveShare added{1, row.size};
    LiveShare& share = record.segment->live[key.space];
    share.entries += added.entries;
    share.bytes += added.bytes;
    core_.live_counts.add(key.space, added);
    return {};
  }

  Result<void> erase(const LogRecord& record) {
    const RowKey key{record.summary.space, record.summary.mac};
    auto old = current(key);
    if (!old) return old.error();
    if (!*old || (*old)->version >= record.summary.version) return {};
    retire(core_, key.space, **old, written_ms(record.summary, *record.segment));
    note_dead(key, **old, record);
    set(key, std::nullopt);
    return {};
  }

  Result<void> change_expiry(const LogRecord& record) {
    const RowKey key{record.summary.space, record.summary.mac};
    auto old = current(key);
    if (!old) return old.error();
    if (!*old || (*old)->version != record.summary.version) return {};
    Row row = **old;
    const bool later = row.expires_at_ms != 0 && (record.summary.expires_at_ms == 0 ||
                                                  record.summary.expires_at_ms > row.expires_at_ms);
    if (const auto segment = core_.segments.find(row.segment_id)) {
      segment->has_later_expiries |= later;
      if (!later && record.summary.expires_at_ms != 0) {
        segment->note_due(deadline_after(record.summary.expires_at_ms, core_.erase_within_ms));
        note_dead_sample(core_, key.mac, row.version, record.summary.expires_at_ms);
      }
    }
    row.expires_at_ms = record.summary.expires_at_ms;
    row.expiry_sequence = record.summary.sequence;
    set(key, row);
    return {};
  }

  Result<void> raise_fence(const LogRecord& record) {
    const Namespace scope = record.summary.space;
    const std::uint64_t version =
        core_.fences.raise({.space = scope, .version = record.summary.version});
    // Appended again by reclaim: what it covers has been taken out of the books long since, and
    // what is in them came after it.
    const bool again = record.summary.version != record.summary.sequence;
    fences_.push_back({.space = scope, .version = version});
    if (!again) take_out_of_books(core_, scope);
    if (!again) note_dead_row(core_, written_ms(record.summary, *record.segment));
    note_fenced({.space = scope, .version = record.summary.version}, record);
    return {};
  }

  /// The rows that it covers are the eraser's to take out, in its own time.
  Result<void> raise_scope_fence(const LogRecord& record) {
    const format::RecordSummary& summary = record.summary;
    const Fence fence{summary.space, summary.mac, summary.version,
                      written_ms(record.summary, *record.segment)};
    core_.fences.raise(fence);
    note_fenced(fence, record);
    if (const auto now = core_.fences.scope_fence(fence.mac)) fences_.push_back(*now);
    return {};
  }

  Result<void> place_hold(const LogRecord& record) {
    const Hold hold = hold_of(record.summary);
    core_.holds.place(hold);
    holds_.push_back({hold.id, hold});
    return {};
  }

  /// What was dead and held is to go now, in the time that it would have had without the hold.
  Result<void> release_hold(const LogRecord& record) {
    const format::RecordSummary& summary = record.summary;
    core_.holds.forget(summary.mac);
    holds_.push_back({summary.mac, std::nullopt});
    const bool again = summary.version != summary.sequence;  // appended by reclaim
    if (again) return {};
    const std::int64_t released_ms = written_ms(summary, *record.segment);
    for (const SegmentPointer& segment : core_.segments.all()) {
      const std::int64_t due_ms = deadline_after(released_ms, core_.erase_within_ms);
      if (segment->bucket == kHeldBucket) {
        segment->note_due(due_ms);
      } else if (segment->held.exchange(HeldShare::kUnknown) == HeldShare::kAll) {
        segment->postpone_due(due_ms);
      }
    }
    return {};
  }

  /// The value of this row is, by the record given.
  void note_dead(const RowKey& key, const Row& old, const LogRecord& record) {
    const std::int64_t died_ms = written_ms(record.summary, *record.segment);
    note_dead_row(core_, died_ms);
    note_dead_sample(core_, key.mac, old.version, died_ms);
  }

  void note_fenced(const Fence& fence, const LogRecord& record) {
    const std::int64_t died_ms = written_ms(record.summary, *record.segment);
    core_.dictionaries.note_fence(fence, deadline_after(died_ms, core_.erase_within_ms),
                                  core_.segments);
  }

  std::uint64_t older_copies(const Row& old) const {
    const std::uint64_t candidate =
        old.covers == 0 ? old.segment_id : std::min(old.covers, old.segment_id);
    return core_.segments.may_hold_older(candidate, old.sequence + 1, 0) ? candidate : 0;
  }

  Core& core_;
  std::vector<IndexChange> changes_;
  std::vector<Fence> fences_;
  std::vector<HoldChange> holds_;
  boost::unordered_flat_map<Mac, std::size_t, MacHash> overlay_;
  boost::unordered_flat_map<Mac, Lookup, MacHash> known_;  // as the index has them
};

void take_out_of_books(Core& core, Namespace scope) {
  for (const auto& segment : core.segments.all()) {
    std::erase_if(segment->live, [&](const auto& item) {
      const bool covered =
          item.first.tenant == scope.tenant &&
          (scope.database == format::kAllDatabases || item.first.database == scope.database);
      if (!covered) return false;
      const LiveShare& gone = item.second;
      core.live_counts.remove(item.first, gone);
      segment->live_bytes -= std::min<std::uint64_t>(gone.bytes, segment->live_bytes);
      return true;
    });
  }
}

Result<void> Applier::apply(std::span<LogRecord> records) {
  if (!uncommitted_) {
    Batch batch(core_);
    batch.look_up(records);
    for (LogRecord& record : records) {
      if (auto added = batch.add(record); !added) return added;
    }
    uncommitted_ = batch.take(records.size());
  }
  KACHEL_CHECK(uncommitted_->records == records.size(), "not the records that were refused");
  if (auto committed = commit(); !committed) {
    if (committed.error().code != ErrorCode::kNoSpace) uncommitted_.reset();
    return committed;
  }
  if (!records.empty()) set_applied_through(records.back().summary.sequence);
  return {};
}

Result<std::vector<Row>> Applier::take_out_fenced(std::vector<RowKey> keys) {
  KACHEL_CHECK(!uncommitted_, "records that were refused come first");
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<IndexChange> changes;
  std::vector<Row> rows;
  std::vector<Lookup> lookups(keys.size());
  core_.index->find_many(keys, lookups);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const RowKey& key = keys[i];
    const Lookup& lookup = lookups[i];
    if (lookup.status == LookupStatus::kFailed) {
      return Error{ErrorCode::kIo, "index: a row can't be read"};
    }
    const Row& row = lookup.row;
    if (lookup.status != LookupStatus::kFound ||
        !core_.fences.is_scope_fenced(row.tags, row.version)) {
      continue;
    }
    changes.push_back({key, std::nullopt});
    rows.push_back(row);
  }
  if (auto applied = core_.index->apply(changes); !applied) return applied.error();
  for (std::size_t i = 0; i < rows.size(); ++i)
    retire(core_, changes[i].key.space, rows[i], core_.clock.now_ms());
  if (!rows.empty()) note_dead_row(core_, core_.clock.now_ms());
  return rows;
}

Result<void> Applier::commit() {
  if (auto applied = core_.index->apply(uncommitted_->rows); !applied) return applied;
  for (const Fence& fence : uncommitted_->fences) {
    if (auto put = core_.index->put_fence(fence); !put) return put;
  }
  for (const HoldChange& change : uncommitted_->holds) {
    auto changed =
        change.hold ? core_.index->put_hold(*change.hold) : core_.index->drop_hold(change.id);
    if (!changed) return changed;
  }
  uncommitted_.reset();
  return {};
}

}  // namespace kachel
