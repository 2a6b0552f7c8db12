// Fences in force: nothing they cover below their version is served. Thread-safe; a look costs
// one atomic load while there are none.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
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
  /// By one whose own version is no higher than `through`.
  bool is_namespace_fenced(Namespace space, std::uint64_t version, std::uint64_t through) const {
    return any_namespace_.load(std::memory_order_acquire) && look(space, version, through);
  }
  /// By a fence of one of its scopes.
  bool is_scope_fenced(const ScopeTags& tags, std::uint64_t version) const {
    return !tags.empty() && any_scope_.load(std::memory_order_acquire) && look(tags, version);
  }
  /// By any.
  bool is_fenced(Namespace space, std::uint64_t version, const ScopeTags& tags) const {
    return is_namespace_fenced(space, version) || is_scope_fenced(tags, version);
  }

  /// As is_fenced(), but by the fences let go as well: for the fills of leases, some of which may
  /// be older than such a fence.
  bool has_fenced(Namespace space, std::uint64_t version, const ScopeTags& tags) const;

  /// The fence of a scope, if there is one; all of them.
  std::optional<Fence> scope_fence(const Mac& mac) const;
  std::vector<Fence> scope_fences() const;
  /// Nothing is left of what it covers. Does nothing when it has been raised since. The time is of
  /// the monotonic clock: no lease is as old as a fence that was let go kLongestLease ago.
  void drop_scope(const Fence& fence, std::int64_t now_ns);

  /// Held by who raises a fence from before it has its place in the log until it is raised, and by
  /// who writes a copy of an entry anew, or the fill of a lease, from before he has looked at the
  /// fences until that has its place: so that nothing of what is covered comes after the fence.
  std::mutex& gate() { return gate_; }

 private:
  bool look(Namespace space, std::uint64_t version, std::uint64_t through = UINT64_MAX) const;
  bool look(const ScopeTags& tags, std::uint64_t version) const;
  bool look_at_let_go(const ScopeTags& tags, std::uint64_t version) const;
  void remember(const Fence& fence, std::int64_t now_ns);
  void forget_oldest();

  struct LetGo {
    ScopeTag tag = 0;
    std::uint64_t version = 0;
    std::int64_t at_ns = 0;
  };

  std::atomic<bool> any_namespace_{false};
  std::atomic<bool> any_scope_{false};
  mutable std::shared_mutex mutex_;
  std::mutex gate_;
  std::map<Namespace, std::uint64_t> namespaces_;
  boost::unordered_flat_map<ScopeTag, Fence> scopes_;
  boost::unordered_flat_map<ScopeTag, std::uint64_t> let_go_;  // version
  std::deque<LetGo> let_go_in_turn_;
  std::uint64_t forgotten_through_ = 0;  // version: there were too many to remember
};

}  // namespace kachel
