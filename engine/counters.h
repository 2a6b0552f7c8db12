// What the store counts while it works; engine/stats.h says what each means. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/entry.h"
#include "engine/index.h"

namespace kachel {

using Counter = std::atomic<std::uint64_t>;

inline void bump(Counter& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

struct Counters {
  Counter hot_hits{0}, write_buffer_hits{0}, flash_hits{0}, misses{0};
  Counter hot_misses{0}, flash_misses{0}, shared_reads{0}, damaged_reads{0};
  Counter not_arrived_reads{0};
  Counter sets{0}, sets_not_stored{0}, erases{0}, expired{0};
  Counter leases_granted{0}, lease_retries{0};
  Counter fills_refused_erased{0}, fills_refused_expired{0}, fills_refused_unknown{0};
  Counter sets_over_quota{0}, sets_while_draining{0}, quota_evicted_entries{0};
  Counter evicted_entries{0}, reinserted_entries{0}, evicted_segments{0}, expired_segments{0};
  Counter due_segments{0}, overdue_segments{0}, reclaim_write_bytes{0};
  Counter raw_bytes{0}, stored_bytes{0}, reencoded_entries{0};
  Counter dictionaries_trained{0}, dictionaries_discarded{0};
  Counter device_writes{0}, device_write_bytes{0}, device_syncs{0}, io_errors{0};
  Counter index_lookups{0}, index_pool_lookups{0}, index_flushes{0};
};

/// What is live by namespace, as the index has it.
class LiveCounts {
 public:
  void add(Namespace space, const LiveShare& share) {
    change(space, static_cast<std::int64_t>(share.entries), static_cast<std::int64_t>(share.bytes));
  }
  void remove(Namespace space, const LiveShare& share) {
    change(space, -static_cast<std::int64_t>(share.entries),
           -static_cast<std::int64_t>(share.bytes));
  }
  /// False: no hash of any tenant has a field.
  bool has_any_fields() const { return fields_.load(std::memory_order_relaxed) > 0; }
  /// Those with entries.
  std::vector<std::uint32_t> tenants() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint32_t> tenants;
    for (const auto& [space, count] : counts_)
      if (count.entries > 0 && (tenants.empty() || tenants.back() != space.tenant))
        tenants.push_back(space.tenant);
    return tenants;
  }
  /// Those with entries.
  std::vector<Namespace> namespaces() const {
    const std::lock_guard lock(mutex_);
    std::vector<Namespace> namespaces;
    for (const auto& [space, count] : counts_)
      if (count.entries > 0) namespaces.push_back(space);
    return namespaces;
  }
  /// The tenant's namespace with the most entries.
  Namespace largest_of(std::uint32_t tenant) const {
    const std::lock_guard lock(mutex_);
    std::pair<std::int64_t, Namespace> largest{0, {tenant, 0}};
    for (const auto& [space, count] : counts_)
      if (space.tenant == tenant && count.entries > largest.first) largest = {count.entries, space};
    return largest.second;
  }
  std::uint64_t of(Namespace space) const {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(space);
    return found == counts_.end() ? 0 : at_least_none(found->second.entries);
  }
  /// Of all the tenant's databases, and the fields of its hashes.
  LiveShare of_tenant(std::uint32_t tenant) const {
    const std::lock_guard lock(mutex_);
    Count sum;
    for (auto at = counts_.lower_bound({tenant, 0});
         at != counts_.end() && at->first.tenant == tenant; ++at) {
      sum.entries += at->second.entries;
      sum.bytes += at->second.bytes;
    }
    return {at_least_none(sum.entries), at_least_none(sum.bytes)};
  }
  std::uint64_t total() const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const auto& [space, count] : counts_)
      sum += count.entries;
    return at_least_none(sum);
  }

 private:
  struct Count {
    std::int64_t entries = 0;
    std::int64_t bytes = 0;
  };

  static std::uint64_t at_least_none(std::int64_t sum) {
    return sum < 0 ? 0 : static_cast<std::uint64_t>(sum);
  }
  void change(Namespace space, std::int64_t entries, std::int64_t bytes) {
    const std::lock_guard lock(mutex_);
    Count& count = counts_[space];
    count.entries += entries;
    count.bytes += bytes;
    if (has_fields(space)) fields_.fetch_add(entries, std::memory_order_relaxed);
  }

  mutable std::mutex mutex_;
  std::map<Namespace, Count> counts_;
  std::atomic<std::int64_t> fields_{0};
};

}  // namespace kachel
