// How much of the device each tenant may have, and what has been done to keep them to it. Any
// thread; a look costs one atomic load while no tenant is full.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

namespace kachel {

class QuotaTable {
 public:
  /// Bytes, by tenant; who is not named has no bound of his own.
  using Bytes = std::map<std::uint32_t, std::uint64_t>;
  struct Counts {
    std::uint64_t evicted_entries = 0;
    std::uint64_t refused_puts = 0;
  };

  void set(Bytes quotas) {
    const std::unique_lock lock(mutex_);
    quotas_ = std::move(quotas);
    std::erase_if(full_, [this](std::uint32_t tenant) { return !quotas_.contains(tenant); });
    any_full_ = !full_.empty();
  }
  Bytes all() const {
    const std::shared_lock lock(mutex_);
    return quotas_;
  }

  /// Those whose puts are dropped: evicting does not keep up with them.
  void set_full(std::set<std::uint32_t> tenants) {
    const std::unique_lock lock(mutex_);
    full_ = std::move(tenants);
    any_full_ = !full_.empty();
  }
  bool any_full() const { return any_full_.load(std::memory_order_acquire); }
  bool is_full(std::uint32_t tenant) const {
    if (!any_full()) return false;
    const std::shared_lock lock(mutex_);
    return full_.contains(tenant);
  }

  void count_eviction(std::uint32_t tenant) {
    const std::unique_lock lock(mutex_);
    ++counts_[tenant].evicted_entries;
  }
  void count_refusal(std::uint32_t tenant) {
    const std::unique_lock lock(mutex_);
    ++counts_[tenant].refused_puts;
  }
  Counts counts(std::uint32_t tenant) const {
    const std::shared_lock lock(mutex_);
    const auto found = counts_.find(tenant);
    return found == counts_.end() ? Counts{} : found->second;
  }

 private:
  mutable std::shared_mutex mutex_;
  Bytes quotas_;
  std::set<std::uint32_t> full_;
  std::map<std::uint32_t, Counts> counts_;
  std::atomic<bool> any_full_{false};
};

}  // namespace kachel
