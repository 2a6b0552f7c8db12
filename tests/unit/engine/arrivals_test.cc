// Copies that serve before they are complete: segments whose bytes come later, and a source that is
// asked all the while.
#include "engine/arrivals.h"

#include <chrono>
#include <map>

#include "engine/segment_files.h"
#include "rocksdb_home.h"
#include "snapshot_world.h"

namespace kachel {
namespace {

using std::chrono::seconds;

constexpr int kEntries = 300;

std::vector<std::byte> bytes_of(io::Storage& storage, const std::string& path) {
  const auto file = storage.open(path, io::OpenMode::kRead).value();
  std::vector<std::byte> bytes(file->size().value());
  (void)file->read_at(0, bytes);
  return bytes;
}

void write_over(io::Storage& storage, const std::string& path, std::vector<std::byte> bytes) {
  const auto file = storage.open(path, io::OpenMode::kReadWrite).value();
  iovec part{bytes.data(), bytes.size()};
  file->write_at(0, std::span(&part, 1)).value();
  file->sync().value();
}

class Arriving : public SnapshotWorld {
 protected:
  /// Of sealed segments all but the first records, as many as fit into a third, is still to come.
  void hold_back(StoreWorld& copy) {
    copy.storage.create_directory(kArrivingDirectory).value();
    const auto store_id = world.store->copies().store_id();
    for (const std::string& name : copy.storage.list("segments").value()) {
      const std::uint64_t id = parse_segment_name(name).value();
      const std::string path = segment_path(id);
      std::vector<std::byte> bytes = bytes_of(copy.storage, path);
      const auto file = copy.storage.open(path, io::OpenMode::kRead).value();
      const auto trailer = read_trailer(store_id, id, *file, bytes.size());
      if (!trailer) continue;  // it was open
      kept_back[id] = bytes;
      const auto end = static_cast<std::ptrdiff_t>(trailer->table_offset);
      std::fill(bytes.begin() + end / 3, bytes.begin() + end, std::byte{});
      write_over(copy.storage, path, bytes);
      copy.storage.open(arriving_path(id), io::OpenMode::kCreate).value();
    }
    copy.storage.sync_directory(kArrivingDirectory).value();
    copy.storage.sync_directory("").value();
    ASSERT_GT(kept_back.size(), 1U);
  }
  std::unique_ptr<StoreWorld> copy_in_part(const std::string& name) {
    return restore(name, [this](StoreWorld& copy) { hold_back(copy); });
  }
  /// The rest of those that are still there.
  void arrive(StoreWorld& copy) {
    for (const auto& [id, bytes] : kept_back) {
      if (copy.storage.exists(segment_path(id)).value())
        write_over(copy.storage, segment_path(id), bytes);
      if (copy.storage.exists(arriving_path(id)).value())
        copy.storage.remove(arriving_path(id)).value();
    }
    copy.advance(1'000);
  }
  static void pass_deadlines(StoreWorld& copy) {
    const auto passed_ms = std::chrono::milliseconds(options().erase_within * 5 / 4).count();
    for (std::int64_t ms = 0; ms < passed_ms; ms += 5'000)
      copy.advance(5'000);
  }
  /// How many it serves; none of them with another value.
  static int served(StoreWorld& copy) {
    int count = 0;
    for (int i = 0; i < kEntries; ++i) {
      const auto found = copy.get(key(i));
      if (!found) continue;
      EXPECT_EQ(*found, value(i)) << i;
      ++count;
    }
    return count;
  }

  std::map<std::uint64_t, std::vector<std::byte>> kept_back;
};

INSTANTIATE_TEST_SUITE_P(Index, Arriving, testing::Values(&StoreWorld::memory_home, &rocksdb_home),
                         [](const auto& param) {
                           return param.param == &rocksdb_home ? "RocksDb" : "Memory";
                         });

TEST_P(Arriving, WhatHasComeIsServedAndTheRestIsNoDamage) {
  fill(kEntries);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = copy_in_part("one");
  EXPECT_EQ(copy->store->stats().arriving_segments, kept_back.size());
  EXPECT_EQ(copy->store->stats().start.damaged_records, 0U);
  catch_up(*copy);
  const int at_first = served(*copy);
  EXPECT_GT(at_first, 0);
  EXPECT_LT(at_first, kEntries);
  EXPECT_LT(copy->scan_all(10).size(), std::size_t{kEntries});
  Stats stats = copy->store->stats();
  EXPECT_EQ(stats.damaged_reads, 0U);
  EXPECT_GE(stats.not_arrived_reads, static_cast<std::uint64_t>(kEntries - at_first));
  const auto refused = [&] {
    std::optional<Result<SnapshotInfo>> made;
    copy->store->copies().create_snapshot("two", {}, copy->log_loop(),
                                          [&](auto done) { made = std::move(done); });
    copy->settle([&] { return made.has_value(); });
    return !*made;
  };
  EXPECT_TRUE(refused());
  // It stays so over a crash, and what has come meanwhile is there at once.
  copy->kill();
  EXPECT_EQ(copy->store->stats().arriving_segments, kept_back.size());
  const auto first = kept_back.begin();
  write_over(copy->storage, segment_path(first->first), first->second);
  EXPECT_GT(served(*copy), at_first);
  EXPECT_EQ(copy->store->stats().arriving_segments, kept_back.size());
  arrive(*copy);
  EXPECT_EQ(copy->store->stats().arriving_segments, 0U);
  EXPECT_EQ(served(*copy), kEntries);
  EXPECT_EQ(copy->scan_all(10).size(), std::size_t{kEntries});
  EXPECT_FALSE(refused());
  // From now on it is damage.
  std::vector<std::byte> bytes = first->second;
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 3),
            bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2), std::byte{});
  copy->kill();
  write_over(copy->storage, segment_path(first->first), bytes);
  EXPECT_LT(served(*copy), kEntries);
  EXPECT_GT(copy->store->stats().damaged_reads, 0U);
}

TEST_P(Arriving, ADeadlineComesBeforeTheRest) {
  fill(kEntries);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = copy_in_part("one");
  catch_up(*copy);
  const ReceiptId id = copy->erase_for_good(StoreWorld::erase_of("person 3"));
  for (int i = 0; i < 9'000 && copy->store->erasure(id)->state != ErasureState::kReclaimed; ++i)
    copy->advance(500);
  EXPECT_EQ(copy->store->erasure(id)->state, ErasureState::kReclaimed);
  EXPECT_EQ(copy->store->stats().overdue_segments, 0U);
  // With their segments, which had some of this person, what had not come is gone.
  EXPECT_EQ(copy->store->stats().arriving_segments, 0U);
  EXPECT_TRUE(list_arriving(copy->storage).value().empty());
  for (int i = 3; i < kEntries; i += 5)
    EXPECT_FALSE(copy->get(key(i))) << i;
  const int left = served(*copy);
  EXPECT_GT(left, 0);
  copy->kill();
  EXPECT_EQ(served(*copy), left);
}

TEST_P(Arriving, WhatIsHeldIsNotGivenUpBeforeItHasCome) {
  fill(kEntries);
  (void)world.hold(ZeroizingString("person 2"));
  ASSERT_TRUE(snapshot("one"));
  const auto copy = copy_in_part("one");
  catch_up(*copy);
  ASSERT_EQ(copy->holds().size(), 1U);
  (void)copy->erase_for_good(StoreWorld::erase_of("person 2"));
  pass_deadlines(*copy);
  for (const auto& [segment, bytes] : kept_back)
    EXPECT_TRUE(copy->storage.exists(segment_path(segment)).value());
  arrive(*copy);
  pass_deadlines(*copy);
  for (const auto& [segment, bytes] : kept_back)
    EXPECT_FALSE(copy->storage.exists(segment_path(segment)).value());
  for (int i = 2; i < kEntries; i += 5) {
    EXPECT_FALSE(copy->get(key(i))) << i;
    EXPECT_TRUE(copy->is_on_disk(key(i))) << i;
  }
}

TEST_P(Arriving, ServesWhileItsSourceIsAsked) {
  fill(kEntries);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  EXPECT_EQ(served(*copy), 0);
  EXPECT_EQ(sim::confirm_all(world, *copy, 16).value(), 0U);
  EXPECT_EQ(served(*copy), 0);
  ASSERT_TRUE(sim::follow(*copy, seconds(30)));
  EXPECT_TRUE(copy->store->stats().follows_source);
  EXPECT_EQ(served(*copy), kEntries);
  EXPECT_GT(copy->store->stats().hot_entries, 0U);
  copy->advance(20'000);
  // What the source has erased is gone with the next look, and the others' time begins anew.
  world.erase_for_good(StoreWorld::erase_of("person 1"));
  EXPECT_EQ(sim::confirm_all(world, *copy, 16).value(), std::uint64_t{kEntries} / 5);
  ASSERT_TRUE(sim::follow(*copy, seconds(30)));
  copy->advance(20'000);
  EXPECT_EQ(served(*copy), kEntries * 4 / 5);
  copy->put("own", "value");
  // Nobody asks any more.
  copy->advance(11'000);
  EXPECT_FALSE(copy->store->stats().follows_source);
  EXPECT_EQ(served(*copy), 0);
  EXPECT_EQ(copy->get("own"), "value");
  ASSERT_TRUE(sim::follow(*copy, seconds(30)));
  EXPECT_EQ(served(*copy), kEntries * 4 / 5);
  // It is no end of the doubt.
  copy->kill();
  EXPECT_EQ(served(*copy), 0);
  EXPECT_GT(copy->store->copies().doubtful_through(), 0U);
  catch_up(*copy);
  EXPECT_EQ(served(*copy), kEntries * 4 / 5);
  copy->advance(40'000);
  EXPECT_EQ(served(*copy), kEntries * 4 / 5);
  const auto again = sim::follow(*copy, seconds(30));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
}

TEST_P(Arriving, TheHotTierIsRefilledOnceTheCopyServes) {
  fill(kEntries);
  world.let_pass(seconds(61));  // its manifest is written
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  copy->let_pass(seconds(120));
  EXPECT_EQ(copy->store->stats().hot_entries, 0U);
  ASSERT_TRUE(copy->close());
  copy->open();
  EXPECT_EQ(copy->store->stats().hot_entries, 0U);
  EXPECT_EQ(sim::confirm_all(world, *copy, 16).value(), 0U);
  ASSERT_TRUE(sim::follow(*copy, seconds(30)));
  copy->let_pass(seconds(5));
  EXPECT_EQ(copy->store->stats().hot_entries, std::uint64_t{kEntries});
  EXPECT_EQ(copy->store->stats().flash_hits, 0U);
}

}  // namespace
}  // namespace kachel
