// The whole store on the real RocksDB, on a simulated device.
#include "rocksdb_home.h"

namespace kachel {
namespace {

class RocksDbStore : public testing::Test {
 protected:
  void fill(int entries) {
    for (int i = 0; i < entries; ++i) {
      ASSERT_EQ(world.put("key" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 400)),
                PutOutcome::kStored);
    }
  }
  void check(int entries) {
    for (int i = 0; i < entries; ++i) {
      ASSERT_EQ(world.get("key" + std::to_string(i)), some_text(static_cast<std::uint64_t>(i), 400))
          << i;
    }
  }
  void damage_tables() {
    for (const std::string& name : world.storage.list("index").value()) {
      if (!name.ends_with(".sst")) continue;
      const auto file = world.storage.open("index/" + name, io::OpenMode::kReadWrite).value();
      std::vector<std::byte> zeros(512);
      iovec part{zeros.data(), zeros.size()};
      file->write_at(file->size().value() / 2, {&part, 1}).value();
      file->sync().value();
    }
  }
  StoreWorld world{StoreWorld::small_options(), {}, rocksdb_home};
};

TEST_F(RocksDbStore, ACleanStopReplaysNothing) {
  fill(100);
  ASSERT_TRUE(world.close());
  world.open();
  EXPECT_EQ(world.store->stats().start.replayed_records, 0U);
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  check(100);
}

TEST_F(RocksDbStore, APowerCutCostsNoRebuildAfterAFlush) {
  fill(100);
  ASSERT_TRUE(world.close());
  world.storage.crash();
  world.open();
  fill(10);
  world.power_cut();
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  check(100);
}

TEST_F(RocksDbStore, AKillReplaysAndALostIndexIsRebuilt) {
  fill(10);
  ASSERT_TRUE(world.close());
  world.open();
  fill(100);
  world.kill();
  EXPECT_GE(world.store->stats().start.replayed_records, 100U);
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  check(100);
  world.drop();
  world.lose_index();
  world.open();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  check(100);
}

TEST_F(RocksDbStore, ARebuiltIndexIsThereAfterAPowerCut) {
  fill(10);
  world.drop();
  world.lose_index();
  world.open();
  ASSERT_TRUE(world.store->stats().start.index_rebuilt);
  ASSERT_TRUE(world.close());
  world.storage.crash();
  world.open();
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  EXPECT_EQ(world.store->stats().start.replayed_records, 0U);
  check(10);
}

TEST_F(RocksDbStore, AStopThatCannotFlushEnds) {
  for (const int error : {ENOSPC, EIO}) {
    fill(100);
    world.device.inject(
        {.op = io::FaultOp::kWrite, .error_number = error, .path_contains = "index/", .times = 0});
    EXPECT_FALSE(world.close());
    world.device.clear();
    world.open();
    check(100);
  }
}

/// Damage to the index costs a rebuild at most; the segments have everything.
TEST_F(RocksDbStore, ATableFoundDamagedByAStartIsRebuiltAtOnce) {
  fill(400);
  ASSERT_TRUE(world.close());
  world.open();
  fill(400);  // the replay looks for the older rows
  world.drop();
  damage_tables();
  world.open();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  check(400);
  fill(10);
  ASSERT_TRUE(world.close());
  world.open();
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  check(400);
}

TEST_F(RocksDbStore, ATableFoundDamagedByAWriteIsRebuiltByTheNextStart) {
  fill(400);
  ASSERT_TRUE(world.close());
  damage_tables();
  world.open();
  std::vector<PutOutcome> outcomes;
  for (int i = 0; i < 400; ++i)
    outcomes.push_back(world.put("key" + std::to_string(i), "new"));
  EXPECT_EQ(outcomes.back(), PutOutcome::kNotStored);
  EXPECT_FALSE(world.store->stats().writable);
  world.kill();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  EXPECT_TRUE(world.store->stats().writable);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const auto value = world.get("key" + std::to_string(i));
    if (outcomes[i] == PutOutcome::kStored) {
      ASSERT_EQ(value, "new") << i;
    } else if (value != "new") {
      ASSERT_EQ(value, some_text(i, 400)) << i;
    }
  }
  fill(400);
  check(400);
}

}  // namespace
}  // namespace kachel
