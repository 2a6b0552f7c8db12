// Starts of stores whose files are whole and say what no store says: numbers at the end of
// their range, clocks at the end of time, an index that points elsewhere.
#include "engine/format/superblock.h"
#include "store_world.h"

namespace kachel {
namespace {

format::Superblock read_superblock(StoreWorld& world) {
  std::vector<std::byte> bytes(2 * format::kSuperblockCopyBytes);
  auto file = world.storage.open("superblock", io::OpenMode::kRead);
  EXPECT_TRUE(file && (*file)->read_at(0, bytes));
  return *format::decode_superblock(bytes);
}

void write_superblock(StoreWorld& world, const format::Superblock& superblock) {
  std::vector<std::byte> copy = format::encode_superblock_copy(superblock);
  auto file = world.storage.open("superblock", io::OpenMode::kReadWrite);
  iovec parts[] = {{copy.data(), copy.size()}, {copy.data(), copy.size()}};
  ASSERT_TRUE(file && (*file)->write_at(0, parts));
}

template <typename Change>
Result<void> reopen_with(StoreWorld& world, Change change) {
  world.drop();
  format::Superblock superblock = read_superblock(world);
  change(superblock);
  write_superblock(world, superblock);
  return world.try_open();
}

TEST(StoreLimits, RefusesSequencesThatAreUsedUp) {
  for (const std::uint64_t limit : {format::kMaxNumber, format::kMaxNumber + 1, UINT64_MAX}) {
    StoreWorld world;
    world.put("k", "v");
    const auto opened = reopen_with(world, [&](auto& block) { block.sequence_limit = limit; });
    ASSERT_FALSE(opened) << limit;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  }
}

TEST(StoreLimits, RefusesSegmentIdsThatAreUsedUp) {
  for (const std::uint64_t limit : {format::kMaxNumber, UINT64_MAX - 1023}) {
    StoreWorld world;
    const auto opened = reopen_with(world, [&](auto& block) { block.segment_id_limit = limit; });
    ASSERT_FALSE(opened) << limit;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  }
}

TEST(StoreLimits, LeavesFilesAloneWhoseNamesAreNoSegmentIds) {
  StoreWorld world;
  world.put("k", "v");
  world.drop();
  constexpr std::string_view kPath = "segments/fffffffffffffbff.seg";
  ASSERT_TRUE(world.storage.open(kPath, io::OpenMode::kCreate));
  world.open();
  world.kill();
  EXPECT_EQ(world.get("k"), "v");
  EXPECT_TRUE(world.storage.exists(kPath).value());
}

TEST(StoreLimits, ServesAtTheEndOfTime) {
  StoreWorld world;
  world.put("k", "v");
  ASSERT_TRUE(reopen_with(world, [](auto& block) { block.highest_wall_ms = INT64_MAX; }));
  EXPECT_EQ(world.get("k"), "v");
  PutOptions options;
  options.expires_at_ms = INT64_MAX;
  EXPECT_EQ(world.put("l", "w", options), PutOutcome::kStored);
  world.kill();
  EXPECT_EQ(world.get("l"), "w");
}

TEST(StoreLimits, LargeValuesAreCompressedElsewhereAndPlacedAsTheyAreDone) {
  StoreWorld world;
  const std::string large = some_text(1, 2 * kMiB);
  std::vector<PutOutcome> outcomes;
  const auto put = [&](const std::string& key, PutOptions options = {}) {
    return world.worker->put(world.space, key, large, std::move(options),
                             [&](Result<PutOutcome> done) { outcomes.push_back(*done); });
  };
  for (int i = 0; i < 4; ++i)
    EXPECT_FALSE(put("k" + std::to_string(i))) << "its place is not settled yet";
  EXPECT_FALSE(world.worker->get_hot(world.space, "k0"));
  EXPECT_TRUE(put("k4")) << "too many wait: this one is compressed at once";
  world.run();
  EXPECT_EQ(outcomes, std::vector<PutOutcome>(5, PutOutcome::kStored));
  PutOptions absent;
  absent.condition = Condition::kIfAbsent;
  put("k0", absent);
  world.run();
  EXPECT_EQ(outcomes.back(), PutOutcome::kConditionFailed);
  world.kill();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(world.get("k" + std::to_string(i)), large) << i;
  // A worker that goes meanwhile takes the answer with it, and nothing else.
  put("late");
  world.worker.reset();
  world.run();
  EXPECT_EQ(outcomes.size(), 6U);
}

TEST(StoreLimits, AStoreThatIsDrainedKeepsWhatItHasAndTakesNothing) {
  StoreWorld world;
  world.put("kept", "v");
  world.put("replaced", "v");
  world.put("erased", "v");
  world.store->set_draining(true);
  EXPECT_EQ(world.put("new", "v"), PutOutcome::kNotStored);
  EXPECT_EQ(world.put("replaced", "w"), PutOutcome::kNotStored);
  EXPECT_EQ(world.erase("erased"), EraseOutcome::kErased);
  EXPECT_EQ(world.get("kept"), "v");
  EXPECT_FALSE(world.get("new"));
  EXPECT_FALSE(world.get("replaced")) << "the older value is none any more";
  EXPECT_TRUE(world.store->stats().draining);
  EXPECT_EQ(world.store->stats().sets_while_draining, 2U);
  world.kill();
  EXPECT_FALSE(world.store->stats().draining);
  EXPECT_FALSE(world.get("replaced"));
  EXPECT_FALSE(world.get("erased"));
  EXPECT_EQ(world.put("new", "v"), PutOutcome::kStored);
}

TEST(StoreLimits, AnIndexAheadOfTheStoreIsBuiltAnew) {
  StoreWorld world;
  world.put("k", "v");
  ASSERT_TRUE(world.close());
  image_of(world).marker->applied_through = UINT64_MAX;
  world.open();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  EXPECT_EQ(world.get("k"), "v");
}

TEST(StoreLimits, AFenceThatNobodySetDoesNotHideEverything) {
  StoreWorld world;
  world.put("k", "v");
  ASSERT_TRUE(world.close());
  image_of(world).fences[{}] = Fence{{}, {}, UINT64_MAX, 0};
  world.open();
  EXPECT_TRUE(world.store->stats().start.index_rebuilt);
  EXPECT_EQ(world.get("k"), "v");
}

TEST(StoreLimits, ARowThatPointsElsewhereShowsNobodyElsesKeyOrValue) {
  StoreWorld world;
  world.put("mine", "v");
  world.space = {0, 1};
  world.put("theirs", "secret");
  ASSERT_TRUE(world.close());
  auto& rows = image_of(world).rows;
  ASSERT_EQ(rows.size(), 2u);
  rows.begin()->second = rows.rbegin()->second;
  world.open();
  world.space = {};
  EXPECT_TRUE(world.scan_all(10).empty());
  EXPECT_FALSE(world.get("mine"));
  world.space = {0, 1};
  EXPECT_EQ(world.scan_all(10), std::vector<std::string>{"theirs"});
}

}  // namespace
}  // namespace kachel
