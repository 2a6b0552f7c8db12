// What befalls the directory while the store is down: flipped bits, lost or foreign segments,
// an index from another time. Says, key by key, what that may cost.
#pragma once

#include <string>
#include <vector>

#include "tests/simulator/oracle.h"

namespace kachel::sim {

struct Damage {
  std::string what;               // empty: none
  bool is_damage = false;         // the store may report some
  bool loses_erases = false;      // what was erased may be back, now or at a later start
  std::vector<Excuse> excuses{};  // by key; empty: none
};

Damage damage_at_random(World& world, const Oracle& oracle, Crash crash, Choices& choices,
                        FaultCounts& faults);

}  // namespace kachel::sim
