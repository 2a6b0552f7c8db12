// Keys that have left a cache, the oldest forgotten first.
#pragma once

#include <cstddef>

#include "bench/policies/spread.h"
#include "engine/ghost_queue.h"

namespace kachel::policies {

/// The engine's queue, which wants fingerprints that are spread evenly.
class Ghosts {
 public:
  void add(Key key) { queue_.add(spread(key)); }
  bool take(Key key) { return queue_.take(spread(key)); }
  void trim(std::size_t length) { queue_.trim(length); }

 private:
  GhostQueue queue_;
};

}  // namespace kachel::policies
