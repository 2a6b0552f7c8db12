#include <gtest/gtest.h>

#include "bench/policies/queue_cache.h"
#include "bench/policies/two_tiers.h"
#include "policies_testing.h"

namespace kachel::policies {
namespace {

constexpr std::uint64_t kValueBytes = 100;
constexpr std::uint64_t kPerSegment = 4;

class FlashTest : public testing::Test {
 protected:
  Flash make(ReclaimOrder order, std::uint64_t segments) {
    FlashOptions options;
    options.segment_bytes = kPerSegment * (kValueBytes + kRecordOverheadBytes);
    options.capacity_bytes = segments * options.segment_bytes;
    options.order = order;
    options.heat = [this](Key key) { return key == hot_ ? 1U : 0U; };
    options.on_evicted = [this](Key key) { evicted_.push_back(key); };
    return Flash(std::move(options));
  }
  static void fill(Flash& flash, Key from, Key to, std::uint64_t cost = 1) {
    for (Key key = from; key < to; ++key)
      flash.write(request_of(key, kValueBytes, cost));
  }

  Key hot_ = kNoKey;
  std::vector<Key> evicted_;
};

TEST_F(FlashTest, FifoGivesUpTheOldestSegment) {
  Flash flash = make(ReclaimOrder::kFifo, 3);
  hot_ = 2;
  fill(flash, 0, 12);
  EXPECT_TRUE(evicted_.empty());
  fill(flash, 12, 13);
  EXPECT_EQ(evicted_, (std::vector<Key>{0, 1, 2, 3}));
  EXPECT_TRUE(flash.contains(4));
  EXPECT_EQ(flash.bytes_written(), 13 * (kValueBytes + kRecordOverheadBytes));
}

TEST_F(FlashTest, LeastLiveGivesUpWhatIsMostlyDead) {
  Flash flash = make(ReclaimOrder::kLeastLive, 3);
  fill(flash, 0, 12);
  flash.erase(5);
  flash.erase(6);
  fill(flash, 12, 13);
  EXPECT_EQ(evicted_, (std::vector<Key>{4, 7}));
}

TEST_F(FlashTest, TheEngineKeepsWhatIsHot) {
  Flash flash = make(ReclaimOrder::kEngine, 3);
  hot_ = 2;
  fill(flash, 0, 13);
  EXPECT_EQ(evicted_, (std::vector<Key>{0, 1, 3}));
  EXPECT_TRUE(flash.contains(2));
  EXPECT_EQ(flash.bytes_written(), 14 * (kValueBytes + kRecordOverheadBytes));
}

TEST_F(FlashTest, SoDoesTheRuleThatKnowsNoCost) {
  Flash flash = make(ReclaimOrder::kHot, 3);
  hot_ = 2;
  fill(flash, 0, 13);
  EXPECT_EQ(evicted_, (std::vector<Key>{0, 1, 3}));
  EXPECT_TRUE(flash.contains(2));
  EXPECT_EQ(flash.bytes_written(), 14 * (kValueBytes + kRecordOverheadBytes));
}

TEST_F(FlashTest, TheEngineKeepsWhatIsDear) {
  Flash flash = make(ReclaimOrder::kEngine, 3);
  fill(flash, 0, 2);
  fill(flash, 2, 3, 100);
  fill(flash, 3, 13);
  EXPECT_EQ(evicted_, (std::vector<Key>{0, 1, 3}));
}

TEST_F(FlashTest, TheEngineMovesAllOfWhatIsMostlyDead) {
  Flash flash = make(ReclaimOrder::kEngine, 3);
  fill(flash, 0, 12);
  for (const Key key : std::initializer_list<Key>{4, 6, 7})
    flash.erase(key);
  fill(flash, 12, 13);
  EXPECT_TRUE(evicted_.empty());
  EXPECT_TRUE(flash.contains(5));
}

TEST_F(FlashTest, ValueGivesUpWhatSavedLeastAndKeepsTheDearest) {
  Flash flash = make(ReclaimOrder::kValue, 5);
  fill(flash, 0, 4, 1);
  fill(flash, 4, 8, 5);
  fill(flash, 8, 20, 1);
  for (const Key key : std::initializer_list<Key>{0, 1, 2, 3, 4, 5, 8, 8})
    EXPECT_TRUE(flash.read(key));
  fill(flash, 20, 21);
  EXPECT_EQ(evicted_, (std::vector<Key>{1, 2, 3})) << "4 saved, against 10; one of them stays";
}

TEST_F(FlashTest, WhatIsLargerThanASegmentIsNotTaken) {
  Flash flash = make(ReclaimOrder::kFifo, 3);
  flash.write(request_of(1, kPerSegment * 1000));
  EXPECT_FALSE(flash.contains(1));
  EXPECT_FALSE(flash.read(1));
}

TEST(TwoTiers, FlashAnswersWhatTheHotTierHasLetGo) {
  Workload workload;
  for (const Key key : std::initializer_list<Key>{1, 2, 1, 2})
    workload.requests.push_back(request_of(key, kValueBytes, 3));
  QueueCache hot(kValueBytes, QueueCache::Order::kLru);
  FlashOptions flash;
  flash.segment_bytes = 1000;
  flash.capacity_bytes = 3000;
  const TwoTierRun run = replay(workload, hot, AdmissionRule::kAll, flash);
  EXPECT_EQ(run.hot_hits, 0U);
  EXPECT_EQ(run.tally.hits, 2U);
  EXPECT_EQ(run.tally.saved_micro_usd, 6U);
  EXPECT_EQ(run.written_per_byte(), 1.0);
}

TEST(TwoTiers, OnlyWhatIsTouchedAgainIsWritten) {
  Workload workload;
  for (const Key key : std::initializer_list<Key>{1, 2, 2, 3, 2})
    workload.requests.push_back(request_of(key, kValueBytes, 3));
  QueueCache hot(kValueBytes, QueueCache::Order::kLru);
  FlashOptions flash;
  flash.segment_bytes = 1000;
  flash.capacity_bytes = 3000;
  const TwoTierRun run = replay(workload, hot, AdmissionRule::kSecondTouch, flash);
  EXPECT_EQ(run.written_bytes, kValueBytes + kRecordOverheadBytes);
  EXPECT_EQ(run.hot_hits, 1U);
  EXPECT_EQ(run.tally.hits, 2U) << "the last from flash";
}

TEST(Admission, ByCostLeavesOutWhatIsCheap) {
  Admission admission(AdmissionRule::kCostThreshold);
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(admission.admits(request_of(1, 100, 1000)));
  EXPECT_TRUE(admission.admits(request_of(1, 100, 600)));
  EXPECT_FALSE(admission.admits(request_of(1, 100, 400)));
}

}  // namespace
}  // namespace kachel::policies
