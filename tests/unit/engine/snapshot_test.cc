// Snapshots, what they keep from being reclaimed, and stores that are made of them.
#include <algorithm>
#include <chrono>
#include <map>

#include "rocksdb_home.h"
#include "snapshot_world.h"

namespace kachel {
namespace {

using sim::copy_below;
using sim::end_doubt;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string read_file(io::Storage& storage, const std::string& path) {
  const auto file = storage.open(path, io::OpenMode::kRead).value();
  std::string bytes(file->size().value(), '\0');
  (void)file->read_at(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

using Snapshots = SnapshotWorld;

INSTANTIATE_TEST_SUITE_P(Index, Snapshots, testing::Values(&StoreWorld::memory_home, &rocksdb_home),
                         [](const auto& param) {
                           return param.param == &rocksdb_home ? "RocksDb" : "Memory";
                         });

TEST_P(Snapshots, ACopyServesNothingThatIsInDoubt) {
  fill(50);
  const auto made = snapshot("one");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_GE(made->segments, 1U);
  world.put("later", "not in the snapshot");
  const auto copy = restore("one");
  EXPECT_EQ(copy->store->copies().doubtful_through(), made->through);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(copy->get(key(i)), std::nullopt) << i;
    EXPECT_FALSE(copy->glimpse(key(i))) << i;
  }
  EXPECT_TRUE(copy->scan_all(10).empty());
  EXPECT_EQ(copy->get("later"), std::nullopt);
  // It is a cache all the same.
  copy->put("new", "value");
  EXPECT_EQ(copy->get("new"), "value");
  // Nor over restarts.
  copy->kill();
  EXPECT_EQ(copy->get(key(1)), std::nullopt);
  EXPECT_EQ(copy->get("new"), "value");
  ASSERT_TRUE(copy->close());
  copy->open();
  EXPECT_EQ(copy->get(key(1)), std::nullopt);
  ASSERT_TRUE(end_doubt(*copy, {"", 0, 0, "the old node is gone, nothing was erased"}));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(copy->get(key(i)), value(i)) << i;
  EXPECT_EQ(copy->store->copies().doubtful_through(), 0U);
  copy->kill();
  EXPECT_EQ(copy->get(key(1)), value(1));
}

TEST_P(Snapshots, ACopyIsWholeWithoutLookingAtTheSegmentsAgain) {
  if (GetParam() != &rocksdb_home) GTEST_SKIP() << "this index is not kept in files";
  fill(50);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  const StartStats start = copy->store->stats().start;
  EXPECT_TRUE(start.clean);
  EXPECT_FALSE(start.index_rebuilt);
  EXPECT_EQ(start.replayed_records, 0U);
  EXPECT_EQ(start.damaged_records, 0U);
  EXPECT_EQ(start.damaged_segments, 0U);
  EXPECT_EQ(copy->store->stats().entries, 50U);
}

TEST_P(Snapshots, WhatWasErasedSinceIsNeverServedByACopyThatHasCaughtUp) {
  fill(50);
  ASSERT_TRUE(snapshot("one"));
  world.erase_for_good(StoreWorld::erase_of("person 3"));
  world.erase(key(1));
  world.put(key(2), "a newer value");
  world.put("later", "not in the snapshot");
  const auto copy = restore("one");
  copy->put(key(5), "set on the copy");
  EXPECT_GE(catch_up(*copy), 12U);
  for (int i = 0; i < 50; ++i) {
    const auto found = copy->get(key(i));
    if (i % 5 == 3 || i == 1 || i == 2) {
      EXPECT_EQ(found, std::nullopt) << i;
    } else if (i == 5) {
      EXPECT_EQ(found, "set on the copy");
    } else {
      EXPECT_EQ(found, value(i)) << i;
    }
  }
  // And its bytes go by the deadline.
  EXPECT_TRUE(copy->is_on_disk("value 13"));
  copy->let_pass(hours(1));
  EXPECT_FALSE(copy->is_on_disk("value 13"));
  EXPECT_FALSE(copy->is_on_disk("person 3"));
  EXPECT_TRUE(copy->is_on_disk("value 14"));
  copy->kill();
  EXPECT_EQ(copy->get(key(13)), std::nullopt);
}

TEST_P(Snapshots, WhatIsErasedOnACopyInDoubtStaysErased) {
  fill(10);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  EXPECT_EQ(copy->erase(key(1)), EraseOutcome::kAbsent);
  copy->erase_for_good(StoreWorld::erase_of("person 2"));
  copy->kill();
  ASSERT_TRUE(end_doubt(*copy, {"", 0, 0, "nothing was erased"}));
  EXPECT_EQ(copy->get(key(1)), std::nullopt);
  EXPECT_EQ(copy->get(key(2)), std::nullopt);
  EXPECT_EQ(copy->get(key(7)), std::nullopt);
  EXPECT_EQ(copy->get(key(3)), value(3));
  copy->kill();
  EXPECT_EQ(copy->get(key(1)), std::nullopt);
}

TEST_P(Snapshots, ReclaimKeepsWhatIsInDoubt) {
  fill(50);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  // What dies beside it has its segments written anew.
  copy->erase_for_good(StoreWorld::erase_of("person 2"));
  copy->let_pass(hours(1));
  EXPECT_FALSE(copy->is_on_disk("person 2"));
  EXPECT_EQ(copy->get(key(1)), std::nullopt);
  ASSERT_TRUE(end_doubt(*copy, {"", 0, 0, "nothing was erased"}));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(copy->get(key(i)).has_value(), i % 5 != 2) << i;
}

TEST_P(Snapshots, AnEraseIsNotReclaimedWhileASnapshotHasWhatItCovers) {
  fill(50);
  ASSERT_TRUE(snapshot("one"));
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("person 3"));
  world.let_pass(std::chrono::minutes(55));
  ASSERT_TRUE(world.store->erasure(id));
  EXPECT_NE(world.store->erasure(id)->state, ErasureState::kReclaimed);
  EXPECT_EQ(world.store->erasure(id)->segments_in_snapshots, 1U);
  EXPECT_TRUE(world.is_on_disk("person 3"));
  EXPECT_EQ(world.store->copies().snapshots().size(), 1U);
  // It lives no longer than the erase may take.
  world.let_pass(std::chrono::minutes(5));
  EXPECT_TRUE(world.store->copies().snapshots().empty());
  ASSERT_TRUE(world.store->erasure(id));
  EXPECT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  EXPECT_LE(world.store->erasure(id)->reclaimed_ms, world.store->erasure(id)->deadline_ms);
  EXPECT_FALSE(world.is_on_disk("person 3"));
  EXPECT_FALSE(world.is_on_disk("value 13"));
}

TEST_P(Snapshots, NorAfterARestart) {
  fill(50);
  ASSERT_TRUE(snapshot("one"));
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("person 3"));
  world.kill();
  EXPECT_EQ(world.store->copies().snapshots().size(), 1U);
  world.let_pass(std::chrono::minutes(55));
  ASSERT_TRUE(world.store->erasure(id));
  EXPECT_NE(world.store->erasure(id)->state, ErasureState::kReclaimed);
  world.let_pass(std::chrono::minutes(4));
  EXPECT_EQ(world.store->erasure(id)->segments_left, 0U);
  EXPECT_EQ(world.store->erasure(id)->segments_in_snapshots, 1U);
  ASSERT_TRUE(remove("one"));
  world.let_pass(std::chrono::minutes(1));
  ASSERT_TRUE(world.store->erasure(id));
  EXPECT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  EXPECT_FALSE(world.is_on_disk("person 3"));
}

TEST_P(Snapshots, OfAnErasePendingWhenItWasMadeNothingStaysLonger) {
  fill(50);
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("person 3"));
  world.let_pass(std::chrono::minutes(30));
  ASSERT_TRUE(snapshot("one"));
  world.let_pass(std::chrono::minutes(30));
  ASSERT_TRUE(world.store->erasure(id));
  EXPECT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  EXPECT_LE(world.store->erasure(id)->reclaimed_ms, world.store->erasure(id)->deadline_ms);
  EXPECT_FALSE(world.is_on_disk("person 3"));
  EXPECT_FALSE(world.is_on_disk("value 13"));
}

TEST_P(Snapshots, GoesWhenItsTimeIsOver) {
  fill(5);
  ASSERT_TRUE(snapshot("one", std::chrono::minutes(10)));
  EXPECT_TRUE(world.storage.exists("snapshots/one/superblock").value());
  world.let_pass(std::chrono::minutes(9));
  EXPECT_EQ(world.store->copies().snapshots().size(), 1U);
  world.let_pass(std::chrono::minutes(1));
  EXPECT_TRUE(world.store->copies().snapshots().empty());
  EXPECT_FALSE(world.storage.exists("snapshots/one").value());
}

TEST_P(Snapshots, BadNamesAndSecondOnesAreRefused) {
  for (const char* name : {"", ".", "..", "a/b", "x.new", "a b"})
    EXPECT_EQ(snapshot(name).error().code, ErrorCode::kInvalidArgument) << name;
  ASSERT_TRUE(snapshot("one"));
  EXPECT_EQ(snapshot("one").error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(remove("two").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(remove("one"));
  ASSERT_TRUE(snapshot("one"));
}

TEST_P(Snapshots, NothingIsLeftOfOneThatFailed) {
  fill(20);
  for (const io::FaultOp op : {io::FaultOp::kCreateDirectory, io::FaultOp::kLink,
                               io::FaultOp::kRename, io::FaultOp::kCreate}) {
    world.device.inject(
        {.op = op, .path_contains = op == io::FaultOp::kLink ? "segments" : "snap"});
    EXPECT_FALSE(snapshot("one"));
    world.device.clear();
    EXPECT_TRUE(world.store->copies().snapshots().empty());
    EXPECT_FALSE(world.storage.exists("snapshots/one").value());
    EXPECT_FALSE(world.storage.exists("snapshots/one.new").value());
  }
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("person 3"));
  world.let_pass(hours(1));
  EXPECT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  ASSERT_TRUE(snapshot("one"));
}

TEST_P(Snapshots, ACrashWhileOneIsMadeLeavesNothing) {
  fill(20);
  world.let_pass(seconds(2));  // durable
  // Each step of the making in turn is the last one before the crash.
  for (std::size_t step = 0; step < 40; ++step) {
    std::size_t seen = 0;
    world.device.observe([&](const io::Operation& operation) {
      if (io::changes_storage(operation.op) && operation.path.find("snap") != std::string::npos) {
        ++seen;
      }
    });
    std::optional<Result<SnapshotInfo>> made;
    world.store->copies().create_snapshot(
        "one", {}, world.log_loop(), [&](Result<SnapshotInfo> done) { made = std::move(done); });
    for (std::size_t i = 0; i < 100000 && seen < step && !made; ++i)
      world.step();
    world.device.observe({});
    const bool was_made = made.has_value();
    world.power_cut();
    EXPECT_FALSE(world.storage.exists("snapshots/one.new").value()) << step;
    const std::size_t known = world.store->copies().snapshots().size();
    EXPECT_EQ(world.storage.exists("snapshots/one").value(), known == 1) << step;
    if (was_made) {
      EXPECT_EQ(known, 1U) << step;
    }
    if (known == 1) {
      const auto copy = restore("one");
      ASSERT_TRUE(end_doubt(*copy, {"", 0, 0, "nothing was erased"}));
      EXPECT_TRUE(copy->get(key(7)) == value(7)) << step;
      ASSERT_TRUE(remove("one"));
    }
    if (was_made) break;
  }
}

TEST_P(Snapshots, OneWhoseManifestIsDamagedGoesAtTheNextStart) {
  fill(5);
  ASSERT_TRUE(snapshot("one"));
  world.drop();
  const auto file = world.storage.open("snapshots/one/snapshot", io::OpenMode::kReadWrite).value();
  std::byte byte{0x55};
  iovec part{&byte, 1};
  file->write_at(50, std::span(&part, 1)).value();
  world.open();
  EXPECT_TRUE(world.store->copies().snapshots().empty());
  EXPECT_FALSE(world.storage.exists("snapshots/one").value());
  EXPECT_EQ(world.store->stats().snapshots_dropped, 1U);
}

TEST_P(Snapshots, WhatIsNoSnapshotOfThisStoreIsLeftAlone) {
  fill(5);
  ASSERT_TRUE(snapshot("one"));
  const std::string manifest = read_file(world.storage, "snapshots/one/snapshot");
  world.drop();
  for (const char* directory : {"snapshots/mine", "snapshots/of another store"}) {
    world.storage.create_directory(directory).value();
    auto file =
        world.storage.open(std::string(directory) + "/notes", io::OpenMode::kCreate).value();
    iovec part{const_cast<char*>(manifest.data()), manifest.size()};
    file->write_at(0, std::span(&part, 1)).value();
  }
  world.open();
  EXPECT_EQ(world.store->copies().snapshots().size(), 1U);
  EXPECT_TRUE(world.storage.exists("snapshots/mine/notes").value());
  EXPECT_TRUE(world.storage.exists("snapshots/of another store/notes").value());
  ASSERT_TRUE(remove("one"));
  world.kill();
  EXPECT_TRUE(world.storage.exists("snapshots/mine/notes").value());
}

TEST_P(Snapshots, IsNoStoreItself) {
  fill(5);
  ASSERT_TRUE(snapshot("one"));
  auto copy = restore("one");
  copy->drop();
  copy_below(world.storage, "snapshots", copy->storage, "");
  const std::string manifest = read_file(world.storage, "snapshots/one/snapshot");
  auto file = copy->storage.open("snapshot", io::OpenMode::kCreate).value();
  iovec part{const_cast<char*>(manifest.data()), manifest.size()};
  file->write_at(0, std::span(&part, 1)).value();
  const auto opened = copy->try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("kachel restore"), std::string::npos);
}

TEST_P(Snapshots, ACopyInDoubtMakesNoSnapshots) {
  fill(5);
  ASSERT_TRUE(snapshot("one"));
  const auto copy = restore("one");
  std::optional<Result<SnapshotInfo>> made;
  copy->store->copies().create_snapshot("two", {}, copy->log_loop(),
                                        [&](Result<SnapshotInfo> done) { made = std::move(done); });
  copy->settle([&] { return made.has_value(); });
  EXPECT_FALSE(made.value());
}

/// Whatever has happened since: a copy that has caught up has what the living store has, of what
/// was there already, and nothing else.
TEST_P(Snapshots, ACopyThatHasCaughtUpHasWhatHasNotChangedSince) {
  const std::uint64_t rounds = GetParam() == &rocksdb_home ? 3 : 12;
  for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
    io::SeededRandom random(seed);
    std::map<std::string, std::string> before;
    std::string made_of;
    const auto change = [&](int count) {
      for (int i = 0; i < count; ++i) {
        const std::string name = key(static_cast<int>(random.next() % 60));
        switch (random.next() % 8) {
          case 0:
            world.erase(name);
            break;
          case 1:
            if (random.next() % 6 == 0) {
              world.erase_for_good(
                  StoreWorld::erase_of("person " + std::to_string(random.next() % 5)));
            }
            break;
          case 2:
            world.expire(name,
                         {world.store->now_ms() + 30'000, ExpiryCondition::kAlways, std::nullopt});
            break;
          case 3:
            world.let_pass(seconds(random.next() % 20));
            break;
          default:
            world.put(name, noise(random.next(), 1 + random.next() % 9000),
                      about({"person " + std::to_string(random.next() % 5)}));
        }
      }
    };
    change(150);
    const std::string name = "s" + std::to_string(seed);
    ASSERT_TRUE(snapshot(name));
    std::map<std::string, std::uint64_t> versions;
    for (int i = 0; i < 60; ++i)
      if (const auto found = world.find(key(i))) versions[key(i)] = found->entry->version;
    if (random.next() % 2 == 0) world.kill();
    change(static_cast<int>(random.next() % 120));
    const auto copy = restore(name);
    for (int i = 0; i < 60; ++i)
      EXPECT_EQ(copy->get(key(i)), std::nullopt) << seed << ' ' << i;
    catch_up(*copy, 1 + random.next() % 20);
    for (int i = 0; i < 60; ++i) {
      const auto now = world.find(key(i));
      const bool is_same =
          now && versions.contains(key(i)) && versions[key(i)] == now->entry->version;
      const auto got = copy->get(key(i));
      if (is_same) {
        EXPECT_EQ(got, std::string(now->entry->value())) << seed << ' ' << i;
      } else {
        EXPECT_EQ(got, std::nullopt) << seed << ' ' << i;
      }
    }
    ASSERT_TRUE(remove(name));
  }
}

}  // namespace
}  // namespace kachel
