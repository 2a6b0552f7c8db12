#include "engine/inspect/entries.h"

#include <algorithm>

#include "engine/row_coding.h"

namespace kachel::inspect {

std::string_view entry_state_name(EntryState state) {
  constexpr std::string_view kNames[] = {"live",       "pending", "expired", "fenced",
                                         "superseded", "held",    "unknown"};
  return kNames[static_cast<std::size_t>(state)];
}

bool is_fenced_by(const std::vector<Fence>& fences, const format::RecordSummary& put) {
  return std::any_of(fences.begin(), fences.end(), [&](const Fence& fence) {
    if (fence.space.tenant != put.space.tenant || put.version >= fence.version) return false;
    if (!is_scope(fence.space)) {
      return fence.space.database == format::kAllDatabases ||
             fence.space.database == put.space.database;
    }
    return std::find(put.tags.begin(), put.tags.end(), tag_of(fence.mac)) != put.tags.end();
  });
}

Result<std::vector<std::uint64_t>> segment_ids(const StoreView& store) {
  const auto names = store.storage().list("segments");
  if (!names) return names.error();
  std::vector<std::uint64_t> ids;
  for (const std::string& name : *names) {
    const auto id = parse_segment_name(name);
    if (id && segment_path(*id) == "segments/" + name) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

EntryReader::EntryReader(const StoreView& store, std::int64_t now_ms)
    : store_(store), now_ms_(now_ms) {
  auto read = read_index();
  // After it, as a start would.
  if (read && store_.mac_key()) read = tail_.read(store_, applied_through_);
  if (!read) {
    index_problem_ = read.error().message;
    index_.reset();
  }
}

Result<void> EntryReader::read_index() {
  const auto is_there = store_.storage().exists("index");
  if (!is_there || !*is_there) return Error{ErrorCode::kNotFound, "there is no index"};
  auto index = IndexReader::open(store_.storage().native_root() + "/index");
  if (!index) return index.error();
  index_ = std::move(*index);
  std::optional<Marker> marker;
  // What is not a row comes in front of the rows, or behind them.
  const auto read = [&](std::string_view key, std::string_view value) -> Result<void> {
    if (!key.empty() && key[0] == kRowPrefix) return Error{ErrorCode::kAlreadyExists, ""};
    if (key == marker_key()) marker = decode_marker(value);
    if (const auto fence = decode_fence(key, value)) fences_.push_back(*fence);
    if (const auto hold = decode_hold(key, value)) holds_.push_back(*hold);
    return {};
  };
  for (const char prefix : {kMetaPrefix, kFencePrefix}) {
    auto done = index_->for_each({&prefix, 1}, read);
    if (!done && done.error().code != ErrorCode::kAlreadyExists) return done;
  }
  if (marker) {
    applied_through_ = marker->applied_through;
    return {};
  }
  // Empty before its first flush: all there is comes after it.
  bool is_empty = true;
  const auto look = [&](std::string_view, std::string_view) -> Result<void> {
    is_empty = false;
    return Error{ErrorCode::kAlreadyExists, ""};
  };
  (void)index_->for_each({}, look);
  if (is_empty) return {};
  return Error{ErrorCode::kCorrupt, "the index has no marker"};
}

EntryState EntryReader::state_of(const format::RecordSummary& put, std::uint64_t segment_id) const {
  if ((put.flags & format::kFlagHeld) != 0) return EntryState::kHeld;
  if (!index_) return EntryState::kUnknown;
  if (is_fenced_by(fences_, put) || is_fenced_by(tail_.fences(), put)) return EntryState::kFenced;
  if (tail_.supersedes(put)) return EntryState::kSuperseded;
  const auto row = index_->find({put.space, put.mac});
  if (!row) return EntryState::kUnknown;
  const bool is_here = *row && (*row)->segment_id == segment_id && (*row)->offset == put.offset;
  const std::int64_t expires_at_ms =
      tail_.expiry_of(put).value_or(is_here ? (*row)->expires_at_ms : put.expires_at_ms);
  const bool is_expired = expires_at_ms != 0 && expires_at_ms <= now_ms_;
  if (is_here) return is_expired ? EntryState::kExpired : EntryState::kLive;
  if (put.sequence > applied_through_)
    return is_expired ? EntryState::kExpired : EntryState::kPending;
  return is_expired && !*row ? EntryState::kExpired : EntryState::kSuperseded;
}

Result<void> EntryReader::for_each(EntryCursor from, const OnFinding& on_finding,
                                   const OnEntry& call) const {
  if (!store_.mac_key())
    return Error{ErrorCode::kKeyMissing, "the store's key file is missing or damaged"};
  const auto ids = segment_ids(store_);
  if (!ids) return ids.error();
  for (const std::uint64_t id : *ids) {
    if (id < from.segment_id) continue;
    auto segment = open_segment(store_, id, on_finding);
    if (!segment) return segment.error();
    if (!*segment) continue;
    Result<void> said;
    Walk walk;
    walk.check_values = false;
    walk.from = id == from.segment_id ? from.offset : 0;
    walk.on_finding = on_finding;
    walk.on_bytes = [](std::uint64_t) {};
    walk.go_on = [&] { return said; };
    walk.on_record = [&](const WalkedRecord& record) {
      if (!said || record.meta.type != format::RecordType::kPut) return;
      const auto summary =
          format::summarize(record.meta, record.offset, record.size, *store_.mac_key());
      said = call({**segment, record, summary, state_of(summary, id)});
    };
    const auto walked = walk_records(store_, **segment, walk);
    if (!walked && walked.error().code == ErrorCode::kAlreadyExists) return {};
    if (!walked) return walked.error();
  }
  return {};
}

}  // namespace kachel::inspect
