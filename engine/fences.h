// Fences in force: nothing of the namespace below the version is served. Thread-safe; a look
// costs one atomic load while there are none.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <shared_mutex>

#include "engine/entry.h"

namespace kachel {

class FenceTable {
 public:
  /// Raises the namespace's fence (database 255: of all the tenant's) to `version`, unless it
  /// is higher already. What it is then.
  std::uint64_t raise(Namespace space, std::uint64_t version);
  bool is_fenced(Namespace space, std::uint64_t version) const {
    return any_.load(std::memory_order_acquire) && look(space, version);
  }

 private:
  bool look(Namespace space, std::uint64_t version) const;

  std::atomic<bool> any_{false};
  mutable std::shared_mutex mutex_;
  std::map<Namespace, std::uint64_t> fences_;
};

}  // namespace kachel
