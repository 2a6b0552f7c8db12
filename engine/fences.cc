#include "engine/fences.h"

#include <algorithm>
#include <mutex>

#include "engine/format/record.h"

namespace kachel {

std::uint64_t FenceTable::raise(Namespace space, std::uint64_t version) {
  const std::unique_lock lock(mutex_);
  std::uint64_t& fence = fences_[space];
  fence = std::max(fence, version);
  any_.store(true, std::memory_order_release);
  return fence;
}

bool FenceTable::look(Namespace space, std::uint64_t version) const {
  const std::shared_lock lock(mutex_);
  for (const Namespace scope : {space, Namespace{space.tenant, format::kAllDatabases}}) {
    const auto found = fences_.find(scope);
    // The fence's own version is that of its record: no entry has the same.
    if (found != fences_.end() && version <= found->second) return true;
  }
  return false;
}

}  // namespace kachel
