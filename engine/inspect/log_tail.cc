#include "engine/inspect/log_tail.h"

#include <algorithm>

#include "engine/inspect/entries.h"
#include "engine/inspect/record_walk.h"

namespace kachel::inspect {
namespace {
// The index is flushed after a tenth of that.
constexpr std::size_t kMostKeys = 250'000;
}  // namespace

Result<void> LogTail::read(const StoreView& store, std::uint64_t applied_through) {
  applied_through_ = applied_through;
  const auto ids = segment_ids(store);
  if (!ids) return ids.error();
  // What was voided counts for nothing, wherever it lies: two passes.
  for (const bool collects_voids : {true, false}) {
    for (const std::uint64_t id : *ids) {
      const OnFinding nobody = [](const Finding&) {};
      auto segment = open_segment(store, id, nobody);
      if (!segment) return segment.error();
      if (!*segment) continue;
      const auto& trailer = (*segment)->trailer;
      if (trailer && trailer->highest_sequence <= applied_through) continue;
      Walk walk;
      walk.check_values = false;
      walk.on_finding = nobody;
      walk.on_bytes = [](std::uint64_t) {};
      walk.go_on = [&]() -> Result<void> {
        if (keys_.size() <= kMostKeys) return {};
        return Error{ErrorCode::kTooLarge, "too much was written since the index's last flush"};
      };
      walk.on_record = [&](const WalkedRecord& record) {
        const format::RecordMeta& meta = record.meta;
        if (meta.sequence <= applied_through_) return;
        if (collects_voids) {
          if (meta.type == format::RecordType::kVoid)
            voids_.emplace_back(meta.first_void, meta.last_void);
          return;
        }
        if (!is_void(meta.sequence))
          add(format::summarize(meta, record.offset, record.size, *store.mac_key()));
      };
      if (auto walked = walk_records(store, **segment, walk); !walked) return walked.error();
    }
  }
  return {};
}

bool LogTail::is_void(std::uint64_t sequence) const {
  return std::any_of(voids_.begin(), voids_.end(), [&](const auto& range) {
    return range.first <= sequence && sequence <= range.second;
  });
}

void LogTail::add(const format::RecordSummary& record) {
  using enum format::RecordType;
  const RowKey key{record.space, record.mac};
  if (record.type == kPut && (record.flags & format::kFlagHeld) != 0) return;  // not an entry
  if (record.type == kPut || record.type == kErase) {
    KeyState& state = keys_[key];
    state.dead_below = std::max(state.dead_below, record.version);
  }
  if (record.type == kExpiry) {
    KeyState& state = keys_[key];
    if (record.sequence <= state.expiry_sequence) return;
    state.expiry_sequence = record.sequence;
    state.expiry_version = record.version;
    state.expires_at_ms = record.expires_at_ms;
  }
  if (record.type == kFence) fences_.push_back({.space = record.space, .version = record.version});
  if (record.type == kScopeFence) fences_.push_back({record.space, record.mac, record.version, 0});
}

const LogTail::KeyState* LogTail::find(const format::RecordSummary& put) const {
  const auto found = keys_.find({put.space, put.mac});
  return found == keys_.end() ? nullptr : &found->second;
}

bool LogTail::supersedes(const format::RecordSummary& put) const {
  const KeyState* const state = find(put);
  return state != nullptr && put.version < state->dead_below;
}

std::optional<std::int64_t> LogTail::expiry_of(const format::RecordSummary& put) const {
  const KeyState* const state = find(put);
  if (state == nullptr || state->expiry_sequence == 0 || state->expiry_version != put.version)
    return std::nullopt;
  return state->expires_at_ms;
}

}  // namespace kachel::inspect
