// An index of an earlier time put beside the segments and the audit log of today.
#include "store_world.h"

namespace kachel {
namespace {

/// Ends the world's process, puts the index back to what it was, and begins another.
void restart_with(StoreWorld& world, const MemoryIndexImage& earlier) {
  world.drop();
  image_of(world) = earlier;
  world.open();
}

MemoryIndexImage image_after_a_stop(StoreWorld& world) {
  EXPECT_TRUE(world.close());
  MemoryIndexImage image = image_of(world);
  world.open();
  return image;
}

void fill_a_segment(StoreWorld& world, const std::string& name) {
  for (std::uint64_t i = 0; i < 20; ++i)
    world.put(name + std::to_string(i), noise(i, 16'000));
}

TEST(OldIndex, CountsNothingThatAFenceCoversWhoseRecordHasMoved) {
  StoreWorld world;
  world.options.erase_within = std::chrono::hours(2);
  world.kill();
  fill_a_segment(world, "before");
  const MemoryIndexImage earlier = image_after_a_stop(world);
  const std::uint64_t fenced = world.store->count(world.space);
  ASSERT_TRUE(world.erase_all());
  // The fence's segment goes long before those of what it has killed.
  ASSERT_TRUE(world.store->set_erase_within(std::chrono::seconds(60)));
  fill_a_segment(world, "after");
  world.put("stays", "v");
  for (std::uint64_t i = 0; i < 20; ++i)
    world.erase("after" + std::to_string(i));
  const std::uint64_t due = world.store->stats().due_segments;
  world.let_pass(std::chrono::seconds(70));
  ASSERT_GT(world.store->stats().due_segments, due);
  const std::uint64_t alive = world.store->count(world.space);
  ASSERT_LT(alive, fenced);
  restart_with(world, earlier);
  EXPECT_FALSE(world.get("before0"));
  EXPECT_EQ(world.get("stays"), "v");
  EXPECT_EQ(world.store->count(world.space), alive);
}

TEST(OldIndex, HoldsBackAnEraseThatWasReclaimedUntilItsRowsAreGoneAgain) {
  StoreWorld world;
  world.options.erase_within = std::chrono::seconds(60);
  world.kill();
  world.put("k", "of ada", about({"ada"}));
  const MemoryIndexImage earlier = image_after_a_stop(world);
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("ada"));
  world.let_pass(std::chrono::seconds(70));
  ASSERT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  restart_with(world, earlier);
  ASSERT_EQ(image_of(world).rows.size(), 1u) << "no row has come back";
  EXPECT_FALSE(world.get("k"));
  world.advance(500);
  EXPECT_EQ(world.store->pending_erasures().size(), 1u);
  world.let_pass(std::chrono::seconds(70));
  EXPECT_TRUE(world.store->pending_erasures().empty());
  EXPECT_GE(world.store->stats().index_compactions, 1u);
  EXPECT_TRUE(image_of(world).rows.empty());
  EXPECT_TRUE(image_of(world).dead.empty());
}

}  // namespace
}  // namespace kachel
