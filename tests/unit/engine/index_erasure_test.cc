// Rows that are dead leave the index's files, manifest included, by their deadline: on the real
// RocksDB, read byte for byte.
#include "engine/identity.h"
#include "engine/scope.h"
#include "index_bytes.h"
#include "rocksdb_home.h"

namespace kachel {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Options small_options(std::chrono::milliseconds erase_within) {
  Options options = StoreWorld::small_options();
  options.erase_within = erase_within;
  return options;
}

class IndexErasure : public testing::Test {
 protected:
  explicit IndexErasure(Options options = small_options(seconds(10)))
      : world(options, {}, rocksdb_home) {
    const auto disk = world.storage.clone();
    mac_key = Identity::open(*disk, world.clock, world.random, false).value()->mac_key();
  }

  static std::string name(int i) { return "key" + std::to_string(i); }
  Mac mac(int i) const { return key_mac(mac_key, world.space, name(i)); }
  static PutOptions about(const std::string& subject) {
    PutOptions options;
    options.metadata.subjects = {subject};
    return options;
  }
  void fill(int entries, int alices) {
    for (int i = 0; i < entries; ++i)
      world.put(name(i), some_text(static_cast<std::uint64_t>(i), 200),
                about(i % alices == 0 ? "alice" : "bob"));
  }
  /// Rows are in tables, and nothing is in memory.
  void flush_index() {
    ASSERT_TRUE(world.close());
    world.open();
  }
  ReceiptId erase(std::string_view subject) {
    return world.erase_for_good(StoreWorld::erase_of(subject));
  }
  bool is_reclaimed(const ReceiptId& id) {
    const auto erasure = world.store->erasure(id);
    return erasure && erasure->state == ErasureState::kReclaimed;
  }
  template <typename Condition>
  bool comes_to(Condition done) {
    for (int i = 0; i < 3000 && !done(); ++i)
      world.advance(500);
    return done();
  }
  bool is_free_of_debt() { return world.store->stats().index_debt_deadline_ms == 0; }
  ScopeTag tag(std::string_view subject) const {
    return tag_of(scope_mac(mac_key, 0, ScopeKind::kSubject, subject));
  }

  StoreWorld world;
  MacKey mac_key{};
};

TEST_F(IndexErasure, WhatIsCalledReclaimedIsInNoFileOfTheIndex) {
  fill(200, 10);
  flush_index();
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(holds_part_of(bytes_of_index(world.storage), mac(i))) << i;
  const ReceiptId id = erase("alice");
  ASSERT_TRUE(comes_to([&] { return is_reclaimed(id); }));
  const std::string bytes = bytes_of_index(world.storage);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(holds_part_of(bytes, mac(i)), i % 10 != 0) << i;
  EXPECT_FALSE(holds_tag(bytes, tag("alice")) && bytes.find("alice") != std::string::npos);
  EXPECT_LE(world.store->erasure(id)->reclaimed_ms, world.store->erasure(id)->deadline_ms);
  EXPECT_GE(world.store->stats().index_compactions, 1u);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(world.get(name(i)).has_value(), i % 10 != 0) << i;
}

TEST_F(IndexErasure, TheFenceItselfFollows) {
  fill(20, 4);
  flush_index();
  const ReceiptId id = erase("alice");
  ASSERT_TRUE(comes_to([&] { return is_reclaimed(id); }));
  ASSERT_TRUE(comes_to([&] { return is_free_of_debt(); }));
  EXPECT_FALSE(holds_tag(bytes_of_index(world.storage), tag("alice")));
  EXPECT_TRUE(holds_tag(bytes_of_index(world.storage), tag("bob")));
}

/// The key that a table, and the manifest, begins or ends with.
TEST_F(IndexErasure, TheFirstAndTheLastKeyLeaveTheManifestToo) {
  fill(60, 1000);
  flush_index();
  int first = 1;
  int last = 1;
  for (int i = 1; i < 60; ++i) {
    if (mac(i) < mac(first)) first = i;
    if (mac(last) < mac(i)) last = i;
  }
  world.erase(name(first));
  world.erase(name(last));
  ASSERT_FALSE(is_free_of_debt());
  ASSERT_TRUE(comes_to([&] { return is_free_of_debt(); }));
  const std::string bytes = bytes_of_index(world.storage);
  EXPECT_FALSE(holds_part_of(bytes, mac(first)));
  EXPECT_FALSE(holds_part_of(bytes, mac(last)));
}

TEST_F(IndexErasure, DeletedOverwrittenAndExpiredRowsGoByTheirDeadline) {
  PutOptions short_lived;
  short_lived.expires_at_ms = world.store->now_ms() + 3'000;
  world.put("stays", "1", about("dave"));
  for (int i = 0; i < 30; ++i)
    world.put(name(i), some_text(7, 200), i < 10 ? short_lived : about("carol"));
  flush_index();
  for (int i = 10; i < 20; ++i)
    world.erase(name(i));
  for (int i = 20; i < 30; ++i)
    world.put(name(i), "anew");
  ASSERT_TRUE(holds_tag(bytes_of_index(world.storage), tag("carol")));
  const std::int64_t dead_ms = world.store->now_ms();
  for (int i = 0; i < 1000 && world.store->now_ms() <= dead_ms + 13'000; ++i) {
    EXPECT_EQ(world.store->stats().erasures_overdue, 0u);
    world.advance(250);
  }
  const std::string bytes = bytes_of_index(world.storage);
  EXPECT_FALSE(holds_tag(bytes, tag("carol")));
  EXPECT_TRUE(holds_tag(bytes, tag("dave")));
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(holds_part_of(bytes, mac(i)), i >= 20) << i;
  EXPECT_TRUE(world.alarms.empty());
}

TEST_F(IndexErasure, WhatDiedBeforeAKillGoesByTheSameDeadline) {
  for (const bool is_flushed : {false, true}) {
    fill(50, 1000);
    flush_index();
    world.erase(name(7));
    const std::int64_t dead_ms = world.store->now_ms();
    if (is_flushed) flush_index();
    world.kill();
    ASSERT_FALSE(is_free_of_debt());
    world.advance(dead_ms + 10'000 - world.store->now_ms());
    EXPECT_FALSE(holds_part_of(bytes_of_index(world.storage), mac(7))) << is_flushed;
    EXPECT_TRUE(holds_part_of(bytes_of_index(world.storage), mac(8)));
  }
}

TEST_F(IndexErasure, AnEraseGoesOnAfterAKillBetweenItsSegmentsAndItsRows) {
  fill(200, 10);
  flush_index();
  const ReceiptId id = erase("alice");
  ASSERT_TRUE(comes_to([&] {
    const auto erasure = world.store->erasure(id);
    return erasure->state == ErasureState::kSwept && erasure->segments_left == 0;
  }));
  world.kill();
  ASSERT_TRUE(comes_to([&] { return is_reclaimed(id); }));
  const std::string bytes = bytes_of_index(world.storage);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(holds_part_of(bytes, mac(i)), i % 10 != 0) << i;
}

TEST_F(IndexErasure, NothingIsWrittenAnewWhereNothingDied) {
  fill(50, 1000);
  flush_index();
  world.advance(60'000);
  EXPECT_EQ(world.store->stats().index_compactions, 0u);
}

TEST_F(IndexErasure, ErasesInARowShareACompaction) {
  fill(200, 10);
  flush_index();
  std::vector<ReceiptId> ids;
  for (int i = 0; i < 20; ++i)
    ids.push_back(erase("nobody" + std::to_string(i)));
  ids.push_back(erase("alice"));
  ASSERT_TRUE(comes_to([&] {
    return std::all_of(ids.begin(), ids.end(),
                       [&](const ReceiptId& id) { return is_reclaimed(id); });
  }));
  EXPECT_LE(world.store->stats().index_compactions, 4u);
}

TEST_F(IndexErasure, AFullDiskPutsItOffAndIsSaid) {
  fill(100, 10);
  flush_index();
  world.erase(name(1));
  world.device.inject(
      {.op = io::FaultOp::kWrite, .error_number = ENOSPC, .path_contains = ".sst", .times = 0});
  const std::int64_t deadline_ms = world.store->stats().index_debt_deadline_ms;
  world.advance(deadline_ms - world.store->now_ms() - 1);
  EXPECT_TRUE(world.store->stats().writable);
  EXPECT_EQ(world.store->stats().index_compactions, 0u);
  ASSERT_FALSE(world.alarms.empty());
  EXPECT_TRUE(world.alarms.back().is_alarming());
  EXPECT_EQ(world.alarms.back().overdue, 0u);
  EXPECT_EQ(world.put("again", "v"), PutOutcome::kStored);
  world.device.clear();
  ASSERT_TRUE(comes_to([&] { return is_free_of_debt(); }));
  EXPECT_FALSE(holds_part_of(bytes_of_index(world.storage), mac(1)));
  world.advance(1000);
  EXPECT_FALSE(world.alarms.back().is_alarming());
  EXPECT_EQ(world.get("again"), "v");
}

TEST_F(IndexErasure, AStopDoesNotWaitForIt) {
  fill(100, 10);
  flush_index();
  world.erase(name(1));
  for (int i = 0; i < 40; ++i) {
    world.advance(250);
    ASSERT_TRUE(world.close());
    world.open();
  }
  EXPECT_TRUE(world.get(name(2)));
}

}  // namespace
}  // namespace kachel
