// Fences in force: nothing they cover below their version is served. Thread-safe; a look costs
// one atomic load while there are none.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "engine/index.h"

namespace kachel {

class FenceTable {
 public:
  /// Raises the namespace's fence (database 255: of all the tenant's), or the scope's, unless it
  /// is higher already. What it is then.
  std::uint64_t raise(const Fence& fence);

  /// By a fence of its namespace.
  bool is_namespace_fenced(Namespace space, std::uint64_t version) const {
    return any_namespace_.load(std::memory_order_acquire) && look(space, version);
  }
  /// By a fence of one of its scopes.
  bool is_scope_fenced(const ScopeTags& tags, std::uint64_t version) const {
    return !tags.empty() && any_scope_.load(std::memory_order_acquire) && look(tags, version);
  }
  /// By any.
  bool is_fenced(Namespace space, std::uint64_t version, const ScopeTags& tags) const {
    return is_namespace_fenced(space, version) || is_scope_fenced(tags, version);
  }

  /// The fence of a scope, if there is one; all of them.
  std::optional<Fence> scope_fence(const Mac& mac) const;
  std::vector<Fence> scope_fences() const;
  /// Nothing is left of what it covers. Does nothing when it has been raised since.
  void drop_scope(const Fence& fence);

  /// Held by who raises a scope's fence from before it has its place in the log until it is
  /// raised, and by who writes a copy of an entry anew from before he has looked at the fences
  /// until the copy has its place: so that no copy of what is covered comes after the fence.
  std::mutex& gate() { return gate_; }

 private:
  bool look(Namespace space, std::uint64_t version) const;
  bool look(const ScopeTags& tags, std::uint64_t version) const;

  std::atomic<bool> any_namespace_{false};
  std::atomic<bool> any_scope_{false};
  mutable std::shared_mutex mutex_;
  std::mutex gate_;
  std::map<Namespace, std::uint64_t> namespaces_;
  boost::unordered_flat_map<ScopeTag, Fence> scopes_;
};

}  // namespace kachel
