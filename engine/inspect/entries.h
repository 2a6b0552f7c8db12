// The entries that lie in the segments, alive or dead, one after the other in the order in which
// they lie there. Constant memory; blocking; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/hold.h"
#include "engine/index.h"
#include "engine/inspect/index_reader.h"
#include "engine/inspect/log_tail.h"
#include "engine/inspect/record_walk.h"
#include "engine/inspect/store_view.h"

namespace kachel::inspect {

enum class EntryState : std::uint8_t {
  kLive,
  kPending,     // written after the last flush of the index, which a start makes up for
  kExpired,     // dead by its time
  kFenced,      // dead by an erase of its subject, model or tenant
  kSuperseded,  // dead by a later change of the key
  kHeld,        // dead, and kept by a hold
  kUnknown,     // without an index nobody can tell
};
std::string_view entry_state_name(EntryState state);
constexpr bool is_dead(EntryState state) {
  return state == EntryState::kExpired || state == EntryState::kFenced ||
         state == EntryState::kSuperseded;
}

struct DumpedEntry {
  const SegmentView& segment;
  const WalkedRecord& record;
  const format::RecordSummary& summary;
  EntryState state{};
};

/// A place to go on from: what lies before it has been handed over.
struct EntryCursor {
  std::uint64_t segment_id = 0;
  std::uint64_t offset = 0;  // bytes
};

class EntryReader {
 public:
  /// Opens the index if there is one that can be read; index_problem() says why not.
  EntryReader(const StoreView& store, std::int64_t now_ms);
  const std::string& index_problem() const { return index_problem_; }
  const IndexReader* index() const { return index_.get(); }
  const std::vector<Hold>& holds() const { return holds_; }

  /// kAlreadyExists ends the walk without an error, any other with it.
  using OnEntry = std::function<Result<void>(const DumpedEntry&)>;
  Result<void> for_each(EntryCursor from, const OnFinding& on_finding, const OnEntry& call) const;
  EntryState state_of(const format::RecordSummary& put, std::uint64_t segment_id) const;

 private:
  Result<void> read_index();

  const StoreView& store_;
  const std::int64_t now_ms_;
  std::unique_ptr<IndexReader> index_;
  std::string index_problem_;
  std::uint64_t applied_through_ = 0;
  LogTail tail_;
  std::vector<Fence> fences_;
  std::vector<Hold> holds_;
};

/// Ids of the segments that are there, ascending.
Result<std::vector<std::uint64_t>> segment_ids(const StoreView& store);
/// Whether one of these covers a put with this version.
bool is_fenced_by(const std::vector<Fence>& fences, const format::RecordSummary& put);

}  // namespace kachel::inspect
