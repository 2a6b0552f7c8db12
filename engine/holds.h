// Holds in force: what a hold covers keeps its bytes, dead or alive, until the hold is released.
// Reads ask nothing here: they refuse what was erased all the same. Thread-safe; a look costs one
// atomic load while there are none.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "engine/hold.h"
#include "engine/index.h"

namespace kachel {

class HoldTable {
 public:
  /// In force from here on. Nothing for one that is there, or is being released.
  void place(const Hold& hold);
  /// No longer in force, and not even when an older record of it comes by, until its release has
  /// come to the index: forget(). False when there is none.
  bool release(const Mac& id);
  /// False when it had been in force until now: nobody has called release().
  bool forget(const Mac& id);

  bool is_held(std::uint32_t tenant, const ScopeTags& tags) const {
    return any_.load(std::memory_order_acquire) && look(tenant, tags);
  }
  std::optional<Hold> find(const Mac& id) const;
  std::vector<Hold> all() const;
  std::size_t size() const;

  /// Changes with each hold that is placed or released; the next only with those placed. What was
  /// found to be free is so while it stays.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  std::uint64_t placed() const { return placed_.load(std::memory_order_acquire); }

 private:
  bool look(std::uint32_t tenant, const ScopeTags& tags) const;
  void drop(std::map<Mac, Hold>::iterator hold);

  std::atomic<bool> any_{false};
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> placed_{0};
  mutable std::shared_mutex mutex_;
  std::map<Mac, Hold> holds_;
  boost::unordered_flat_set<Mac, MacHash> leaving_;
  boost::unordered_flat_map<ScopeTag, std::uint32_t> subjects_;      // how many hold it
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> tenants_;  // likewise
};

}  // namespace kachel
