#include <algorithm>
#include <set>

#include "engine/format/footer.h"
#include "store_world.h"

namespace kachel {
namespace {

Options with(Durability durability) {
  Options options = StoreWorld::small_options();
  options.durability = durability;
  return options;
}

PutOptions expiring_at(std::int64_t ms) {
  PutOptions options;
  options.expires_at_ms = ms;
  return options;
}

TEST(Store, AnswersFromTheHotTierWhatWasPut) {
  StoreWorld world;
  EXPECT_EQ(world.put("k", "value"), PutOutcome::kStored);
  const auto found = world.find("k");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->entry->value(), "value");
  EXPECT_EQ(found->tier, Tier::kHot);
  EXPECT_EQ(world.store->stats().hot_hits, 1u);
}

TEST(Store, MissesWhatWasNeverPut) {
  StoreWorld world;
  EXPECT_FALSE(world.get("nothing"));
  EXPECT_EQ(world.store->stats().misses, 1u);
}

TEST(Store, AnswersFromFlashAfterARestartWithOneReadEach) {
  StoreWorld world;
  for (int i = 0; i < 100; ++i) {
    world.put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 2000));
  }
  world.kill();
  for (int i = 0; i < 100; ++i) {
    const auto found = world.find("k" + std::to_string(i));
    ASSERT_TRUE(found) << i;
    EXPECT_EQ(found->tier, Tier::kFlash);
    EXPECT_EQ(found->entry->value(), some_text(static_cast<std::uint64_t>(i), 2000));
  }
  const Stats stats = world.store->stats();
  EXPECT_EQ(stats.flash_hits, 100u);
  EXPECT_EQ(stats.device_reads, 100u);
  EXPECT_EQ(world.find("k5")->tier, Tier::kHot) << "promoted by the read before";
}

TEST(Store, KeepsMetadataAcrossARestart) {
  StoreWorld world;
  PutOptions options;
  options.metadata.kind = Kind::kCompletion;
  options.metadata.model = "a-model";
  options.metadata.subjects = {"person-1", "person-2"};
  options.metadata.erase_by_ms = world.clock.wall_ms() + 86'400'000;
  options.metadata.tokens_in = 12;
  options.metadata.tokens_out = 345;
  options.metadata.cost_micro_usd = 6789;
  world.put("k", "v", options);
  world.kill();
  const auto found = world.find("k");
  ASSERT_TRUE(found);
  const Metadata& metadata = found->entry->metadata;
  EXPECT_EQ(metadata.kind, Kind::kCompletion);
  EXPECT_EQ(metadata.model, "a-model");
  EXPECT_EQ(metadata.subjects, options.metadata.subjects);
  EXPECT_EQ(metadata.erase_by_ms, options.metadata.erase_by_ms);
  EXPECT_EQ(metadata.tokens_in, 12u);
  EXPECT_EQ(metadata.tokens_out, 345u);
  EXPECT_EQ(metadata.cost_micro_usd, 6789u);
}

TEST(Store, GroupModeLosesNothingToAKill) {
  StoreWorld world(with(Durability::kGroup));
  for (int i = 0; i < 500; ++i)
    world.put("k" + std::to_string(i), std::to_string(i));
  world.kill();
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(world.get("k" + std::to_string(i)), std::to_string(i));
  }
  EXPECT_EQ(world.store->count({}), 500u);
}

TEST(Store, StrictModeLosesNothingToAPowerCut) {
  StoreWorld world(with(Durability::kStrict));
  for (int i = 0; i < 200; ++i)
    world.put("k" + std::to_string(i), std::to_string(i));
  world.power_cut();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(world.get("k" + std::to_string(i)), std::to_string(i));
  }
}

// The kernel may have dropped the pages that a sync failed on, so that the next one succeeds and
// says nothing of them.
TEST(Store, NothingIsPromisedAfterAFailedSync) {
  StoreWorld world(with(Durability::kStrict));
  world.put("before", "v");
  world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments", .times = 1});
  std::optional<Result<PutOutcome>> put;
  world.worker->put({}, "k", "v", {}, [&](Result<PutOutcome> done) { put = std::move(done); });
  world.settle([&] { return put.has_value(); });
  ASSERT_TRUE(put.has_value());
  EXPECT_FALSE(*put);
  EXPECT_EQ(world.put("later", "v"), PutOutcome::kNotStored);
  std::optional<Result<EraseOutcome>> erase;
  world.worker->erase({}, "before", {},
                      [&](Result<EraseOutcome> done) { erase = std::move(done); });
  world.settle([&] { return erase.has_value(); });
  ASSERT_TRUE(erase.has_value());
  EXPECT_FALSE(*erase);
  EXPECT_EQ(world.get("before"), "v");
}

/// Puts, so that a sync fails on the last of them. Group mode acknowledges them all.
void fail_a_sync(StoreWorld& world) {
  world.put("safe", "v");
  world.advance(2'000);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(world.put("k" + std::to_string(i), some_text(1, 500)), PutOutcome::kStored);
  world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments"});
  world.advance(2'000);
  EXPECT_FALSE(world.store->stats().writable);
}

/// How many of its puts are there: all before the first that is not.
int count_prefix(StoreWorld& world) {
  int present = 0;
  while (world.get("k" + std::to_string(present)))
    ++present;
  for (int i = present; i < 20; ++i)
    EXPECT_FALSE(world.get("k" + std::to_string(i))) << i << " without " << present;
  return present;
}

TEST(Store, AStartAfterAFailedSyncMakesDurableWhatItShows) {
  StoreWorld world(with(Durability::kGroup));
  fail_a_sync(world);
  world.kill();
  EXPECT_EQ(world.get("safe"), "v");
  const int shown = count_prefix(world);
  EXPECT_EQ(shown, 20) << "nothing has left the page cache";
  EXPECT_EQ(world.put("later", "v"), PutOutcome::kStored);
  world.erase("safe");  // waits for a sync
  world.power_cut();
  EXPECT_EQ(count_prefix(world), shown);
  EXPECT_EQ(world.get("later"), "v");
  EXPECT_FALSE(world.get("safe"));
  EXPECT_EQ(world.store->stats().start.damaged_records, 0u);
}

/// The first half of each file's sectors goes, or the second.
class EvictHalf final : public io::CrashOutcome {
 public:
  explicit EvictHalf(bool first) : first_(first) {}
  void keep_sectors(std::uint64_t, std::vector<bool>& kept) override {
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] = (i < kept.size() / 2) != first_;
  }
  bool keep_size() override { return true; }
  bool keep_entry() override { return true; }

 private:
  bool first_;
};

TEST(Store, WhatAFailedSyncHasLostLeavesNoHole) {
  for (const bool first : {true, false}) {
    StoreWorld world(with(Durability::kGroup));
    fail_a_sync(world);
    EvictHalf half(first);
    world.storage.evict(half);
    world.kill();
    EXPECT_EQ(world.get("safe"), "v");
    const int shown = count_prefix(world);
    EXPECT_LT(shown, 20);
    EXPECT_EQ(world.store->stats().start.damaged_records, 0u) << "a lost write is no damage";
    world.power_cut();
    EXPECT_EQ(count_prefix(world), shown);
    world.kill();
    EXPECT_EQ(count_prefix(world), shown);
  }
}

TEST(Store, AStartWhoseOwnSyncFailsIsNotBelievedByTheNext) {
  StoreWorld world(with(Durability::kGroup));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(world.put("k" + std::to_string(i), some_text(1, 500)), PutOutcome::kStored);
  world.drop();
  world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments"});
  EXPECT_FALSE(world.try_open());
  world.drop();
  EvictHalf half(true);
  world.storage.evict(half);
  world.open();
  const int shown = count_prefix(world);
  world.power_cut();
  EXPECT_EQ(count_prefix(world), shown);
}

/// A start fails on its n-th sync of the superblock, of which some is done, and the next one tears
/// its m-th write of it.
void lose_superblock_writes(StoreWorld& world, std::uint64_t n, std::uint64_t m) {
  const auto fail_start = [&](io::Fault fault) {
    fault.path_contains = "superblock";
    world.device.inject(std::move(fault));
    EXPECT_FALSE(world.try_open());
    world.drop();
  };
  fail_start({.op = io::FaultOp::kSync, .kind = io::FaultKind::kShort, .skip = n});
  fail_start({.op = io::FaultOp::kWrite, .kind = io::FaultKind::kShort, .skip = m});
  io::KeepAll torn;
  world.storage.crash(torn);
  world.boot_id[0] = '2';
}

/// So that another draw decides what the next failed sync has done.
void fail_another_sync(StoreWorld& world) {
  auto file = world.device.open("another", io::OpenMode::kCreate).value();
  world.device.inject({.op = io::FaultOp::kSync, .kind = io::FaultKind::kShort});
  EXPECT_FALSE(file->sync());
  EXPECT_TRUE(world.device.remove("another"));
}

TEST(Store, ASuperblockThatWasNotSyncedCostsNoStore) {
  for (std::uint64_t round = 0; round < 8 * 3 * 2; ++round) {
    StoreWorld world;
    world.put("k", "v");
    ASSERT_TRUE(world.close());
    for (std::uint64_t i = 0; i < round / 6; ++i)
      fail_another_sync(world);
    lose_superblock_writes(world, round % 3, round / 3 % 2);
    const auto opened = world.try_open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(world.get("k"), "v");
  }
}

TEST(Store, GroupModeKeepsAPrefixAfterAPowerCut) {
  StoreWorld world(with(Durability::kGroup));
  for (int i = 0; i < 300; ++i) {
    // Three lifetimes, so that the records lie in three segments.
    const std::int64_t lifetimes[] = {0, 3'600'000, 86'400'000};
    const std::int64_t lifetime = lifetimes[i % 3];
    world.put("k" + std::to_string(i), std::to_string(i),
              lifetime == 0 ? PutOptions{} : expiring_at(world.clock.wall_ms() + lifetime));
    if (i % 40 == 0) world.advance(100);
  }
  world.power_cut();
  bool lost = false;
  int kept = 0;
  for (int i = 0; i < 300; ++i) {
    const bool here = world.get("k" + std::to_string(i)).has_value();
    EXPECT_FALSE(here && lost) << "a hole before " << i;
    lost = lost || !here;
    kept += here ? 1 : 0;
  }
  EXPECT_GT(kept, 0);
}

TEST(Store, RelaxedModeKeepsAPrefixAfterAKill) {
  StoreWorld world(with(Durability::kRelaxed));
  std::vector<std::string> acknowledged;
  for (int i = 0; i < 100; ++i) {
    bool done = false;
    world.worker->put({}, "k" + std::to_string(i), "v", {},
                      [&](Result<PutOutcome>) { done = true; });
    EXPECT_TRUE(done) << "acknowledged in the write buffer";
    if (i == 50) world.advance(60);
  }
  world.kill();
  EXPECT_TRUE(world.get("k50"));
  EXPECT_FALSE(world.get("k99"));
}

TEST(Store, AnErasedEntryStaysGone) {
  for (const bool power_cut : {false, true}) {
    for (const bool index_lost : {false, true}) {
      StoreWorld world;
      world.put("k", "old");
      world.put("other", "stays");
      world.advance(2000);
      EXPECT_EQ(world.erase("k"), EraseOutcome::kErased);
      EXPECT_FALSE(world.get("k"));
      if (index_lost) world.lose_index();
      power_cut ? world.power_cut() : world.kill();
      EXPECT_FALSE(world.get("k"));
      EXPECT_EQ(world.get("other"), "stays");
      EXPECT_EQ(world.erase("k"), EraseOutcome::kAbsent);
    }
  }
}

TEST(Store, RebuildsALostIndexAndLosesNothing) {
  StoreWorld world;
  for (int i = 0; i < 1000; ++i) {
    world.put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 1500));
  }
  for (int i = 0; i < 1000; i += 3)
    world.put("k" + std::to_string(i), "second");
  for (int i = 0; i < 1000; i += 7)
    world.erase("k" + std::to_string(i));
  ASSERT_TRUE(world.close());
  world.lose_index();
  world.open();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  std::uint64_t live = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto value = world.get("k" + std::to_string(i));
    if (i % 7 == 0) {
      EXPECT_FALSE(value) << i;
      continue;
    }
    ++live;
    EXPECT_EQ(value, i % 3 == 0 ? "second" : some_text(static_cast<std::uint64_t>(i), 1500)) << i;
  }
  EXPECT_EQ(world.store->count({}), live);
}

TEST(Store, ACleanStopReplaysNothing) {
  StoreWorld world;
  for (int i = 0; i < 100; ++i)
    world.put("k" + std::to_string(i), "v");
  ASSERT_TRUE(world.close());
  world.open();
  const Stats stats = world.store->stats();
  EXPECT_TRUE(stats.start.clean);
  EXPECT_EQ(stats.start.replayed_records, 0u);
  EXPECT_EQ(stats.entries, 100u);
  EXPECT_EQ(world.get("k7"), "v");
}

TEST(Store, ExpiredEntriesAreMissesAndStaySoWhenTheClockGoesBack) {
  StoreWorld world;
  world.put("k", "v", expiring_at(world.clock.wall_ms() + 5000));
  EXPECT_TRUE(world.get("k"));
  world.advance(5001);
  EXPECT_FALSE(world.get("k"));
  world.clock.set_wall_ms(world.clock.wall_ms() - 86'400'000);
  EXPECT_FALSE(world.get("k"));
  ASSERT_TRUE(world.close());
  world.open();
  EXPECT_FALSE(world.get("k"));
}

TEST(Store, ConditionsAreDecidedOnWhatIsThere) {
  StoreWorld world;
  PutOptions if_absent;
  if_absent.condition = Condition::kIfAbsent;
  PutOptions if_present;
  if_present.condition = Condition::kIfPresent;
  EXPECT_EQ(world.put("k", "1", if_present), PutOutcome::kConditionFailed);
  EXPECT_EQ(world.put("k", "2", if_absent), PutOutcome::kStored);
  EXPECT_EQ(world.put("k", "3", if_absent), PutOutcome::kConditionFailed);
  EXPECT_EQ(world.put("k", "4", if_present), PutOutcome::kStored);
  EXPECT_EQ(world.get("k"), "4");
  world.kill();
  EXPECT_EQ(world.put("k", "5", if_absent), PutOutcome::kConditionFailed);
  PutOptions versioned;
  versioned.if_version = world.glimpse("k")->version;
  EXPECT_EQ(world.put("k", "6", versioned), PutOutcome::kStored);
  EXPECT_EQ(world.put("k", "7", versioned), PutOutcome::kVersionChanged);
  versioned.if_version = 0;
  EXPECT_EQ(world.put("k", "8", versioned), PutOutcome::kVersionChanged);
  EXPECT_EQ(world.put("new", "9", versioned), PutOutcome::kStored);
}

TEST(Store, KeepTtlTakesOverTheExpiry) {
  StoreWorld world;
  const std::int64_t at = world.clock.wall_ms() + 60'000;
  world.put("k", "1", expiring_at(at));
  PutOptions keep;
  keep.keep_ttl = true;
  world.put("k", "2", keep);
  EXPECT_EQ(world.glimpse("k")->expires_at_ms, at);
  world.kill();
  EXPECT_EQ(world.glimpse("k")->expires_at_ms, at);
  EXPECT_EQ(world.get("k"), "2");
}

TEST(Store, ExpiryChangesSurviveRestartsAndIndexLoss) {
  StoreWorld world;
  const std::int64_t soon = world.clock.wall_ms() + 60'000;
  const std::int64_t late = world.clock.wall_ms() + 600'000;
  world.put("put-off", "v", expiring_at(soon));
  world.put("persisted", "v", expiring_at(soon));
  world.put("given", "v");
  EXPECT_EQ(world.expire("put-off", {late, {}, {}}), ExpiryOutcome::kChanged);
  EXPECT_EQ(world.expire("persisted", {0, {}, {}}), ExpiryOutcome::kChanged);
  EXPECT_EQ(world.expire("given", {late, {}, {}}), ExpiryOutcome::kChanged);
  EXPECT_EQ(world.expire("nobody", {late, {}, {}}), ExpiryOutcome::kAbsent);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(world.glimpse("put-off")->expires_at_ms, late);
    EXPECT_EQ(world.glimpse("persisted")->expires_at_ms, 0);
    EXPECT_EQ(world.glimpse("given")->expires_at_ms, late);
    EXPECT_EQ(world.find("given")->expires_at_ms, late);
    world.lose_index();
    world.kill();
  }
}

TEST(Store, AnExpiryInThePastErases) {
  StoreWorld world;
  world.put("k", "v");
  EXPECT_EQ(world.expire("k", {world.clock.wall_ms() - 1, {}, {}}), ExpiryOutcome::kErased);
  EXPECT_FALSE(world.get("k"));
  world.put("k", "v");
  EXPECT_EQ(world.put("k", "w", expiring_at(world.clock.wall_ms() - 1)), PutOutcome::kStored);
  EXPECT_FALSE(world.get("k"));
}

TEST(Store, EraseAllTakesItsNamespaceAndNoOther) {
  StoreWorld world;
  for (int i = 0; i < 50; ++i)
    world.put("k" + std::to_string(i), "v");
  world.space = {0, 1};
  world.put("other", "stays");
  world.space = {};
  EXPECT_TRUE(world.erase_all());
  EXPECT_FALSE(world.get("k1"));
  EXPECT_EQ(world.store->count({}), 0u);
  world.put("k2", "again");
  for (const bool index_lost : {false, true}) {
    if (index_lost) world.lose_index();
    world.power_cut();
    EXPECT_FALSE(world.get("k1"));
    world.space = {0, 1};
    EXPECT_EQ(world.get("other"), "stays");
    world.space = {};
  }
}

TEST(Store, ScanReturnsEveryKeyOnceWhenNothingChanges) {
  StoreWorld world;
  std::set<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key:" + std::to_string(i);
    world.put(key, "v");
    expected.insert(key);
  }
  world.erase("key:17");
  expected.erase("key:17");
  const auto keys = world.scan_all(13);
  EXPECT_EQ(keys.size(), expected.size());
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()), expected);
}

TEST(Store, ExpiredSegmentsAreDroppedWhole) {
  StoreWorld world;
  for (int i = 0; i < 200; ++i) {
    world.put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 1000),
              expiring_at(world.clock.wall_ms() + 30'000));
  }
  world.put("stays", "v");
  world.advance(60'000);
  const Stats stats = world.store->stats();
  EXPECT_GE(stats.expired_segments, 1u);
  EXPECT_EQ(stats.entries, 1u);
  EXPECT_EQ(world.get("stays"), "v");
  EXPECT_FALSE(world.get("k1"));
}

TEST(Store, AnExpiryPutOffOutlivesItsSegment) {
  StoreWorld world;
  for (int i = 0; i < 50; ++i) {
    world.put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 1000),
              expiring_at(world.clock.wall_ms() + 30'000));
  }
  world.expire("k3", {world.clock.wall_ms() + 3'600'000, {}, {}});
  world.kill();  // not hot any more
  world.advance(60'000);
  EXPECT_GE(world.store->stats().expired_segments, 1u);
  EXPECT_EQ(world.get("k3"), some_text(3, 1000));
  world.lose_index();
  world.kill();
  EXPECT_EQ(world.get("k3"), some_text(3, 1000));
  EXPECT_FALSE(world.get("k4"));
}

TEST(Store, CapacityEvictsOldSegmentsAndKeepsWhatIsHot) {
  Options options = StoreWorld::small_options();
  options.capacity_bytes = kMinCapacityBytes;
  options.segment_bytes = kMiB;
  StoreWorld world(options);
  world.put("hot", some_text(1, 3000));
  std::uint64_t seed = 0;
  io::SeededRandom noise(3);
  for (int i = 0; i < 3000; ++i) {
    std::string value(40'000, ' ');
    noise.fill(std::as_writable_bytes(std::span(value)));
    EXPECT_EQ(world.put("filler" + std::to_string(i), value), PutOutcome::kStored) << i;
    if (i % 50 == 0) {
      EXPECT_TRUE(world.get("hot")) << i;
    }
    ++seed;
  }
  world.advance(1000);
  const Stats stats = world.store->stats();
  EXPECT_GT(stats.evicted_segments, 10u);
  EXPECT_GT(stats.reinserted_entries, 0u);
  EXPECT_LE(stats.segment_bytes_on_disk, options.capacity_bytes);
  EXPECT_FALSE(world.get("filler0"));
  EXPECT_TRUE(world.get("filler2999"));
  world.kill();
  EXPECT_EQ(world.get("hot"), some_text(1, 3000)) << "its copy was moved, not only kept in memory";
}

TEST(Store, AnOverwrittenValueDoesNotComeBackWhenTheNewerOneIsGone) {
  StoreWorld world;
  world.put("k", "old");  // in the segment of entries without expiry
  world.put("k", "new", expiring_at(world.clock.wall_ms() + 20'000));
  world.advance(60'000);  // its whole segment is dropped
  EXPECT_GE(world.store->stats().expired_segments, 1u);
  EXPECT_FALSE(world.get("k"));
  world.lose_index();
  world.kill();
  EXPECT_FALSE(world.get("k"));
  world.advance(600'000);
  world.lose_index();
  world.kill();
  EXPECT_FALSE(world.get("k"));
}

TEST(Store, ConcurrentReadsOfAColdKeyShareOneDeviceRead) {
  StoreWorld world;
  world.put("k", "v");
  world.kill();
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    world.worker->get({}, "k", [&](Result<std::optional<Found>> found) {
      ASSERT_TRUE(found && *found);
      EXPECT_EQ((*found)->entry->value(), "v");
      ++answers;
    });
  }
  world.run();
  EXPECT_EQ(answers, 5);
  EXPECT_EQ(world.store->stats().device_reads, 1u);
  EXPECT_EQ(world.store->stats().shared_reads, 4u);
}

TEST(Store, WhoJoinsAReadAfterTheExpiryGetsNothing) {
  StoreWorld world;
  world.put("k", "v", expiring_at(world.clock.wall_ms() + 10'000));
  world.kill();
  int answers = 0;
  const auto expect_nothing = [&](Result<std::optional<Found>> found) {
    EXPECT_FALSE(found.value());
    ++answers;
  };
  world.worker->get({}, "k", [&](Result<std::optional<Found>>) { ++answers; });
  ASSERT_EQ(answers, 0) << "the read is under way";
  world.clock.set_wall_ms(world.clock.wall_ms() + 60'000);
  world.worker->get({}, "k", expect_nothing);
  world.run();
  EXPECT_EQ(answers, 2);
  EXPECT_FALSE(world.get("k"));
}

TEST(Store, ASegmentWhoseHeaderIsDamagedStillNamesItsDamagedRecords) {
  StoreWorld world;
  world.put("k", "the older value");
  ASSERT_TRUE(world.close());
  world.open();  // the newer one goes to another segment
  world.put("k", "the newer value");
  ASSERT_TRUE(world.close());
  const std::string path = "segments/" + world.storage.list("segments").value().back();
  auto file = world.storage.open(path, io::OpenMode::kReadWrite).value();
  for (const std::uint64_t at : {std::uint64_t{300}, format::kSegmentHeaderBytes + 60}) {
    std::byte byte{};
    ASSERT_TRUE(file->read_at(at, {&byte, 1}));
    byte ^= std::byte{4};
    iovec part{&byte, 1};
    ASSERT_TRUE(file->write_at(at, {&part, 1}));
  }
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_segments, 1u);
  EXPECT_FALSE(world.get("k"));
  ASSERT_TRUE(world.close());
  world.lose_index();
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_segments, 0u) << "mended by the start before";
  EXPECT_FALSE(world.get("k")) << "the older one must not come back";
}

TEST(Store, AReadUnderWayDoesNotBringAnErasedEntryBack) {
  StoreWorld world;
  world.put("k", "v");
  world.kill();
  bool read = false;
  world.worker->get({}, "k", [&](Result<std::optional<Found>>) { read = true; });
  EXPECT_FALSE(read);
  bool erased = false;
  world.worker->erase({}, "k", {}, [&](Result<EraseOutcome>) { erased = true; });
  bool after = false;
  world.worker->get({}, "k", [&](Result<std::optional<Found>> found) {
    EXPECT_FALSE(found.value()) << "the read before must not answer this one";
    after = true;
  });
  world.settle([&] { return read && erased && after; });
  EXPECT_TRUE(read && erased && after);
  EXPECT_FALSE(world.get("k"));
}

/// As one connection sends them, one after the other: a read of what is on flash, and a write.
TEST(Store, AReadUnderWayNeverAnswersWhatTheSameClientWritesAfterIt) {
  for (const bool expires_before : {true, false}) {
    StoreWorld world;
    PutOptions soon;
    soon.expires_at_ms = world.clock.wall_ms() + 1000;
    world.put("k", "before", soon);
    world.kill();
    std::optional<Result<std::optional<Found>>> read;
    const bool located = world.worker->get(
        {}, "k", [&](Result<std::optional<Found>> found) { read = std::move(found); });
    ASSERT_TRUE(located) << "else the write has to wait";
    ASSERT_FALSE(read);
    if (expires_before) world.clock.advance_ms(1000);
    bool put = false;
    world.worker->put({}, "k", "after", {}, [&](Result<PutOutcome>) { put = true; });
    if (!expires_before) world.clock.advance_ms(1000);
    world.settle([&] { return put && read; });
    ASSERT_TRUE(read && *read);
    const std::optional<Found>& found = **read;
    if (expires_before) {
      EXPECT_FALSE(found) << found->entry->value();
    } else {
      ASSERT_TRUE(found) << "there has been a value all the time";
      EXPECT_EQ(found->entry->value(), "before");
    }
    EXPECT_EQ(world.get("k"), "after");
  }
}

TEST(Store, MemoryCanBeMovedWhileRunning) {
  StoreWorld world;
  for (int i = 0; i < 200; ++i) {
    world.put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 20'000));
  }
  EXPECT_TRUE(world.store->set_memory(64 * kMiB));
  EXPECT_GT(world.store->stats().hot_capacity_bytes, 16 * kMiB);
  EXPECT_TRUE(world.store->set_memory(16 * kMiB));
  const Stats stats = world.store->stats();
  EXPECT_LE(stats.hot_bytes, stats.hot_capacity_bytes);
  EXPECT_FALSE(world.store->set_memory(1));
  EXPECT_EQ(world.store->stats().memory_bytes, 16 * kMiB);
}

TEST(Store, LargeAndEmptyValuesRoundTrip) {
  StoreWorld world;
  const std::string large = some_text(9, 8 * kMiB);
  EXPECT_EQ(world.put("large", large), PutOutcome::kStored);
  EXPECT_EQ(world.put("", "empty key"), PutOutcome::kStored);
  EXPECT_EQ(world.put("empty", ""), PutOutcome::kStored);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(world.get("large"), large);
    EXPECT_EQ(world.get(""), "empty key");
    EXPECT_EQ(world.get("empty"), "");
    world.kill();
  }
}

TEST(Store, RefusesWhatIsBeyondItsLimits) {
  StoreWorld world;
  const auto code = [&](std::string_view key, std::string_view value, PutOptions options) {
    ErrorCode got{};
    world.worker->put({}, key, value, std::move(options), [&](Result<PutOutcome> done) {
      ASSERT_FALSE(done);
      got = done.error().code;
    });
    return got;
  };
  EXPECT_EQ(code(std::string(70'000, 'k'), "v", {}), ErrorCode::kTooLarge);
  EXPECT_EQ(code("k", std::string(64 * kMiB + 1, 'v'), {}), ErrorCode::kTooLarge);
  PutOptions crowded;
  crowded.metadata.subjects.assign(17, "s");
  EXPECT_EQ(code("k", "v", crowded), ErrorCode::kTooLarge);
}

TEST(Store, ARowIsNotDeadForTheIndexBeforeTheEraseIsDurable) {
  StoreWorld world;
  const RowFilter* filter = nullptr;
  Index* index = nullptr;
  world.index_factory = [&](const IndexRequest& request) {
    filter = request.filter;
    auto opened = world.index->begin()(request);
    if (opened) index = opened->get();
    return opened;
  };
  world.kill();
  world.put("k", "v");
  world.advance(2000);
  const auto rows = index->list(world.space, {}, 10).value();
  ASSERT_EQ(rows.size(), 1u);
  const auto is_dead = [&] {
    return filter->is_dead({world.space, rows[0].first}, rows[0].second);
  };
  EXPECT_FALSE(is_dead());
  bool erased = false;
  world.worker->erase_all(world.space,
                          [&](const Result<void>& done) { erased = done.has_value(); });
  ASSERT_FALSE(erased);
  EXPECT_FALSE(is_dead()) << "a power cut now would leave neither the row nor the erase";
  world.settle([&] { return erased; });
  ASSERT_TRUE(erased);
  EXPECT_TRUE(is_dead());
}

}  // namespace
}  // namespace kachel
