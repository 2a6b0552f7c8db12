#include <algorithm>
#include <utility>

#include "bench/policies/belady.h"
#include "bench/policies/engine_policy.h"
#include "bench/policies/gdsf.h"
#include "bench/policies/policy.h"
#include "bench/policies/queue_cache.h"
#include "bench/policies/s3_fifo.h"
#include "bench/policies/tiny_lfu.h"

namespace kachel::policies {
namespace {

enum class Where : std::uint8_t { kAlone, kWithFlashToo };

template <typename Kind, typename... Options>
PolicyKind kind(std::string name, Where where, Options... options) {
  return {std::move(name),
          [=](std::uint64_t capacity_bytes, const Workload&) -> PolicyPointer {
            return std::make_unique<Kind>(capacity_bytes, options...);
          },
          where == Where::kWithFlashToo};
}

PolicyKind belady(std::string name, Belady::Order order) {
  return {std::move(name),
          [order](std::uint64_t capacity_bytes, const Workload& workload) -> PolicyPointer {
            return std::make_unique<Belady>(capacity_bytes, workload, order);
          },
          false};
}

PolicyPointer make_tiny_lfu(std::uint64_t capacity_bytes, const Workload& workload) {
  const Footprint all = footprint_of(workload);
  const std::uint64_t mean_bytes =
      std::max<std::uint64_t>(1, all.bytes / std::max<std::uint64_t>(all.keys, 1));
  return std::make_unique<TinyLfu>(capacity_bytes, capacity_bytes / mean_bytes);
}

/// What the engine has, with cost.
S3FifoOptions weighted_options() {
  S3FifoOptions options;
  options.accesses_to_main = 1;
  options.ghosts = S3FifoOptions::GhostsKept::kAll;
  options.cost_levels = 2;
  return options;
}

}  // namespace

std::vector<PolicyKind> policy_kinds() {
  const Where alone = Where::kAlone;
  const Where with_flash = Where::kWithFlashToo;
  std::vector<PolicyKind> kinds;
  kinds.push_back(kind<EnginePolicy>("engine", with_flash));
  kinds.push_back(kind<QueueCache>("fifo", alone, QueueCache::Order::kFifo));
  kinds.push_back(kind<QueueCache>("lru", with_flash, QueueCache::Order::kLru));
  kinds.push_back(kind<S3Fifo>("s3-fifo", alone, S3FifoOptions{}));
  kinds.push_back(kind<S3Fifo>("s3-fifo-cost", with_flash, weighted_options()));
  kinds.push_back({"w-tinylfu", make_tiny_lfu});
  kinds.push_back(kind<Gdsf>("gdsf", with_flash, GdsfOptions{}));
  kinds.push_back(kind<Gdsf>("gdsf-aged", alone, GdsfOptions{4}));
  kinds.push_back(belady("belady", Belady::Order::kFarthest));
  kinds.push_back(belady("belady-money", Belady::Order::kDearestSpace));
  return kinds;
}

}  // namespace kachel::policies
