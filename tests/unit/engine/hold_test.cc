// Holds: what they keep, for how long, and what they do not keep.
#include <boost/json.hpp>

#include "engine/audit/event.h"
#include "engine/audit/receipt.h"
#include "store_world.h"

namespace kachel {
namespace {

using std::chrono::seconds;

class Holding : public testing::Test {
 protected:
  Holding() : world(quick_options()) {}

  static Options quick_options() {
    Options options = StoreWorld::small_options();
    options.erase_within = seconds(60);
    return options;
  }
  void put_about(const std::string& key, const std::string& value, const std::string& subject,
                 std::int64_t expires_at_ms = 0) {
    PutOptions options;
    options.metadata.subjects.push_back(subject);
    options.expires_at_ms = expires_at_ms;
    EXPECT_EQ(world.put(key, value, options), PutOutcome::kStored);
  }
  std::string state(const ReceiptId& id) {
    const auto text = world.receipt(id);
    return text ? audit::parse_receipt(*text)->state : "none";
  }
  /// Two lifetimes of what is dead.
  void let_deadlines_pass() { world.let_pass(2 * world.options.erase_within); }

  StoreWorld world;
};

TEST_F(Holding, KeepsWhatIsErasedWhileReadsRefuseIt) {
  put_about("a", "the value of canary-alice", "alice");
  put_about("b", "the value of canary-bob", "bob");
  const HoldId hold = world.hold("alice", "case 17");
  const ReceiptId of_alice = world.erase_for_good(StoreWorld::erase_of("alice"));
  const ReceiptId of_bob = world.erase_for_good(StoreWorld::erase_of("bob"));
  let_deadlines_pass();
  EXPECT_FALSE(world.get("a"));
  EXPECT_TRUE(world.is_on_disk("canary-alice"));
  EXPECT_FALSE(world.is_on_disk("canary-bob")) << "a neighbour was kept with it";
  EXPECT_EQ(state(of_alice), "blocked_by_hold");
  EXPECT_EQ(state(of_bob), "reclaimed");
  EXPECT_EQ(world.store->stats().holds, 1u);
  EXPECT_EQ(world.store->stats().erasures_blocked, 1u);
  EXPECT_EQ(world.store->stats().erasures_overdue, 0u);
  EXPECT_TRUE(world.alarms.empty());
  ASSERT_TRUE(world.release(hold));
  EXPECT_FALSE(world.get("a"));
  let_deadlines_pass();
  EXPECT_FALSE(world.is_on_disk("canary-alice"));
  EXPECT_EQ(state(of_alice), "reclaimed");
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  EXPECT_TRUE(world.alarms.empty());
}

TEST_F(Holding, KeepsWhatIsReplacedDeletedAndExpired) {
  put_about("replaced", "the value of canary-replaced", "alice");
  put_about("deleted", "the value of canary-deleted", "alice");
  put_about("expired", "the value of canary-expired", "alice", world.store->now_ms() + 2000);
  const HoldId hold = world.hold("alice");
  put_about("later", "the value of canary-later", "alice", world.store->now_ms() + 2000);
  world.put("replaced", "another value");
  world.erase("deleted");
  let_deadlines_pass();
  for (const char* canary : {"replaced", "deleted", "expired", "later"})
    EXPECT_TRUE(world.is_on_disk("canary-" + std::string(canary))) << canary;
  EXPECT_EQ(world.get("replaced"), "another value");
  EXPECT_FALSE(world.get("deleted"));
  EXPECT_FALSE(world.get("expired"));
  ASSERT_TRUE(world.release(hold));
  let_deadlines_pass();
  EXPECT_FALSE(world.is_on_disk("canary-"));
  EXPECT_EQ(world.get("replaced"), "another value");
}

TEST_F(Holding, OutlivesKillsPowerCutsAndTheIndex) {
  put_about("a", "the value of canary-alice", "alice");
  put_about("b", "the value of canary-bob", "bob");
  const ReceiptId erased = world.erase_for_good(StoreWorld::erase_of("alice"));
  world.hold("alice", "case 17");
  const HoldId other = world.hold("carol", "case 18");
  world.erase("b");  // so that the segment goes, and what is held is older than where it lies
  ASSERT_TRUE(world.release(other));
  for (int round = 0; round < 3; ++round) {
    if (round == 1) world.power_cut();
    if (round == 2) {
      world.drop();
      world.lose_index();
      world.open();
    } else {
      world.kill();
    }
    let_deadlines_pass();
    EXPECT_FALSE(world.get("a"));
    EXPECT_TRUE(world.is_on_disk("canary-alice")) << round;
    EXPECT_FALSE(world.is_on_disk("canary-bob"));
    EXPECT_EQ(state(erased), "blocked_by_hold");
    const std::vector<HoldInfo> holds = world.holds();
    ASSERT_EQ(holds.size(), 1u) << round;
    EXPECT_EQ(holds[0].reason, "case 17");
    EXPECT_EQ(holds[0].scope, "subject");
    EXPECT_EQ(holds[0].target.size(), 32u);
    EXPECT_GT(holds[0].placed_ms, 0);
  }
  const HoldId hold = world.holds().at(0).id;
  ASSERT_TRUE(world.release(hold));
  world.drop();
  world.lose_index();
  world.open();
  EXPECT_TRUE(world.holds().empty());
  let_deadlines_pass();
  EXPECT_FALSE(world.is_on_disk("canary-alice"));
  EXPECT_EQ(state(erased), "reclaimed");
}

TEST_F(Holding, ReleasedLongAgoGoesThoughTheIndexIsLost) {
  put_about("a", "the value of canary-alice", "alice");
  put_about("b", "1", "bob");
  const HoldId hold = world.hold("alice");
  world.erase("a");
  world.erase("b");
  let_deadlines_pass();  // it is in a segment of its own now
  // The release itself is soon written anew: what comes to a start is not the first record of it.
  world.put("k", "1");
  world.put("k", "2");
  for (int i = 0; i < 30; ++i)
    world.advance(1000);
  ASSERT_TRUE(world.release(hold));
  for (int i = 0; i < 27; ++i)
    world.advance(1000);
  ASSERT_TRUE(world.is_on_disk("canary-alice"));
  world.drop();
  world.lose_index();
  world.open();
  let_deadlines_pass();
  EXPECT_FALSE(world.is_on_disk("canary-alice"));
}

TEST_F(Holding, BeatsEviction) {
  world.space = {1, 0};
  for (std::uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(world.put("held" + std::to_string(i), noise(i, 20'000)), PutOutcome::kStored);
  const HoldId hold = world.hold({});
  world.space = {0, 0};
  for (std::uint64_t i = 0; i < 8000; ++i) {
    world.put("k" + std::to_string(i), noise(1000 + i, 20'000));
    world.advance(1);
  }
  EXPECT_GT(world.store->stats().evicted_entries, 1000u);
  world.space = {1, 0};
  for (std::uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(world.get("held" + std::to_string(i)), noise(i, 20'000)) << i;
  ASSERT_TRUE(world.release(hold));
}

TEST_F(Holding, OfAWholeTenantFillsTheStoreAndPutsAreNotStored) {
  const HoldId hold = world.hold({});
  std::uint64_t stored = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    stored += world.put("k" + std::to_string(i), noise(i, 20'000)) == PutOutcome::kStored ? 1 : 0;
    world.advance(1);
  }
  EXPECT_LT(stored, 5000u);
  EXPECT_EQ(world.store->stats().evicted_entries, 0u);
  world.kill();
  for (std::uint64_t i = 0; i < 1000; ++i)
    EXPECT_EQ(world.get("k" + std::to_string(i)), noise(i, 20'000)) << i;
  ASSERT_TRUE(world.release(hold));
  world.advance(5000);
  std::uint64_t again = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    again += world.put("new" + std::to_string(i), noise(i, 20'000)) == PutOutcome::kStored ? 1 : 0;
    world.advance(100);
  }
  EXPECT_GT(again, 150u);
}

TEST_F(Holding, WhatDiesAfterTheReleaseOfOneOfTwoHoldsIsKeptByTheOther) {
  put_about("a", "the value of canary-alice", "alice");
  const HoldId first = world.hold("alice", "case 1");
  const HoldId second = world.hold({}, "case 2");
  world.erase_for_good(StoreWorld::erase_of("alice"));
  let_deadlines_pass();
  ASSERT_TRUE(world.release(first));
  let_deadlines_pass();
  EXPECT_TRUE(world.is_on_disk("canary-alice"));
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  ASSERT_TRUE(world.release(second));
  let_deadlines_pass();
  EXPECT_FALSE(world.is_on_disk("canary-alice"));
}

TEST_F(Holding, IsRefusedWithoutAReasonAndReleasedOnce) {
  EXPECT_EQ(world.try_hold("alice", "").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(world.try_hold("alice", "it is alice").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(world.try_hold("", "case 1").error().code, ErrorCode::kInvalidArgument);
  const HoldId hold = world.hold("alice");
  world.space = {1, 0};
  EXPECT_TRUE(world.holds().empty());
  EXPECT_EQ(world.release(hold).error().code, ErrorCode::kNotFound) << "another tenant's";
  world.space = {0, 0};
  ASSERT_TRUE(world.release(hold, "case 1 is closed"));
  EXPECT_EQ(world.release(hold).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(world.holds().empty());
}

TEST_F(Holding, ReleaseIsCarriedOnWhileARecordOfTheHoldMayBeLeft) {
  put_about("a", "1", "alice");
  const HoldId hold = world.hold("alice");
  ASSERT_TRUE(world.release(hold));
  // Everything is written anew several times over.
  for (std::uint64_t i = 0; i < 12000; ++i) {
    world.put("k" + std::to_string(i % 50), noise(i, 20'000));
    world.advance(1);
  }
  world.drop();
  world.lose_index();
  world.open();
  EXPECT_TRUE(world.holds().empty());
}

TEST_F(Holding, OneThatIsPlacedWhileReclaimIsUnderWayIsKept) {
  put_about("a", "the value of canary-alice", "alice");
  world.erase_for_good(StoreWorld::erase_of("alice"));
  // In steps of the loop, until the segment is about to go.
  bool held = false;
  for (int i = 0; i < 4000 && !held; ++i) {
    world.advance(20);
    world.worker->place_hold({0, "alice", "case 1"}, [&](const auto& id) { held = bool{id}; });
    world.run();
  }
  ASSERT_TRUE(held);
  let_deadlines_pass();
  EXPECT_TRUE(world.is_on_disk("canary-alice"));
}

TEST_F(Holding, ADiskThatIsFullDestroysNothing) {
  for (int i = 0; i < 10; ++i)
    put_about("k" + std::to_string(i), "canary-" + std::to_string(i) + noise(1, 20'000), "alice");
  put_about("other", noise(2, 20'000), "bob");
  world.hold("alice");
  const auto foreign = world.storage.open("foreign", io::OpenMode::kCreate).value();
  ASSERT_TRUE(foreign->reserve(world.storage.space().value().available_bytes));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(world.erase("k" + std::to_string(i)), EraseOutcome::kErased);
  world.erase("other");
  for (int round = 0; round < 2; ++round) {
    let_deadlines_pass();
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(world.is_on_disk("canary-" + std::to_string(i))) << i;
      EXPECT_FALSE(world.get("k" + std::to_string(i)));
    }
    world.kill();
  }
}

TEST_F(Holding, IsRecordedByTheNextStartWhenACrashCameBetween) {
  put_about("a", "the value of canary-alice", "alice");
  const HoldId hold = world.hold("alice");
  world.drop();
  ASSERT_TRUE(world.storage.remove_tree("audit"));
  world.open();
  world.advance(1000);
  ASSERT_EQ(world.holds().size(), 1u);
  EXPECT_EQ(world.holds()[0].id, hold);
  EXPECT_EQ(world.store->stats().audit_entries, 1u);
  world.kill();
  world.advance(1000);
  EXPECT_EQ(world.store->stats().audit_entries, 1u) << "recorded twice";
}

TEST_F(Holding, OutlivesTheLossOfTheAuditLogWithTheIndexOrTheSegmentsAlone) {
  put_about("a", "the value of canary-alice", "alice");
  put_about("b", "1", "bob");
  const HoldId hold = world.hold("alice");
  world.erase("a");
  world.erase("b");  // so that the segment with the record of the hold goes
  let_deadlines_pass();
  for (const bool index_is_lost : {false, true}) {
    ASSERT_TRUE(world.close());
    ASSERT_TRUE(world.storage.remove_tree("audit"));
    if (index_is_lost) world.lose_index();
    world.open();
    ASSERT_EQ(world.holds().size(), 1u) << index_is_lost;
    EXPECT_EQ(world.holds()[0].id, hold);
    let_deadlines_pass();
    EXPECT_TRUE(world.is_on_disk("canary-alice"));
  }
}

TEST_F(Holding, IsPlacedAgainWhenOnlyTheAuditLogHasIt) {
  put_about("a", "the value of canary-alice", "alice");
  const HoldId hold = world.hold("alice", "case 17");
  world.erase_for_good(StoreWorld::erase_of("alice"));
  // The segments and the index of before the hold, and the log of after it: as damage leaves it.
  world.drop();
  for (const std::string& name : world.storage.list("segments").value())
    ASSERT_TRUE(world.storage.remove("segments/" + name));
  world.lose_index();
  world.open();
  world.advance(1000);
  ASSERT_EQ(world.holds().size(), 1u);
  EXPECT_EQ(world.holds()[0].id, hold);
  EXPECT_EQ(world.holds()[0].reason, "case 17");
  world.kill();
  ASSERT_EQ(world.holds().size(), 1u);
  ASSERT_TRUE(world.release(hold));
  world.kill();
  world.advance(1000);
  EXPECT_TRUE(world.holds().empty());
}

/// What the audit log says, event by event.
std::vector<audit::Event> events_of(StoreWorld& world) {
  std::vector<audit::Event> events;
  const auto file = world.storage.open("audit/tail", io::OpenMode::kRead);
  if (!file) return events;
  std::string bytes((*file)->size().value(), '\0');
  (void)(*file)->read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
  for (std::size_t at = 0; (at = bytes.find("{\"type\"", at)) != std::string::npos; ++at) {
    const auto event = audit::parse_leaf(bytes.substr(at, bytes.find('}', at) + 1 - at));
    if (event) events.push_back(*event);
  }
  return events;
}

TEST_F(Holding, IsRecordedAndSoIsItsRelease) {
  const HoldId hold = world.hold("alice", "case 17");
  ASSERT_TRUE(world.release(hold, "closed"));
  const std::vector<audit::Event> events = events_of(world);
  ASSERT_EQ(events.size(), 2u);
  const auto& placed = std::get<audit::HoldEvent>(events[0]);
  EXPECT_EQ(placed.id, text_of(hold));
  EXPECT_EQ(placed.reason, "case 17");
  EXPECT_EQ(placed.scope, "subject");
  EXPECT_GT(placed.sequence, 0u);
  EXPECT_FALSE(placed.recovered);
  const auto& released = std::get<audit::ReleaseEvent>(events[1]);
  EXPECT_EQ(released.id, text_of(hold));
  EXPECT_EQ(released.reason, "closed");
}

}  // namespace
}  // namespace kachel
