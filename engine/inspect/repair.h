// Puts a damaged store back into a state that a start can work with: the index is marked for a
// rebuild, and segments that can't be trusted are moved into quarantine/. Nothing is deleted.
// Blocking; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/inspect/finding.h"
#include "engine/inspect/store_view.h"

namespace kachel::inspect {

/// A segment to be set aside, and what goes with it.
struct SegmentLoss {
  std::uint64_t id = 0;
  std::string why;
  std::uint64_t file_bytes = 0;
  std::uint64_t records = 0;       // whole ones in it
  std::uint64_t live_entries = 0;  // of these puts, those that the index points to
  std::uint64_t tombstones = 0;    // erases, fences, holds and releases: their loss undoes them
};

struct RepairPlan {
  std::vector<std::string> rebuild_index;  // why; empty: it stays
  std::vector<SegmentLoss> segments;
  std::vector<std::string> by_hand;  // what no tool can mend, with what to do

  bool is_empty() const { return rebuild_index.empty() && segments.empty(); }
};

/// From what a verification has found.
Result<RepairPlan> plan_repair(const StoreView& store, const std::vector<Finding>& findings);

/// Carries it out, durably. `storage`: writable, and locked by the caller. A file that is in the
/// way in quarantine/ is left there: kAlreadyExists.
Result<void> carry_out(io::Storage& storage, const RepairPlan& plan);

}  // namespace kachel::inspect
