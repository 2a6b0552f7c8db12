#include "engine/fences.h"

#include <algorithm>

#include "engine/format/record.h"
#include "engine/store.h"

namespace kachel {
namespace {
constexpr std::size_t kMostLetGo = 65'536;
}  // namespace

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

bool FenceTable::look(Namespace space, std::uint64_t version, std::uint64_t through) const {
  const std::shared_lock lock(mutex_);
  for (const Namespace scope : {space, Namespace{space.tenant, format::kAllDatabases}}) {
    const auto found = namespaces_.find(scope);
    // The fence's own version is that of its record: no entry has the same.
    if (found == namespaces_.end() || found->second > through) continue;
    if (version <= found->second) return true;
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

bool FenceTable::has_fenced(Namespace space, std::uint64_t version, const ScopeTags& tags) const {
  if (is_fenced(space, version, tags)) return true;
  return !tags.empty() && look_at_let_go(tags, version);
}

bool FenceTable::look_at_let_go(const ScopeTags& tags, std::uint64_t version) const {
  const std::shared_lock lock(mutex_);
  if (version <= forgotten_through_) return true;
  return std::any_of(tags.begin(), tags.end(), [&](ScopeTag tag) {
    const auto found = let_go_.find(tag);
    return found != let_go_.end() && version <= found->second;
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

void FenceTable::drop_scope(const Fence& fence, std::int64_t now_ns) {
  const std::unique_lock lock(mutex_);
  const auto found = scopes_.find(tag_of(fence.mac));
  if (found == scopes_.end() || found->second.version != fence.version) return;
  scopes_.erase(found);
  any_scope_.store(!scopes_.empty(), std::memory_order_release);
  remember(fence, now_ns);
}

void FenceTable::remember(const Fence& fence, std::int64_t now_ns) {
  const std::int64_t forget_ns = std::chrono::nanoseconds(kLongestLease).count();
  while (!let_go_in_turn_.empty() && let_go_in_turn_.front().at_ns + forget_ns < now_ns)
    forget_oldest();
  if (let_go_in_turn_.size() == kMostLetGo) {
    // A fill refused without need is only one lost.
    forgotten_through_ = std::max(forgotten_through_, let_go_in_turn_.front().version);
    forget_oldest();
  }
  let_go_in_turn_.push_back({tag_of(fence.mac), fence.version, now_ns});
  let_go_[tag_of(fence.mac)] = fence.version;
}

void FenceTable::forget_oldest() {
  const LetGo oldest = let_go_in_turn_.front();
  let_go_in_turn_.pop_front();
  const auto found = let_go_.find(oldest.tag);
  if (found != let_go_.end() && found->second == oldest.version) let_go_.erase(found);
}

}  // namespace kachel
