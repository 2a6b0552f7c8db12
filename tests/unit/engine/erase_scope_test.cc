// Erases by subject and by model: what is served, what is left, and when the bytes are gone.
#include <algorithm>

#include "engine/format/footer.h"
#include "engine/reclaim_policy.h"
#include "store_world.h"

namespace kachel {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Options small_options(std::chrono::milliseconds erase_within = minutes(10)) {
  Options options = StoreWorld::small_options();
  options.erase_within = erase_within;
  return options;
}

class EraseScope : public testing::Test {
 protected:
  explicit EraseScope(Options options = small_options()) : world(options) {}

  ReceiptId erase(std::string_view text, EraseKind kind = EraseKind::kSubject) {
    return world.erase_for_good(StoreWorld::erase_of(text, kind));
  }
  ScopeCount count(std::string_view text, EraseKind kind = EraseKind::kSubject) {
    std::optional<Result<ScopeCount>> counted;
    world.worker->count_erase(StoreWorld::erase_of(text, kind),
                              [&](auto done) { counted = std::move(done); });
    world.settle([&] { return counted.has_value(); });
    EXPECT_TRUE(counted && counted->has_value());
    return counted && *counted ? **counted : ScopeCount{};
  }
  bool comes_to(const ReceiptId& id, ErasureState state) {
    for (int i = 0; i < 3000; ++i) {
      const auto erasure = world.store->erasure(id);
      if (erasure && erasure->state == state) return true;
      world.advance(500);
    }
    return false;
  }
  /// Whether the bytes are in any file of the store.
  bool is_on_disk(std::string_view text) {
    for (const std::string& name : world.storage.list("segments").value()) {
      const auto file = world.storage.open("segments/" + name, io::OpenMode::kRead).value();
      std::string bytes(file->size().value(), '\0');
      (void)file->read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }

  StoreWorld world;
};

TEST_F(EraseScope, TakesEveryEntryOfItsSubjectAndNoOther) {
  world.put("a", "1", about({"alice"}));
  world.put("b", "2", about({"bob", "alice"}));
  world.put("c", "3", about({"bob"}));
  world.put("d", "4");
  erase("alice");
  EXPECT_FALSE(world.get("a"));
  EXPECT_FALSE(world.get("b"));
  EXPECT_FALSE(world.glimpse("a"));
  EXPECT_EQ(world.get("c"), "3");
  EXPECT_EQ(world.get("d"), "4");
  EXPECT_EQ(world.scan_all(10), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(world.erase("a"), EraseOutcome::kAbsent);
}

TEST_F(EraseScope, TakesAModelInEveryDatabase) {
  world.put("a", "1", about({}, "m1"));
  world.space = {0, 3};
  world.put("b", "2", about({}, "m1"));
  world.put("c", "3", about({"m1"}, "m2"));  // a subject of the same name is another scope
  erase("m1", EraseKind::kModel);
  EXPECT_FALSE(world.get("b"));
  EXPECT_EQ(world.get("c"), "3");
  world.space = {};
  EXPECT_FALSE(world.get("a"));
}

TEST_F(EraseScope, LeavesOtherTenantsAlone) {
  world.space = {7, 0};
  world.put("a", "1", about({"alice"}));
  erase("alice");  // tenant 0's
  EXPECT_EQ(world.get("a"), "1");
}

TEST_F(EraseScope, WhatIsPutAfterwardsStays) {
  world.put("a", "1", about({"alice"}));
  const ReceiptId id = erase("alice");
  world.put("a", "2", about({"alice"}));
  EXPECT_EQ(world.get("a"), "2");
  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_EQ(world.get("a"), "2");
  world.kill();
  EXPECT_EQ(world.get("a"), "2");
}

TEST_F(EraseScope, HoldsAcrossAKillAPowerCutALostIndexAndAClockSetBack) {
  world.put("a", "1", about({"alice"}));
  world.put("b", "2", about({"bob"}));
  erase("alice");
  world.kill();
  EXPECT_FALSE(world.get("a"));
  world.power_cut();
  EXPECT_FALSE(world.get("a"));
  const auto lose_the_index = [&] {
    world.drop();
    world.lose_index();
    world.open();
    EXPECT_FALSE(world.get("a"));
    EXPECT_EQ(world.get("b"), "2");
  };
  lose_the_index();
  world.clock.set_wall_ms(world.clock.wall_ms() - 86'400'000);
  EXPECT_FALSE(world.get("a"));
  lose_the_index();
}

TEST_F(EraseScope, DoesNotBringBackWhatTheErasedValueSuperseded) {
  world.put("k", "the older value, of bob", about({"bob"}));
  ASSERT_TRUE(world.close());
  world.open();
  world.put("k", "the newer value, of alice", about({"alice"}));
  const ReceiptId id = erase("alice");
  EXPECT_FALSE(world.get("k"));
  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  for (int round = 0; round < 2; ++round) {
    world.drop();
    world.lose_index();
    world.open();
    EXPECT_FALSE(world.get("k")) << round;
  }
}

TEST_F(EraseScope, ReclaimsTheBytesByTheDeadlineAndKeepsTheRest) {
  for (int i = 0; i < 200; ++i) {
    const std::string subject = i % 10 == 0 ? "alice" : "bob";
    world.put("k" + std::to_string(i), "value of " + subject + " " + std::to_string(i),
              about({subject}));
  }
  world.put("k0", "a second value of alice", about({"alice"}));
  EXPECT_EQ(count("alice").entries, 20u);
  EXPECT_EQ(count("alice").copies, 21u);
  ASSERT_TRUE(is_on_disk("alice"));
  const std::int64_t began_ms = world.store->now_ms();
  const ReceiptId id = erase("alice");
  ASSERT_TRUE(comes_to(id, ErasureState::kSwept));
  const Erasure swept = *world.store->erasure(id);
  EXPECT_EQ(swept.entries, 20u);
  EXPECT_EQ(swept.copies, 21u);
  EXPECT_GT(swept.bytes, 21u * 40);
  EXPECT_EQ(swept.segments, swept.segments_left);
  EXPECT_EQ(swept.deadline_ms, swept.fenced_ms + 600'000);
  EXPECT_EQ(world.store->count({}), 180u);
  EXPECT_GT(world.store->stats().erasure_debt_bytes, 0u);

  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_LE(world.store->now_ms() - began_ms, 600'000);
  EXPECT_FALSE(is_on_disk("alice"));
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  EXPECT_EQ(world.store->stats().erasures_pending, 0u);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(world.get("k" + std::to_string(i)).has_value(), i % 10 != 0) << i;
  EXPECT_EQ(count("alice").copies, 0u);
}

TEST_F(EraseScope, GoesOnAfterARestart) {
  world.put("a", "of alice", about({"alice"}));
  world.put("b", "of bob", about({"bob"}));
  const ReceiptId id = erase("alice");
  world.kill();
  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_FALSE(is_on_disk("alice"));
  EXPECT_EQ(world.get("b"), "of bob");
  world.kill();
  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_TRUE(world.store->pending_erasures().empty());
}

TEST_F(EraseScope, AReadUnderWayDoesNotAnswerAfterIt) {
  world.put("a", "1", about({"alice"}));
  world.kill();
  bool read = false;
  world.worker->get({}, "a", [&](Result<std::optional<Found>> found) {
    EXPECT_FALSE(found.value());
    read = true;
  });
  EXPECT_FALSE(read);
  erase("alice");
  world.settle([&] { return read; });
  EXPECT_TRUE(read);
}

TEST_F(EraseScope, AReadUnderWayAnswersWhatHasTakenTheErasedValuesPlace) {
  world.put("a", "1", about({"alice"}));
  world.kill();
  std::optional<std::string> read;
  world.worker->get({}, "a", [&](Result<std::optional<Found>> found) {
    ASSERT_TRUE(found.value()) << "there has been a value all the time";
    read = std::string((*found)->entry->value());
  });
  EXPECT_FALSE(read);
  bool put = false;
  world.worker->put({}, "a", "2", about({"bob"}), [&](Result<PutOutcome>) { put = true; });
  erase("alice");
  world.settle([&] { return put && read; });
  EXPECT_EQ(read, "2");
}

TEST_F(EraseScope, CountsNothingForAnUnknownScope) {
  world.put("a", "1", about({"alice"}));
  const ScopeCount found = count("bob");
  EXPECT_EQ(found.entries, 0u);
  EXPECT_EQ(found.copies, 0u);
  const ReceiptId id = erase("bob");
  EXPECT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_FALSE(world.store->erasure(make_receipt_id(world.random)));
}

TEST_F(EraseScope, WhatIsSupersededIsGoneInTime) {
  world.put("k", "the first value");
  world.put("k", "the second value");
  ASSERT_TRUE(is_on_disk("the first value"));
  for (int i = 0; i < 1200 && is_on_disk("the first value"); ++i)
    world.advance(500);
  EXPECT_FALSE(is_on_disk("the first value"));
  EXPECT_EQ(world.get("k"), "the second value");
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
}

TEST_F(EraseScope, WhatIsErasedByKeyIsGoneInTime) {
  world.put("k", "the only value");
  world.put("other", "stays");
  world.erase("k");
  world.kill();
  for (int i = 0; i < 1200 && is_on_disk("the only value"); ++i)
    world.advance(500);
  EXPECT_FALSE(is_on_disk("the only value"));
  EXPECT_EQ(world.get("other"), "stays");
}

TEST_F(EraseScope, NothingIsServedOrKeptPastItsEraseBy) {
  PutOptions options;
  options.metadata.erase_by_ms = world.store->now_ms() + 60'000;
  world.put("k", "the value to go", options);
  world.put("other", "stays");
  world.expire(
      "k", {.expires_at_ms = world.store->now_ms() + 600'000, .condition = {}, .if_version = {}});
  world.advance(30'000);
  EXPECT_EQ(world.get("k"), "the value to go");
  world.advance(29'999);
  EXPECT_FALSE(is_on_disk("the value to go"));
  EXPECT_EQ(world.get("other"), "stays");
  world.advance(1);
  EXPECT_FALSE(world.get("k"));
}

TEST_F(EraseScope, AnAlarmComesBeforeTheDeadlineAndGoesWithItsCause) {
  world.put("a", "of alice", about({"alice"}));
  ASSERT_TRUE(world.close());
  world.open();
  world.device.inject({.op = io::FaultOp::kRead, .path_contains = "segments/", .times = 0});
  const ReceiptId id = erase("alice");
  const std::int64_t deadline_ms = world.store->erasure(id)->deadline_ms;
  while (world.alarms.empty() && world.store->now_ms() < deadline_ms)
    world.advance(500);
  ASSERT_EQ(world.alarms.size(), 1u);
  EXPECT_LT(world.store->now_ms(), deadline_ms);
  EXPECT_EQ(world.alarms[0].trouble, ErasureTrouble::kSweep);
  EXPECT_EQ(world.alarms[0].next_deadline_ms, deadline_ms);
  EXPECT_EQ(world.alarms[0].at_risk, 1u);
  EXPECT_EQ(world.alarms[0].overdue, 0u);
  EXPECT_EQ(world.store->stats().erasure_trouble, ErasureTrouble::kSweep);
  world.device.clear();
  ASSERT_TRUE(comes_to(id, ErasureState::kReclaimed));
  EXPECT_LE(world.store->erasure(id)->reclaimed_ms, deadline_ms);
  world.advance(500);
  EXPECT_FALSE(world.alarms.back().is_alarming());
  EXPECT_EQ(world.store->stats().erasures_at_risk, 0u);
}

TEST_F(EraseScope, AnAlarmSaysThatASegmentCannotBeReclaimed) {
  world.put("k", "the first value");
  world.put("k", "the second value");
  ASSERT_TRUE(world.close());
  world.open();
  world.device.inject({.op = io::FaultOp::kRead, .path_contains = "segments/", .times = 0});
  const std::int64_t deadline_ms = world.store->stats().erasure_next_deadline_ms;
  ASSERT_NE(deadline_ms, 0);
  while (world.alarms.empty() && world.store->now_ms() < deadline_ms)
    world.advance(500);
  ASSERT_FALSE(world.alarms.empty());
  EXPECT_LT(world.store->now_ms(), deadline_ms);
  EXPECT_EQ(world.alarms[0].trouble, ErasureTrouble::kReclaim);
  EXPECT_GT(world.alarms[0].at_risk_bytes, 0u);
  world.advance(deadline_ms + 1000 - world.store->now_ms());
  EXPECT_GE(world.store->stats().erasures_overdue, 1u);
  world.device.clear();
  world.advance(20'000);
  EXPECT_FALSE(world.alarms.back().is_alarming());
  EXPECT_EQ(world.store->stats().erasures_overdue, 0u);
}

TEST_F(EraseScope, AStoreThatCannotWriteAlarmsAtOnce) {
  world.put("k", "the first value");
  world.put("k", "the second value");
  world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments/", .times = 0});
  world.put("other", "v");
  world.advance(5'000);
  ASSERT_FALSE(world.store->stats().writable);
  ASSERT_FALSE(world.alarms.empty());
  EXPECT_EQ(world.alarms[0].trouble, ErasureTrouble::kNotWritable);
}

/// With all at its worst: the alarm is about things as they are, not about what has been.
TEST_F(EraseScope, NoAlarmWithoutCause) {
  for (int i = 0; i < 300; ++i) {
    world.put("k" + std::to_string(i % 50), some_text(static_cast<std::uint64_t>(i), 2000),
              about({"person" + std::to_string(i % 7)}));
    world.advance(1'000);
    if (i % 40 == 39) erase("person" + std::to_string(i % 7));
  }
  world.advance(1'200'000);
  EXPECT_TRUE(world.alarms.empty());
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
}

class EraseScopeInAHurry : public EraseScope {
 protected:
  EraseScopeInAHurry() : EraseScope(small_options(seconds(10))) {}
};

TEST_F(EraseScopeInAHurry, NoAlarmWithoutCause) {
  for (int i = 0; i < 600; ++i) {
    world.put("k" + std::to_string(i % 50), some_text(static_cast<std::uint64_t>(i), 2000),
              about({"person" + std::to_string(i % 7)}));
    world.advance(100);
    if (i % 40 == 39) erase("person" + std::to_string(i % 7));
  }
  world.advance(30'000);
  EXPECT_TRUE(world.alarms.empty()) << describe(world.alarms[0].trouble);
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  EXPECT_EQ(world.store->stats().index_debt_deadline_ms, 0);
}

ErasureSituation situation(std::int64_t now_ms) {
  ErasureSituation situation;
  situation.segments = {{100'000, 0, 10, 1}, {50'000, 0, 20, 1}};
  situation.now_ms = now_ms;
  situation.reclaim_ms = 10'000;
  situation.compaction_ms = 500;
  return situation;
}

TEST(ErasureOutlook, WhatIsDueBeforeTakesItsTime) {
  EXPECT_FALSE(assess(situation(37'999)).is_alarming());
  const ErasureOutlook soon = assess(situation(38'000));
  EXPECT_EQ(soon.trouble, ErasureTrouble::kSlow);
  EXPECT_EQ(soon.at_risk, 1u);
  EXPECT_EQ(soon.at_risk_bytes, 20u);
  EXPECT_EQ(soon.next_deadline_ms, 50'000);
  EXPECT_EQ(assess(situation(78'000)).at_risk, 2u);
  EXPECT_EQ(assess(situation(50'001)).overdue, 1u);
}

TEST(ErasureOutlook, ErasuresAndTheIndexHaveDeadlinesToo) {
  ErasureSituation now;
  now.now_ms = 1'000;
  EXPECT_EQ(assess(now).next_deadline_ms, 0);
  now.index_due_ms = 9'000;
  now.erasures = {{8'000, 0, 0, 3}};
  EXPECT_EQ(assess(now).next_deadline_ms, 8'000);
  EXPECT_FALSE(assess(now).is_alarming());
  now.reclaim_ms = 2'000;
  EXPECT_EQ(assess(now).at_risk, 1u);
  now.compaction_ms = 7'000;
  EXPECT_EQ(assess(now).at_risk, 2u);
}

TEST(ErasureOutlook, WhatFailsIsToldEarlierAndNamed) {
  ErasureSituation failing = situation(30'000);
  failing.segments.pop_back();  // due at 100 s, known since 0: reclaim begins at 90 s
  failing.now_ms = 87'999;
  EXPECT_FALSE(assess(failing).is_alarming());
  failing.reclaim_ms = 100;
  failing.now_ms = 90'000;
  EXPECT_FALSE(assess(failing).is_alarming());
  failing.reclaim_fails = true;
  EXPECT_EQ(assess(failing).trouble, ErasureTrouble::kReclaim);
  failing.index_full = true;
  EXPECT_EQ(assess(failing).trouble, ErasureTrouble::kDiskFull);
  failing.now_ms = 1;
  EXPECT_FALSE(assess(failing).is_alarming());
  failing.writable = false;
  EXPECT_EQ(assess(failing).trouble, ErasureTrouble::kNotWritable);
}

TEST(ChooseDue, TheEarliestFirstAndNotBeforeItIsTime) {
  SegmentView late{.id = 1, .sealed = true, .created_ms = 0, .due_ms = 100'000};
  SegmentView soon{.id = 2, .sealed = true, .created_ms = 0, .due_ms = 50'000};
  const std::vector<SegmentView> segments{late, soon, {.id = 3, .sealed = true}};
  EXPECT_FALSE(choose_due(segments, 44'999, {100, 0}));
  EXPECT_EQ(choose_due(segments, 45'000, {100, 0}), 2u);
  // With 40 s each, the second would be late if the first began any later.
  EXPECT_FALSE(choose_due(segments, 9'999 - 40'000, {20'000, 0}));
  EXPECT_EQ(choose_due(segments, 20'000, {20'000, 0}), 2u);
}

TEST(ChooseDue, BeginsEarlierForWhatHasToBeWrittenAnew) {
  std::vector<SegmentView> segments;
  for (std::uint64_t id = 1; id <= 10; ++id) {
    segments.push_back({.id = id,
                        .sealed = true,
                        .bytes = 64 << 20,
                        .live_bytes = 60 << 20,
                        .created_ms = 500'000,
                        .due_ms = 1'000'000});
  }
  // 60 MiB at 200 us a KiB are 12.3 s, of ten of them twice over 245.8 s; a tenth is 50 s.
  const ReclaimCost cost{0, 200};
  EXPECT_FALSE(choose_due(segments, 1'000'000 - 245'761, cost));
  EXPECT_EQ(choose_due(segments, 1'000'000 - 245'760, cost), 1u);
  EXPECT_FALSE(choose_due(segments, 1'000'000 - 245'760, {0, 20}));
}

TEST(IsPressing, WhenWhatIsDueWouldNotBeDoneInTime) {
  std::vector<SegmentView> segments;
  for (std::uint64_t id = 1; id <= 10; ++id)
    segments.push_back({.id = id, .sealed = true, .live_bytes = 60 << 20, .due_ms = 1'000'000});
  const ReclaimCost cost{0, 200};
  EXPECT_FALSE(is_pressing(segments, 1'000'000 - 184'321, cost));
  EXPECT_TRUE(is_pressing(segments, 1'000'000 - 184'320, cost));
  segments.resize(1);
  EXPECT_FALSE(is_pressing(segments, 1'000'000 - 184'320, cost));
}

TEST(ChooseDue, LeavesAloneWhatIsBeingSealedOrReclaimed) {
  const SegmentView busy{.id = 1, .sealed = false, .due_ms = 1};
  EXPECT_FALSE(choose_due({&busy, 1}, 1'000'000, {100, 0}));
  const SegmentView open{.id = 1, .sealed = false, .open = true, .due_ms = 1};
  EXPECT_EQ(choose_due({&open, 1}, 1'000'000, {100, 0}), 1u);
}

}  // namespace
}  // namespace kachel
