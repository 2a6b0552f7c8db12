// Checks one crash image: starts the store on what is left, reads everything, and compares it
// with what the oracle says may be there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/simulator/oracle.h"

namespace kachel::sim {

struct ImageCheck {
  const Oracle& oracle;
  Crash crash = Crash::kKill;
  std::int64_t time_ms = 0;       // of the crash, on the world's clock
  std::vector<Excuse> excuses{};  // empty: none
  bool was_damaged = false;       // at some time: damage may be reported
  int crashes_in_recovery = 0;    // how deep: crashes while starting, and while that starts
  bool explains = false;          // tells what was on the disk when a promise is broken
  std::uint64_t images = 0;       // out: how many were checked
  FaultCounts faults{};           // out
};

/// What a get of each key finds; nothing: a miss.
using Sightings = std::vector<std::optional<Sighting>>;

/// Opens `world` (crashed already, not open), checks it, and leaves it open. Returns what is in
/// it. Throws Violation.
Sightings check_image(World& world, ImageCheck& check);

/// Makes a new store in `world`, with crashes all along the way, each followed by a start that
/// must find or make an empty one. Throws Violation.
void check_creation(World& world, ImageCheck& check);

Sightings read_all(World& world, std::size_t keys);

}  // namespace kachel::sim
