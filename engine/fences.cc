#include "engine/fences.h"

#include <algorithm>

#include "engine/format/record.h"

namespace kachel {

std::uint64_t FenceTable::raise(const Fence& fence) {
  const std::unique_lock lock(mutex_);
  if (is_scope(fence.space)) {
    Fence& known = scopes_[tag_of(fence.mac)];
    if (fence.version > known.version) known = fence;
    any_scope_.store(true, std::memory_order_release);
    return known.version;
  }
  std::uint64_t& version = namespaces_[fence.space];
  version = std::max(version, fence.version);
  any_namespace_.store(true, std::memory_order_release);
  return version;
}

bool FenceTable::look(Namespace space, std::uint64_t version) const {
  const std::shared_lock lock(mutex_);
  for (const Namespace scope : {space, Namespace{space.tenant, format::kAllDatabases}}) {
    const auto found = namespaces_.find(scope);
    // The fence's own version is that of its record: no entry has the same.
    if (found != namespaces_.end() && version <= found->second) return true;
  }
  return false;
}

bool FenceTable::look(const ScopeTags& tags, std::uint64_t version) const {
  const std::shared_lock lock(mutex_);
  return std::any_of(tags.begin(), tags.end(), [&](ScopeTag tag) {
    const auto found = scopes_.find(tag);
    return found != scopes_.end() && version <= found->second.version;
  });
}

std::optional<Fence> FenceTable::scope_fence(const Mac& mac) const {
  const std::shared_lock lock(mutex_);
  const auto found = scopes_.find(tag_of(mac));
  if (found == scopes_.end()) return std::nullopt;
  return found->second;
}

std::vector<Fence> FenceTable::scope_fences() const {
  const std::shared_lock lock(mutex_);
  std::vector<Fence> all;
  for (const auto& [tag, fence] : scopes_)
    all.push_back(fence);
  std::sort(all.begin(), all.end(),
            [](const Fence& a, const Fence& b) { return a.version < b.version; });
  return all;
}

void FenceTable::drop_scope(const Fence& fence) {
  const std::unique_lock lock(mutex_);
  const auto found = scopes_.find(tag_of(fence.mac));
  if (found == scopes_.end() || found->second.version != fence.version) return;
  scopes_.erase(found);
  any_scope_.store(!scopes_.empty(), std::memory_order_release);
}

}  // namespace kachel
