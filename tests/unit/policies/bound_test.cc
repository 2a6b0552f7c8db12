#include "bench/policies/bound.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "bench/policies/belady.h"
#include "policies_testing.h"

namespace kachel::policies {
namespace {

using Gain = std::uint64_t (*)(const Request&);

std::uint64_t one(const Request&) {
  return 1;
}
std::uint64_t bytes_of(const Request& request) {
  return request.bytes;
}
std::uint64_t cost_of(const Request& request) {
  return request.cost_micro_usd;
}

/// The most that any choice of what to keep after each request gains: all of them are tried.
class BruteForce {
 public:
  BruteForce(const Workload& workload, std::uint64_t capacity_bytes, Gain gain)
      : workload_(workload), capacity_bytes_(capacity_bytes), gain_(gain) {
    for (const Request& request : workload.requests)
      bytes_[request.key] = request.bytes;
  }

  std::uint64_t best() { return best_from(0, {}); }

 private:
  using Kept = std::set<Key>;

  std::uint64_t best_from(std::size_t at, const Kept& kept) {
    if (at == workload_.requests.size()) return 0;
    const auto known = known_.find({at, kept});
    if (known != known_.end()) return known->second;
    const Request& request = workload_.requests[at];
    const std::uint64_t now = kept.contains(request.key) ? gain_(request) : 0;
    Kept all = kept;
    all.insert(request.key);
    const std::vector<Key> keys(all.begin(), all.end());
    std::uint64_t best = 0;
    for (unsigned choice = 0; choice < 1U << keys.size(); ++choice) {
      Kept next;
      std::uint64_t bytes = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if ((choice >> i & 1U) == 0) continue;
        next.insert(keys[i]);
        bytes += bytes_.at(keys[i]);
      }
      if (bytes <= capacity_bytes_) best = std::max(best, best_from(at + 1, next));
    }
    return known_[{at, kept}] = now + best;
  }

  const Workload& workload_;
  std::uint64_t capacity_bytes_;
  Gain gain_;
  std::map<Key, std::uint64_t> bytes_;
  std::map<std::pair<std::size_t, Kept>, std::uint64_t> known_;
};

double whole(const Workload& workload, Gain gain) {
  std::uint64_t sum = 0;
  for (const Request& request : workload.requests)
    sum += gain(request);
  return static_cast<double>(sum);
}

TEST(UpperBound, OfAScriptByHand) {
  // a's and b's second requests take 3 bytes x requests each; a byte for 6 requests gives 6.
  Workload workload = script("abcabc");
  EXPECT_NEAR(upper_bound_of(workload, 1).object * 6, 2.0, 1e-9);
  EXPECT_NEAR(upper_bound_of(workload, 3).object * 6, 3.0, 1e-9);
  for (Request& request : workload.requests)
    request.cost_micro_usd = request.key == 'c' ? 10 : 1;
  EXPECT_NEAR(upper_bound_of(workload, 1).money * 24, 11.0, 1e-9);
}

class BoundsBySeed : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, BoundsBySeed, testing::Range<std::uint64_t>(1, 41));

TEST_P(BoundsBySeed, BeladyIsTheBestWhereAllHaveOneSize) {
  const Workload workload = random_workload(GetParam(), 16, 5, 1);
  for (const std::uint64_t capacity : {1U, 2U, 3U}) {
    Belady belady(capacity, workload, Belady::Order::kFarthest);
    EXPECT_EQ(replay(workload, belady).hits, BruteForce(workload, capacity, one).best());
  }
}

TEST_P(BoundsBySeed, NothingExceedsTheUpperBound) {
  const Workload workload = random_workload(GetParam(), 14, 5, 4);
  for (const std::uint64_t capacity : {3U, 5U, 8U}) {
    const Ratios bound = upper_bound_of(workload, capacity);
    const std::pair<Gain, double> gains[] = {
        {one, bound.object}, {bytes_of, bound.byte}, {cost_of, bound.money}};
    for (const auto& [gain, ratio] : gains) {
      const auto best = static_cast<double>(BruteForce(workload, capacity, gain).best());
      EXPECT_LE(best, ratio * whole(workload, gain) + 1e-6);
    }
  }
}

TEST_P(BoundsBySeed, NoPolicyExceedsTheBounds) {
  Workload workload = random_workload(GetParam(), 2000, 100, 1);
  const std::uint64_t unit_bytes = hot_bytes_of(1);
  for (Request& request : workload.requests)
    request.bytes = unit_bytes;
  const std::uint64_t capacity = 20 * unit_bytes;
  Belady belady(capacity, workload, Belady::Order::kFarthest);
  const double best = replay(workload, belady).ratios().object;
  const Ratios bound = upper_bound_of(workload, capacity);
  EXPECT_LE(best, bound.object + 1e-9);
  for (const PolicyKind& kind : policy_kinds()) {
    const PolicyPointer policy = kind.make(capacity, workload);
    const Ratios ratios = replay(workload, *policy).ratios();
    EXPECT_LE(ratios.object, best + 1e-9) << kind.name;
    EXPECT_LE(ratios.byte, bound.byte + 1e-9) << kind.name;
    EXPECT_LE(ratios.money, bound.money + 1e-9) << kind.name;
  }
}

}  // namespace
}  // namespace kachel::policies
