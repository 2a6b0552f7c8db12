// One random history: operations of several clients at once, faults, crashes, restarts. Checked
// against the oracle at every get, and at crash points all along the way: at one in so many
// operations on the storage a copy of the world is crashed and checked, and the history goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulator/image_check.h"

namespace kachel::sim {

struct HistoryOptions {
  std::uint64_t seed = 1;
  std::uint64_t steps = 200;
  std::uint64_t image_every = 6;  // one crash image in so many changes on the storage
  IndexKind index = IndexKind::kMemory;
  bool trace = false;          // tells on stdout what happens
  bool trace_storage = false;  // with `trace`: also every change on the storage
};

struct HistoryResult {
  std::uint64_t operations = 0;    // of clients
  std::uint64_t images = 0;        // crash images checked
  std::uint64_t dictionaries = 0;  // trained
  std::uint64_t quota_evictions = 0;
  std::uint64_t snapshots = 0;  // taken
  std::uint64_t restores = 0;   // of them, checked
  FaultCounts faults;
  std::string setting;       // mode and faults
  std::uint64_t digest = 0;  // of all that happened: the same seed gives the same
  std::optional<std::string> violation;
};

/// Runs it to its end or to the first promise broken.
HistoryResult run_history(const HistoryOptions& options);

}  // namespace kachel::sim
