#include "tests/simulator/faults.h"

namespace kachel::sim {

std::string_view name_of(FaultClass fault) {
  static constexpr std::string_view kNames[] = {
      "kill -9",
      "kill -9 inside a write",
      "power cut, whole writes",
      "power cut, torn writes",
      "crash while recovering",
      "EIO on read",
      "EIO on write",
      "EIO on fdatasync",
      "what a failed fdatasync lost, out of the page cache",
      "ENOSPC",
      "EIO on create, remove, reserve, truncate or directory sync",
      "short read",
      "short write",
      "slow I/O",
      "wall clock jump",
      "index flush failed",
      "index read failed",
      "index lost",
      "index from another time",
      "bit flipped at rest",
      "segment lost",
      "segment of another store",
      "lost write",
      "misdirected write",
  };
  static_assert(std::size(kNames) == static_cast<std::size_t>(FaultClass::kCount));
  return kNames[static_cast<std::size_t>(fault)];
}

}  // namespace kachel::sim
