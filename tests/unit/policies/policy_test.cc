#include <gtest/gtest.h>

#include "bench/policies/belady.h"
#include "bench/policies/frequency_sketch.h"
#include "bench/policies/gdsf.h"
#include "bench/policies/queue_cache.h"
#include "bench/policies/s3_fifo.h"
#include "bench/policies/tiny_lfu.h"
#include "bench/policies/workloads.h"
#include "policies_testing.h"

namespace kachel::policies {
namespace {

TEST(Fifo, TheOldestGoesWhetherItIsUsedOrNot) {
  QueueCache cache(2, QueueCache::Order::kFifo);
  EXPECT_EQ(hits_of(cache, "abacab"), "--+---");
  EXPECT_EQ(present(cache, "abc"), "ab");
}

TEST(Lru, TheLeastRecentlyUsedGoes) {
  QueueCache cache(2, QueueCache::Order::kLru);
  EXPECT_EQ(hits_of(cache, "abacab"), "--+-+-");
  EXPECT_EQ(present(cache, "abc"), "ab");
}

TEST(S3Fifo, TwoAccessesInSmallLeadToMain) {
  S3Fifo cache(10, {});
  EXPECT_EQ(hits_of(cache, "aaabbcdefghij"), "-++-+--------");
  EXPECT_EQ(hits_of(cache, "k"), "-");
  EXPECT_EQ(present(cache, "abcdefghijk"), "acdefghijk") << "b had one access more, not two";
}

TEST(S3Fifo, OneAccessIsEnoughWhereThatIsWanted) {
  S3FifoOptions options;
  options.accesses_to_main = 1;
  S3Fifo cache(10, options);
  hits_of(cache, "aabcdefghijk");
  EXPECT_EQ(present(cache, "abcdefghijk"), "acdefghijk");
}

TEST(S3Fifo, WhatComesBackGoesToMain) {
  S3FifoOptions options;
  options.ghosts = S3FifoOptions::GhostsKept::kAll;
  S3Fifo cache(10, options);
  hits_of(cache, "abcdefghijka");  // a was evicted by k, and evicts b
  hits_of(cache, "lmnopqrstuvwxyz");
  EXPECT_EQ(present(cache, "abcdef"), "a");
}

TEST(S3Fifo, WhatIsDearStaysForMoreTurns) {
  S3FifoOptions options;
  options.accesses_to_main = 1;
  options.cost_levels = 2;
  S3Fifo cache(10, options);
  for (const Key key : std::initializer_list<Key>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
    const Request request = request_of(key, 1, key == 3 ? 8 : 2);
    cache.insert(request);
    cache.access(request);
  }
  for (Key key = 100; key < 120; ++key) {
    cache.insert(request_of(key, 1, 2));
    cache.access(request_of(key, 1, 2));
    if (key != 100) continue;
    for (const Key in_main : std::initializer_list<Key>{2, 3, 4})
      EXPECT_TRUE(cache.access(request_of(in_main)));
  }
  EXPECT_TRUE(cache.contains(3));
  EXPECT_FALSE(cache.contains(2));
  EXPECT_FALSE(cache.contains(4));
}

TEST(Gdsf, TheLeastCostPerByteGoes) {
  Gdsf cache(10);
  cache.insert(request_of(1, 5, 10));
  cache.insert(request_of(2, 5, 20));
  cache.insert(request_of(3, 5, 30));
  EXPECT_FALSE(cache.contains(1));
  EXPECT_TRUE(cache.contains(2));
  cache.insert(request_of(4, 5, 5));  // 2 goes, at 4; this comes in at 2 + 1
  EXPECT_FALSE(cache.contains(2));
  EXPECT_TRUE(cache.contains(3));
}

TEST(Gdsf, AccessesMultiplyAndTheClockCatchesUp) {
  Gdsf cache(2);
  cache.insert(request_of(1));
  cache.access(request_of(1));
  cache.access(request_of(1));  // worth 3
  cache.insert(request_of(2));
  cache.insert(request_of(3));  // 2 goes at 1; 3 comes in at 2
  cache.insert(request_of(4));  // 3 goes at 2; 4 comes in at 3
  EXPECT_TRUE(cache.contains(1));
  cache.insert(request_of(5));  // 1 and 4 are worth 3: the lower key goes
  EXPECT_FALSE(cache.contains(1));
  EXPECT_TRUE(cache.contains(4));
}

TEST(Gdsf, AgedAccessesCountHalf) {
  Gdsf cache(2, GdsfOptions{4});
  for (int i = 0; i < 3; ++i) {
    if (!cache.access(request_of(1))) cache.insert(request_of(1));
  }
  EXPECT_EQ(cache.heat(1), 2U);
  cache.access(request_of(1));  // the fourth of one entry held: an epoch ends
  EXPECT_EQ(cache.heat(1), 1U) << "3 were halved, and one was added: 2.5";
}

TEST(TinyLfu, WhatIsAskedForMoreOftenTakesThePlace) {
  TinyLfu cache(3, 16);  // a hundredth of it for the window: nothing
  EXPECT_EQ(hits_of(cache, "aabbccd"), "-+-+-+-");
  EXPECT_EQ(present(cache, "abcd"), "abc");
  EXPECT_EQ(hits_of(cache, "d"), "-");
  EXPECT_EQ(present(cache, "abcd"), "abc") << "as often is not more often";
  EXPECT_EQ(hits_of(cache, "dd"), "-+");
}

TEST(FrequencySketch, CountsAndForgets) {
  FrequencySketch sketch(16);
  for (int i = 0; i < 20; ++i)
    sketch.count(7);
  EXPECT_EQ(sketch.estimate(7), 15U);
  for (Key key = 100; key < 240; ++key)
    sketch.count(key);
  EXPECT_LT(sketch.estimate(7), 15U);
}

TEST(Belady, WhatIsUsedFarthestAheadGoes) {
  const std::string keys = "abcabdacbd";
  Belady cache(2, script(keys), Belady::Order::kFarthest);
  EXPECT_EQ(hits_of(cache, keys), "---++-+-+-");
}

TEST(Belady, MoneyTakesTheDearerOfTheTwo) {
  Workload workload;
  workload.requests = {request_of(1, 1, 1), request_of(2, 1, 9), request_of(1, 1, 1),
                       request_of(2, 1, 9)};
  Belady cache(1, workload, Belady::Order::kDearestSpace);
  EXPECT_EQ(replay(workload, cache).saved_micro_usd, 9U);
}

TEST(AllPolicies, KeepToTheirCapacityAndForgetWhatDied) {
  Workload workload = random_workload(7, 3000, 60, 900);
  for (Request& request : workload.requests)
    request.bytes = hot_bytes_of(request.value_bytes);
  constexpr std::uint64_t kCapacity = 12'000;
  for (const PolicyKind& kind : policy_kinds()) {
    const PolicyPointer policy = kind.make(kCapacity, workload);
    std::uint64_t hits = 0;
    for (const Request& request : workload.requests) {
      if (policy->access(request)) {
        ++hits;
      } else {
        policy->insert(request);
      }
      ASSERT_LE(policy->bytes(), kCapacity) << kind.name;
    }
    EXPECT_GT(hits, 100U) << kind.name;
    for (Key key = 0; key < 60; ++key) {
      policy->erase(key);
      EXPECT_FALSE(policy->contains(key)) << kind.name;
      EXPECT_EQ(policy->heat(key), 0U) << kind.name;
    }
    EXPECT_EQ(policy->bytes(), 0U) << kind.name;
  }
}

// What is tried out in S3Fifo can be believed to hold in the engine.
TEST(EnginePolicy, IsS3FifoWithAnAccessLessAndMoreGhosts) {
  ZipfOptions zipf;
  zipf.keys = 1000;
  zipf.requests = 10'000;
  const Workload workload = zipf_with_drift(zipf);
  S3FifoOptions options;
  options.accesses_to_main = 1;
  options.ghosts = S3FifoOptions::GhostsKept::kAll;
  for (const std::uint64_t divisor : {50U, 10U, 4U}) {
    const std::uint64_t capacity_bytes = footprint_of(workload).bytes / divisor;
    EnginePolicy engine(capacity_bytes);
    S3Fifo twin(capacity_bytes, options);
    for (const Request& request : workload.requests) {
      if (request.replaces != kNoKey) {
        engine.erase(request.replaces);
        twin.erase(request.replaces);
      }
      const bool is_hit = engine.access(request);
      ASSERT_EQ(twin.access(request), is_hit);
      if (!is_hit) {
        engine.insert(request);
        twin.insert(request);
      }
      ASSERT_EQ(engine.bytes(), twin.bytes());
    }
  }
}

}  // namespace
}  // namespace kachel::policies
