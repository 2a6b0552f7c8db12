// Checks a snapshot of a world's store: a store made of it serves nothing before it has learnt from
// the living one what is alive, and nothing afterwards but that.
#pragma once

#include <string>

#include "tests/simulator/world.h"

namespace kachel::sim {

struct CopyCheck {
  std::size_t keys = 0;
  std::size_t page = 1;         // entries at once
  bool reads_may_fail = false;  // of the living: then what it does not say is not compared
};

/// `living` is open and at rest. Throws Violation.
void check_copy_of(World& living, const std::string& snapshot, const CopyCheck& check);

}  // namespace kachel::sim
