#include "server/cpus.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

namespace kachel::server {
namespace {

TEST(WorkerCpus, AreReadAsAnOperatorWritesThem) {
  EXPECT_EQ(parse_worker_cpus("auto").value(), WorkerCpus{});
  EXPECT_EQ(parse_worker_cpus("any").value(), (WorkerCpus{false, {}}));
  EXPECT_EQ(parse_worker_cpus("3").value().cpus, CpuList{3});
  EXPECT_EQ(parse_worker_cpus("8,0-2,1-3").value().cpus, (CpuList{0, 1, 2, 3, 8}));
  for (const char* text : {"", "x", "1-", "-1", "3-1", "1,,2", "1,", "0 - 2", "99999", "Auto"})
    EXPECT_FALSE(parse_worker_cpus(text)) << text;
}

TEST(WorkerCpus, AutomaticallyThereIsOneForEachAndTheRestForAllElse) {
  const CpuShares two = share_cpus({0, 1}, 1, {}).value();
  EXPECT_EQ(two.workers, CpuList{0});
  EXPECT_EQ(two.others, CpuList{1});
  const CpuShares some = share_cpus({2, 3, 5, 7, 11}, 3, {}).value();
  EXPECT_EQ(some.workers, (CpuList{2, 3, 5}));
  EXPECT_EQ(some.others, (CpuList{7, 11}));
}

TEST(WorkerCpus, AutomaticallyNothingIsSharedWhereThatLeavesNoneOrThereArePlenty) {
  EXPECT_TRUE(share_cpus({0}, 1, {}).value().workers.empty());
  EXPECT_TRUE(share_cpus({0, 1}, 2, {}).value().workers.empty());
  EXPECT_TRUE(share_cpus({}, 1, {}).value().workers.empty());
  CpuList many(17);
  for (unsigned i = 0; i < many.size(); ++i)
    many[i] = i;
  EXPECT_TRUE(share_cpus(many, 4, {}).value().workers.empty());
}

TEST(WorkerCpus, WhatAnOperatorNamesIsTaken) {
  const CpuShares shares = share_cpus({0, 1, 2, 3}, 8, {false, {1, 3}}).value();
  EXPECT_EQ(shares.workers, (CpuList{1, 3}));
  EXPECT_EQ(shares.others, (CpuList{0, 2}));
  EXPECT_TRUE(share_cpus({0, 1}, 1, {false, {}}).value().workers.empty());
  // All of them: then the rest has them too.
  EXPECT_TRUE(share_cpus({0, 1}, 1, {false, {0, 1}}).value().others.empty());
  const auto refused = share_cpus({0, 1}, 1, {false, {1, 2}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "of these CPUs (1-2) this process may use only 0-1");
}

TEST(WorkerCpus, AreDescribedInRanges) {
  EXPECT_EQ(describe(CpuList{}), "");
  EXPECT_EQ(describe(CpuList{4}), "4");
  EXPECT_EQ(describe(CpuList{0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(WorkerCpus, AThreadKeepsToWhatItIsConfinedTo) {
  const CpuList all = allowed_cpus();
  ASSERT_FALSE(all.empty());
  std::thread([&] {
    ASSERT_TRUE(confine_this_thread({all.back()}));
    EXPECT_EQ(allowed_cpus(), CpuList{all.back()});
    // And whom it starts.
    std::thread([&] { EXPECT_EQ(allowed_cpus(), CpuList{all.back()}); }).join();
  }).join();
  EXPECT_EQ(allowed_cpus(), all);
}

}  // namespace
}  // namespace kachel::server
