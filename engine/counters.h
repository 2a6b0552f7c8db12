// What the store counts while it works; engine/stats.h says what each means. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/entry.h"

namespace kachel {

using Counter = std::atomic<std::uint64_t>;

inline void bump(Counter& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

struct Counters {
  Counter hot_hits{0}, write_buffer_hits{0}, flash_hits{0}, misses{0};
  Counter hot_misses{0}, flash_misses{0}, shared_reads{0}, damaged_reads{0};
  Counter sets{0}, sets_not_stored{0}, erases{0}, expired{0};
  Counter leases_granted{0}, lease_retries{0};
  Counter fills_refused_erased{0}, fills_refused_expired{0}, fills_refused_unknown{0};
  Counter evicted_entries{0}, reinserted_entries{0}, evicted_segments{0}, expired_segments{0};
  Counter due_segments{0}, overdue_segments{0}, reclaim_write_bytes{0};
  Counter raw_bytes{0}, stored_bytes{0}, reencoded_entries{0};
  Counter dictionaries_trained{0}, dictionaries_discarded{0};
  Counter device_writes{0}, device_write_bytes{0}, device_syncs{0}, io_errors{0};
  Counter index_lookups{0}, index_pool_lookups{0}, index_flushes{0};
};

/// Live entries by namespace, as the index has them.
class LiveCounts {
 public:
  void add(Namespace space, std::int64_t by) {
    const std::lock_guard lock(mutex_);
    counts_[space] += by;
    if (has_fields(space)) fields_.fetch_add(by, std::memory_order_relaxed);
  }
  /// False: no hash of any tenant has a field.
  bool has_any_fields() const { return fields_.load(std::memory_order_relaxed) > 0; }
  /// Those with entries.
  std::vector<std::uint32_t> tenants() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint32_t> tenants;
    for (const auto& [space, count] : counts_)
      if (count > 0 && (tenants.empty() || tenants.back() != space.tenant))
        tenants.push_back(space.tenant);
    return tenants;
  }
  /// The tenant's namespace with the most entries.
  Namespace largest_of(std::uint32_t tenant) const {
    const std::lock_guard lock(mutex_);
    std::pair<std::int64_t, Namespace> largest{0, {tenant, 0}};
    for (const auto& [space, count] : counts_)
      if (space.tenant == tenant && count > largest.first) largest = {count, space};
    return largest.second;
  }
  std::uint64_t of(Namespace space) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(space);
    return found == counts_.end() || found->second < 0 ? 0
                                                       : static_cast<std::uint64_t>(found->second);
  }
  std::uint64_t total() const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const auto& [space, count] : counts_)
      sum += count;
    return sum < 0 ? 0 : static_cast<std::uint64_t>(sum);
  }

 private:
  mutable std::mutex mutex_;
  std::map<Namespace, std::int64_t> counts_;
  std::atomic<std::int64_t> fields_{0};
};

}  // namespace kachel
