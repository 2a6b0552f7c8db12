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
TEST_F(RocksDbStore, DISABLED_DamagedTablesOfTheIndexLoseNothing) {
  fill(400);
  ASSERT_TRUE(world.close());
  for (const std::string& name : world.storage.list("index").value()) {
    if (!name.ends_with(".sst")) continue;
    const auto file = world.storage.open("index/" + name, io::OpenMode::kReadWrite).value();
    std::vector<std::byte> zeros(512);
    iovec part{zeros.data(), zeros.size()};
    file->write_at(file->size().value() / 2, {&part, 1}).value();
    file->sync().value();
  }
  world.open();
  for (int i = 0; i < 400; ++i)
    EXPECT_EQ(world.put("key" + std::to_string(i), "new"), PutOutcome::kStored) << i;
  world.kill();
  ASSERT_TRUE(world.store);
  for (int i = 0; i < 400; ++i)
    ASSERT_EQ(world.get("key" + std::to_string(i)), "new") << i;
}

}  // namespace
}  // namespace kachel
