// What reclaim moves on, and how fast it goes.
#include "engine/reclaim_pace.h"
#include "store_world.h"

namespace kachel {
namespace {

TEST(Reclaim, WhatLivesInMostlyDeadSegmentsIsMovedOnRatherThanEvicted) {
  StoreWorld world;
  std::uint64_t seed = 0;
  const auto fill = [&](const std::string& key) { world.put(key, noise(++seed, 16'000)); };
  std::vector<std::string> kept;
  for (int i = 0; i < 6000; ++i) {
    // One in nine stays, wherever one looks; eight are overwritten soon.
    fill("soon over " + std::to_string(i % 40));
    if (i % 8 != 0) continue;
    kept.push_back("kept " + std::to_string(i));
    fill(kept.back());
  }
  world.settle([] { return false; });
  const Stats stats = world.store->stats();
  EXPECT_GT(stats.evicted_segments, 100u) << "there was room enough for all";
  EXPECT_EQ(stats.evicted_entries, 0u);
  for (const std::string& key : kept)
    EXPECT_TRUE(world.glimpse(key)) << key;
}

TEST(Reclaim, WhatIsDearOutlivesWhatIsCheap) {
  StoreWorld world;
  const auto is_dear = [](int i) { return i % 10 == 0; };
  const auto key = [](int i) { return "k" + std::to_string(i); };
  constexpr int kEntries = 6000;
  for (int i = 0; i < kEntries; ++i) {
    PutOptions put;
    put.metadata.cost_micro_usd = is_dear(i) ? 50'000 : 100;
    world.put(key(i), noise(static_cast<std::uint64_t>(i), 16'000), put);
  }
  world.settle([] { return false; });
  EXPECT_GT(world.store->stats().evicted_segments, 20U);
  int dear = 0;
  int cheap = 0;
  for (int i = 0; i < kEntries; ++i) {
    if (world.glimpse(key(i))) ++(is_dear(i) ? dear : cheap);
  }
  EXPECT_GT(dear, kEntries / 10 * 3 / 4);
  EXPECT_GT(cheap, 100) << "there has to be room for what is new";
}

TEST(Reclaim, KeepsWhatWasPutOffAMomentBeforeItsSegmentGoes) {
  Options options = StoreWorld::small_options();
  // The new expiry is in the write buffer, and no book knows of it, while the segment goes.
  options.durability = Durability::kRelaxed;
  options.relaxed_interval = std::chrono::seconds(5);
  StoreWorld world(options);
  PutOptions put;
  put.expires_at_ms = world.store->now_ms() + 100'000;
  for (std::uint64_t i = 0; i < 20; ++i)
    world.put("k" + std::to_string(i), noise(i, 16'000), put);
  world.let_pass(std::chrono::seconds(99));
  world.advance(put.expires_at_ms - world.store->now_ms() - 100);
  std::optional<Result<ExpiryOutcome>> outcome;
  const std::int64_t later_ms = put.expires_at_ms + 100'000;
  ExpiryChange change;
  change.expires_at_ms = later_ms;
  world.worker->change_expiry(world.space, "k3", change,
                              [&](auto done) { outcome = std::move(done); });
  world.let_pass(std::chrono::seconds(10));
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_GE(world.store->stats().expired_segments, 1u);
  world.kill();  // what is in the hot tier would be served from there
  EXPECT_FALSE(world.get("k2"));
  EXPECT_EQ(world.get("k3"), noise(3, 16'000));
}

TEST(ReclaimPace, KeepsToItsBudget) {
  const ReadLatency latency;
  ReclaimPace pace(latency, kMiB);
  EXPECT_EQ(pace.duration_ms(0), 0);
  EXPECT_EQ(pace.duration_ms(kMiB / 2), 500);
  EXPECT_EQ(pace.duration_ms(4 * kMiB), 4000);
}

TEST(ReclaimPace, SlowsDownWhileReadsSufferAndRecovers) {
  ReadLatency latency;
  ReclaimPace pace(latency, kMiB);
  for (int i = 0; i < 100; ++i)
    latency.note(100);
  latency.set_reclaiming(true);
  latency.note(110);
  EXPECT_EQ(pace.duration_ms(kMiB), 1000);
  for (int i = 0; i < 100; ++i)
    latency.note(150);
  EXPECT_EQ(pace.duration_ms(kMiB), 2000);
  EXPECT_EQ(pace.duration_ms(kMiB), 4000);
  EXPECT_EQ(pace.duration_ms(kMiB), 8000);
  EXPECT_EQ(pace.duration_ms(kMiB), 8000);
  for (int i = 0; i < 100; ++i)
    latency.note(100);
  EXPECT_EQ(pace.duration_ms(kMiB), 4000);
  EXPECT_EQ(pace.duration_ms(kMiB), 2000);
  EXPECT_EQ(pace.duration_ms(kMiB), 1000);
}

TEST(Reclaim, MeetsItsDeadlinesHoweverLittleItMayMove) {
  Options options = StoreWorld::small_options();
  options.erase_within = std::chrono::seconds(60);
  options.reclaim_bytes_per_s = 1000;  // a segment would take four minutes
  StoreWorld world(options);
  for (std::uint64_t i = 0; i < 60; ++i)
    world.put("k" + std::to_string(i), noise(i, 16'000));
  for (int i = 0; i < 60; i += 7)
    world.erase("k" + std::to_string(i));
  world.let_pass(std::chrono::seconds(70));
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  EXPECT_EQ(world.store->stats().erasures_overdue, 0u);
  EXPECT_GT(world.store->stats().due_segments, 2u);
  EXPECT_EQ(world.get("k1"), noise(1, 16'000));
}

}  // namespace
}  // namespace kachel
