// Disks that fill up under a store, and an index that is refused its flush.
#include "store_world.h"

namespace kachel {
namespace {

/// A file of somebody else that takes all the space there is.
class ForeignFile {
 public:
  explicit ForeignFile(StoreWorld& world) : world_(world) {
    file_ = world.storage.open("foreign", io::OpenMode::kCreate).value();
    EXPECT_TRUE(file_->reserve(world.storage.space().value().available_bytes));
    EXPECT_TRUE(file_->sync());
    EXPECT_TRUE(world.storage.sync_directory(""));
  }
  void remove() {
    file_.reset();
    EXPECT_TRUE(world_.storage.remove("foreign"));
  }

 private:
  StoreWorld& world_;
  std::unique_ptr<io::File> file_;
};

TEST(FullDisk, EntriesMakeRoomForWhatIsPut) {
  StoreWorld world;
  for (std::uint64_t i = 0; i < 300; ++i)
    world.put("old" + std::to_string(i), noise(i, 10'000));
  const ForeignFile foreign(world);
  for (std::uint64_t i = 0; i < 300; ++i) {
    world.put("new" + std::to_string(i), noise(1000 + i, 10'000));
    world.advance(20);
  }
  EXPECT_GT(world.store->stats().evicted_segments, 0u);
  EXPECT_TRUE(world.store->stats().writable);
  int there = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const auto got = world.get("new" + std::to_string(i));
    if (!got) continue;
    ++there;
    EXPECT_EQ(*got, noise(1000 + i, 10'000));
  }
  EXPECT_GT(there, 100);
}

TEST(FullDisk, ADroppedPutLeavesNoOlderValueBehind) {
  StoreWorld world;
  world.put("k", "old");
  const ForeignFile foreign(world);
  const PutOutcome outcome = world.put("k", noise(1, 300'000));  // more than a segment
  EXPECT_EQ(outcome, PutOutcome::kNotStored);
  EXPECT_FALSE(world.get("k"));
  world.kill();
  EXPECT_FALSE(world.get("k"));
}

TEST(FullDisk, ErasesAreDurableAcrossKillsWithoutABlockLeft) {
  StoreWorld world;
  for (std::uint64_t i = 0; i < 300; ++i)
    world.put("k" + std::to_string(i), noise(i, 10'000));
  world.kill();
  ForeignFile foreign(world);
  for (int i = 0; i < 20; i += 2) {
    const std::string last = "k" + std::to_string(299 - i);
    EXPECT_EQ(world.erase(last), EraseOutcome::kErased);
    world.kill();
    EXPECT_FALSE(world.get(last));
    EXPECT_TRUE(world.get("k" + std::to_string(298 - i)));
  }
  world.power_cut();
  EXPECT_FALSE(world.get("k299"));
  foreign.remove();
  world.advance(1000);
  EXPECT_EQ(world.put("again", "v"), PutOutcome::kStored);
  EXPECT_TRUE(world.close());
}

/// One evicted segment whose file is still there, and `old0` in it.
void evict_without_removing(StoreWorld& world) {
  for (std::uint64_t i = 0; i < 300; ++i)
    world.put("old" + std::to_string(i), noise(i, 10'000));
  world.device.inject({.op = io::FaultOp::kRemove, .path_contains = "0001.seg", .times = 10'000});
  const ForeignFile foreign(world);
  for (std::uint64_t i = 0; i < 300 && world.store->stats().evicted_segments == 0; ++i) {
    world.put("new" + std::to_string(i), noise(1000 + i, 10'000));
    world.advance(20);
  }
  EXPECT_GE(world.device.injected(), 1u);
  EXPECT_FALSE(world.get("old0"));
}

// Between an eviction and the end of its file lies a kill, or a power cut.
TEST(FullDisk, WhatAnEraseFoundEvictedStaysAway) {
  for (const bool power_cut : {false, true}) {
    for (const bool index_lost : {false, true}) {
      StoreWorld world;
      evict_without_removing(world);
      EXPECT_EQ(world.erase("old0"), EraseOutcome::kAbsent);
      EXPECT_EQ(world.erase("old0"), EraseOutcome::kAbsent);
      if (index_lost) world.lose_index();
      power_cut ? world.power_cut() : world.kill();
      EXPECT_FALSE(world.get("old0"));
      EXPECT_TRUE(world.get("old1")) << "its segment is back";
    }
  }
}

// Reclaim has to drop the newer of two values. The older lies in a segment that goes later.
TEST(FullDisk, ASurvivorThatFindsNoRoomLeavesNoOlderValueBehind) {
  for (const bool index_lost : {false, true}) {
    StoreWorld world;
    world.options.erase_within = std::chrono::hours(2);
    world.kill();
    constexpr std::uint64_t kKeys = 20;
    for (std::uint64_t i = 0; i < kKeys; ++i)
      world.put("k" + std::to_string(i), "old");
    const auto fill = [&](const std::string& name, const PutOptions& how = {}) {
      for (std::uint64_t i = 0; i < 30; ++i)
        world.put(name + std::to_string(i), noise(i, 10'000), how);
    };
    fill("held", about({"ada"}));
    world.hold("ada");  // so that these don't go to make room
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      const std::string name = std::to_string(i);
      world.put("k" + name, "new");
      fill("beside new " + name + " ");
    }
    ASSERT_TRUE(world.store->set_erase_within(std::chrono::seconds(60)));
    for (std::uint64_t i = 0; i < kKeys; ++i)
      world.erase("beside new " + std::to_string(i) + " 1");
    for (const io::FaultOp op : {io::FaultOp::kCreate, io::FaultOp::kReserve})
      world.device.inject({.op = op, .error_number = ENOSPC, .times = 0});
    world.let_pass(std::chrono::seconds(70));
    world.device.clear();
    ASSERT_TRUE(world.get("held1"));
    if (index_lost) world.lose_index();
    world.kill();
    std::uint64_t gone = 0;
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      const auto found = world.get("k" + std::to_string(i));
      if (!found) ++gone;
      EXPECT_NE(found, "old");
    }
    EXPECT_GT(gone, 0u) << "there was room for all";
  }
}

// Reclaim writes anew what is used, and on a full disk finds no room for that.
TEST(FullDisk, WhatIsReadAfterAnEvictionIsThereAfterAKill) {
  StoreWorld world;
  constexpr std::uint64_t kKeys = 300;
  const auto key = [](std::uint64_t i) { return "old" + std::to_string(i); };
  for (std::uint64_t i = 0; i < kKeys; ++i)
    world.put(key(i), noise(i, 10'000));
  for (int times = 0; times < 3; ++times)
    for (std::uint64_t i = 0; i < kKeys; ++i)
      world.get(key(i));
  const ForeignFile foreign(world);
  for (std::uint64_t i = 0; i < kKeys && world.store->stats().evicted_segments < 3; ++i) {
    world.put("new" + std::to_string(i), noise(1000 + i, 10'000));
    world.advance(20);
  }
  ASSERT_GE(world.store->stats().evicted_segments, 1u);
  world.advance(2'000);
  std::vector<std::string> there;
  for (std::uint64_t i = 0; i < kKeys; ++i)
    if (world.get(key(i))) there.push_back(key(i));
  EXPECT_FALSE(there.empty());
  world.kill();
  for (const std::string& left : there)
    EXPECT_TRUE(world.get(left)) << left;
  EXPECT_EQ(world.store->stats().evicted_segments, 0u);
}

TEST(FullDisk, AReadUnderWayDoesNotOutliveItsSegment) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    StoreWorld world(StoreWorld::small_options(), seed);
    constexpr std::uint64_t kKeys = 300;
    const auto key = [](std::uint64_t i) { return "old" + std::to_string(i); };
    for (std::uint64_t i = 0; i < kKeys; ++i)
      world.put(key(i), noise(i, 10'000));
    world.kill();  // so that the hot tier is empty
    const ForeignFile foreign(world);
    int answers = 0;
    for (std::uint64_t step = 0; step < 3'000 && world.store->stats().evicted_segments < 3;
         ++step) {
      if (step % 20 == 0) {
        world.worker->put(world.space, "new" + std::to_string(step), noise(1000, 10'000), {},
                          [](auto) {});
      }
      for (std::uint64_t i = step % 5; i < kKeys; i += 5)
        world.worker->get(world.space, key(i), [&](auto) { ++answers; });
      world.step();
    }
    world.advance(2'000);
    ASSERT_GE(world.store->stats().evicted_segments, 1u);
    EXPECT_GT(answers, 0);
    std::vector<std::string> there;
    for (std::uint64_t i = 0; i < kKeys; ++i)
      if (world.get(key(i))) there.push_back(key(i));
    world.kill();
    for (const std::string& left : there)
      EXPECT_TRUE(world.get(left)) << left << ", seed " << seed;
  }
}

TEST(FullDisk, EraseAllMakesRoom) {
  StoreWorld world;
  for (std::uint64_t i = 0; i < 300; ++i)
    world.put("k" + std::to_string(i), noise(i, 10'000));
  const ForeignFile foreign(world);
  EXPECT_TRUE(world.erase_all());
  for (std::uint64_t i = 0; i < 100; ++i) {
    world.put("new" + std::to_string(i), noise(i, 10'000));
    world.advance(20);
  }
  EXPECT_EQ(world.get("new99"), noise(99, 10'000));
}

/// An index whose disk may be full: then it refuses everything but reads, as RocksDB does.
class LimitedIndex final : public Index {
 public:
  struct Disk {
    bool full = false;     // as of now
    bool refuses = false;  // since a flush failed
    int resumed = 0;
  };
  LimitedIndex(std::unique_ptr<Index> inner, Disk* disk) : inner_(std::move(inner)), disk_(disk) {}

  Lookup find(const RowKey& key, Where where) const override { return inner_->find(key, where); }
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override {
    return inner_->list(space, from, limit);
  }
  Result<void> apply(std::span<const IndexChange> changes) override {
    if (disk_->refuses) return no_space();
    return inner_->apply(changes);
  }
  Result<void> put_fence(const Fence& fence) override {
    if (disk_->refuses) return no_space();
    return inner_->put_fence(fence);
  }
  Result<void> drop_fence(const Fence& fence) override { return inner_->drop_fence(fence); }
  Result<void> put_hold(const Hold& hold) override {
    if (disk_->refuses) return no_space();
    return inner_->put_hold(hold);
  }
  Result<void> drop_hold(const Mac& id) override {
    if (disk_->refuses) return no_space();
    return inner_->drop_hold(id);
  }
  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override {
    disk_->refuses = disk_->refuses || disk_->full;
    if (disk_->refuses) return done(no_space());
    inner_->flush(marker, counts, std::move(done));
  }
  void when_settled(UniqueFunction<void()> done) override { inner_->when_settled(std::move(done)); }
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override {
    disk_->refuses = disk_->refuses || disk_->full;
    if (disk_->refuses) {
      flushed(no_space());
      return done(no_space());
    }
    inner_->compact(marker, counts, std::move(flushed), std::move(done));
  }
  bool is_full() const override { return disk_->refuses; }
  Result<void> resume() override {
    if (disk_->full) return no_space();
    disk_->refuses = false;
    ++disk_->resumed;
    return {};
  }
  Result<std::optional<Marker>> marker() const override { return inner_->marker(); }
  Result<std::vector<SegmentCounts>> counts() const override { return inner_->counts(); }
  Result<std::vector<Fence>> fences() const override { return inner_->fences(); }
  Result<std::vector<Hold>> holds() const override { return inner_->holds(); }
  void start_housekeeping() override {}
  void set_memory(std::uint64_t) override {}
  IndexUsage usage() const override { return inner_->usage(); }

 private:
  static Error no_space() { return {ErrorCode::kNoSpace, "no space for the index"}; }

  std::unique_ptr<Index> inner_;
  Disk* disk_;
};

class FullIndex : public ::testing::Test {
 protected:
  FullIndex() {
    world.index_factory = [this](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
      auto inner = world.index->begin()(request);
      if (!inner) return inner.error();
      return std::unique_ptr<Index>(std::make_unique<LimitedIndex>(std::move(*inner), &disk));
    };
    world.kill();
  }

  /// More than what makes the log flush the index.
  void put_many(int version) {
    for (int i = 0; i < kKeys; ++i)
      world.put("k" + std::to_string(i), std::to_string(version));
    world.advance(1000);
  }
  void check(const std::string& value) {
    for (int i = 0; i < kKeys; i += 37)
      EXPECT_EQ(world.get("k" + std::to_string(i)), value);
  }

  static constexpr int kKeys = 20'000;
  StoreWorld world;
  LimitedIndex::Disk disk;
};

TEST_F(FullIndex, WritesAndErasesGoOnAndCatchUp) {
  disk.full = true;
  put_many(1);
  put_many(2);  // past 32,768 records: the flush was refused
  EXPECT_TRUE(disk.refuses);
  put_many(3);
  check("3");
  EXPECT_EQ(world.erase("k0"), EraseOutcome::kErased);
  EXPECT_FALSE(world.get("k0"));
  EXPECT_TRUE(world.store->stats().writable);
  disk.full = false;
  world.advance(1000);
  EXPECT_EQ(disk.resumed, 1);
  EXPECT_FALSE(disk.refuses);
  world.erase("k37");
  EXPECT_EQ(world.store->count(world.space), static_cast<std::uint64_t>(kKeys - 2));
  EXPECT_EQ(world.get("k74"), "3");
  world.kill();
  EXPECT_FALSE(world.get("k0"));
  EXPECT_EQ(world.get("k74"), "3");
  EXPECT_EQ(world.store->count(world.space), static_cast<std::uint64_t>(kKeys - 2));
}

TEST_F(FullIndex, WhatCameAfterARefusedChangeIsInTheIndexToo) {
  disk = {.full = true, .refuses = true};
  world.put("first", "1");  // the index refuses it
  world.put("second", "2");
  EXPECT_EQ(world.get("second"), "2");
  disk.full = false;
  world.advance(1000);
  ASSERT_EQ(disk.resumed, 1);
  ASSERT_TRUE(world.close());
  world.open();
  EXPECT_EQ(world.get("first"), "1");
  EXPECT_EQ(world.get("second"), "2");
  EXPECT_EQ(world.store->count(world.space), 2U);
}

TEST_F(FullIndex, AKillMeanwhileLosesNothing) {
  disk.full = true;
  put_many(1);
  put_many(2);
  EXPECT_EQ(world.erase("k0"), EraseOutcome::kErased);
  EXPECT_TRUE(world.erase_all());
  put_many(3);
  EXPECT_EQ(world.erase("k1"), EraseOutcome::kErased);
  disk = {};
  world.kill();
  EXPECT_FALSE(world.get("k1"));
  EXPECT_EQ(world.store->count(world.space), static_cast<std::uint64_t>(kKeys - 1));
  world.erase("k37");
  EXPECT_EQ(world.get("k74"), "3");
}

TEST(FullDisk, AnIndexThatFindsNoRoomToOpenGetsASpare) {
  StoreWorld world;
  world.put("k", "v");
  ASSERT_TRUE(world.close());
  world.open();
  world.advance(1000);  // spares are made aside
  const auto files = [&] { return world.storage.list("segments").value().size(); };
  const std::size_t before = files();
  int refusals = 0;
  world.index_factory = [&](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    EXPECT_FALSE(request.wipe);
    if (files() < before) return world.index->begin()(request);
    ++refusals;
    return Error{ErrorCode::kNoSpace, "no room for a manifest"};
  };
  world.kill();
  EXPECT_EQ(refusals, 1);
  EXPECT_FALSE(world.store->stats().start.index_rebuilt);
  EXPECT_EQ(world.get("k"), "v");
}

TEST_F(FullIndex, AStopEndsAndSaysWhy) {
  disk.full = true;
  put_many(1);
  const Result<void> closed = world.close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::kNoSpace);
  disk = {};
  world.open();
  check("1");
}

}  // namespace
}  // namespace kachel
