// A lease that a client of the simulator holds, and what must become of its fill: invariant 5.
#pragma once

#include <cstdint>
#include <string>

#include "engine/store.h"
#include "tests/simulator/oracle.h"

namespace kachel::sim {

struct HeldLease {
  LeaseToken token = 0;
  std::size_t key = 0;
  std::int64_t ms = 0;     // how long it is good
  std::uint64_t life = 0;  // of the process
  bool used = false;
  // It was handed out between these two: how many operations had been issued, and the monotonic
  // time.
  std::size_t asked_after = 0;
  std::size_t given_after = 0;
  std::int64_t asked_ns = 0;
  std::int64_t given_ns = 0;
};

/// Why its fill of `key` with `value` must be refused when it comes now, after all that the oracle
/// knows of; or why it may be. Empty: no reason.
struct Refusal {
  std::string must;
  std::string may;
};
Refusal judge_fill(const HeldLease& lease, const Oracle& oracle, std::size_t key, ValueId value,
                   std::uint64_t life, std::int64_t now_ns);

}  // namespace kachel::sim
