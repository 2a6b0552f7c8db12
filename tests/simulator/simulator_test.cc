// The simulator on itself: repeatable, and it notices what it should.
#include <gtest/gtest.h>
#include <set>

#include "tests/seeds.h"
#include "tests/simulator/choices.h"
#include "tests/simulator/digest.h"
#include "tests/simulator/history.h"
#include "tests/simulator/small_worlds.h"

namespace kachel::sim {
namespace {

TEST(Simulator, SameSeedGivesTheSameRun) {
  for (std::uint64_t seed = 1; seed <= number_from("KACHEL_SEEDS", 12); ++seed) {
    const HistoryResult once = run_history({.seed = seed});
    const HistoryResult again = run_history({.seed = seed});
    EXPECT_EQ(once.digest, again.digest) << "seed " << seed;
    EXPECT_EQ(once.images, again.images) << "seed " << seed;
    EXPECT_EQ(once.faults.counts, again.faults.counts) << "seed " << seed;
  }
  EXPECT_NE(run_history({.seed = 1}).digest, run_history({.seed = 2}).digest);
}

TEST(AllChoicesTest, TriesEveryCombinationOnce) {
  AllChoices choices;
  std::vector<std::string> seen;
  do {
    std::string path = std::to_string(choices.choose(2));
    if (path == "1") path += std::to_string(choices.choose(3));
    seen.push_back(path);
  } while (choices.next());
  EXPECT_EQ(seen, (std::vector<std::string>{"0", "10", "11", "12"}));
}

TEST(AllChoicesTest, TriesThoseThatAreUsualButForAFew) {
  AllChoices choices(1, 1);
  std::set<std::vector<std::size_t>> seen;
  std::size_t tried = 0;
  do {
    for (const std::size_t count : {3u, 2u, 2u})
      (void)choices.choose(count);
    seen.insert(choices.taken());
    ++tried;
  } while (choices.next());
  EXPECT_EQ(tried, seen.size());
  EXPECT_EQ(seen, (std::set<std::vector<std::size_t>>{
                      {1, 1, 1}, {0, 1, 1}, {2, 1, 1}, {1, 0, 1}, {1, 1, 0}}));
}

TEST(AllChoicesTest, AreHadAgainFromTheirAnswers) {
  AllChoices choices;
  do {
    const std::size_t first = choices.choose(2);
    const std::size_t second = choices.choose(3);
    GivenChoices again(choices.taken());
    EXPECT_EQ(again.choose(2), first);
    EXPECT_EQ(again.choose(3), second);
  } while (choices.next());
}

class WholeWritesTest : public testing::Test {
 protected:
  WholeWritesTest() {
    file_ = *disk_.open("file", io::OpenMode::kCreate);
    write(0, 16 * io::kSectorBytes, 0);
    EXPECT_TRUE(file_->sync());
    EXPECT_TRUE(disk_.sync_directory(""));
  }
  void write(std::uint64_t offset, std::size_t bytes, unsigned char fill) {
    std::vector<std::byte> content(bytes, std::byte{fill});
    iovec part{content.data(), content.size()};
    EXPECT_TRUE(file_->write_at(offset, {&part, 1}));
  }
  /// What a power cut may leave: how many outcomes, and how many different ones.
  std::pair<std::size_t, std::size_t> outcomes() const {
    std::set<std::uint64_t> disks;
    std::size_t tried = 0;
    AllChoices choices;
    do {
      const auto copy = disk_.clone();
      WholeWrites outcome(choices);
      copy->crash(outcome);
      Digest digest;
      copy->view([&](std::span<const std::byte> bytes) { digest.add(bytes); });
      disks.insert(digest.value());
      ++tried;
    } while (choices.next());
    return {tried, disks.size()};
  }

  io::MemoryStorage disk_;
  std::unique_ptr<io::File> file_;
};

TEST_F(WholeWritesTest, LosesKeepsAndTearsEachWriteByItself) {
  using Pair = std::pair<std::size_t, std::size_t>;
  EXPECT_EQ(outcomes(), (Pair{1, 1}));
  write(0, 2 * io::kSectorBytes, 1);
  EXPECT_EQ(outcomes(), (Pair{4, 4}));
  write(4 * io::kSectorBytes, io::kSectorBytes, 2);  // too small to tear
  EXPECT_EQ(outcomes(), (Pair{8, 8}));
  write(8 * io::kSectorBytes, 4 * io::kSectorBytes, 3);
  EXPECT_EQ(outcomes(), (Pair{32, 32}));
}

TEST_F(WholeWritesTest, CountsWhatLooksTheSameOnce) {
  write(0, 2 * io::kSectorBytes, 1);
  write(0, 2 * io::kSectorBytes, 1);
  EXPECT_EQ(outcomes(), (std::pair<std::size_t, std::size_t>{16, 4}));
}

TEST_F(WholeWritesTest, KeepsOrLosesSizesAndNames) {
  EXPECT_TRUE(file_->truncate(io::kSectorBytes));
  EXPECT_EQ(outcomes(), (std::pair<std::size_t, std::size_t>{2, 2}));
  EXPECT_TRUE(disk_.rename("file", "other"));
  EXPECT_EQ(outcomes(), (std::pair<std::size_t, std::size_t>{4, 4}));
  EXPECT_TRUE(disk_.open("another", io::OpenMode::kCreate));
  EXPECT_EQ(outcomes(), (std::pair<std::size_t, std::size_t>{8, 8}));
}

TEST(SmallWorldTest, TheStepsDoWhatTheySay) {
  const auto stats_after = [](Start start, const std::vector<Step>& steps) {
    SmallWorld small({Durability::kGroup, start, Pace::kInTurn, steps}, [](const auto&) {});
    small.run();
    return small.world().store->stats();
  };
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kOverwrite}).index_flushes, 0u);
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kOverwrite, Step::kFlush}).index_flushes, 1u);
  EXPECT_EQ(stats_after(Start::kRestarted, {Step::kEvict}).evicted_entries, 1u);
  EXPECT_EQ(stats_after(Start::kRestarted, {Step::kEvict}).reinserted_entries, 0u);
  EXPECT_EQ(stats_after(Start::kRestarted, {Step::kCompact}).evicted_segments, 1u);
  EXPECT_EQ(stats_after(Start::kRestarted, {Step::kCompact}).reinserted_entries, 1u);
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kOverwrite, Step::kEvict}).evicted_segments, 0u);
  EXPECT_GE(
      stats_after(Start::kEmpty, {Step::kOverwrite, Step::kSeal, Step::kEvict}).evicted_segments,
      1u);
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kPut}).expired_segments, 1u);
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kPut, Step::kPutOff}).expired_segments, 1u);
  EXPECT_EQ(stats_after(Start::kEmpty, {Step::kPut, Step::kPutOff}).reinserted_entries, 1u);
}

class SmallWorldsTest : public testing::Test {
 protected:
  SmallWorlds search() {
    return SmallWorlds([this](const BrokenPromise& broken) { broken_.push_back(broken); }, 256);
  }
  std::vector<BrokenPromise> broken_;
};

TEST_F(SmallWorldsTest, GoThroughEverySequence) {
  std::set<std::vector<Step>> seen;
  std::size_t calls = 0;
  for_each_sequence(3, 8, [&](const std::vector<Step>& steps) {
    seen.insert(steps);
    ++calls;
  });
  EXPECT_EQ(calls, 8u * 8 * 8);
  EXPECT_EQ(seen.size(), calls);
}

TEST_F(SmallWorldsTest, TheSameWorldHasNothingNew) {
  SmallWorlds worlds = search();
  const Plan plan{
      Durability::kGroup, Start::kEmpty, Pace::kTogether, {Step::kOverwrite, Step::kErase}};
  worlds.check(plan);
  const SmallWorldsCounts once = worlds.counts();
  EXPECT_GT(once.images, 50u);
  worlds.check(plan);
  EXPECT_EQ(worlds.counts().images, once.images);
  EXPECT_EQ(worlds.counts().points, 2 * once.points);
  EXPECT_EQ(worlds.counts().points_known, once.points_known + once.points);
  EXPECT_TRUE(broken_.empty());
}

TEST_F(SmallWorldsTest, SyncsThatDoNothingAreFoundOut) {
  SmallWorlds worlds = search();
  worlds.check({Durability::kStrict, Start::kEmpty, Pace::kInTurn, {Step::kOverwrite}, true});
  ASSERT_FALSE(broken_.empty());
  EXPECT_NE(broken_.front().what.find("is no prefix of its history"), std::string::npos)
      << broken_.front().what;

  // And the place it was found at can be had again.
  const BrokenPromise found = broken_.front();
  broken_.clear();
  worlds.replay(found.plan, *found.spot);
  ASSERT_EQ(broken_.size(), 1u);
  EXPECT_EQ(broken_.front().what, found.what);

  // In this mode an erase alone is durable when it is acknowledged.
  broken_.clear();
  worlds.check({Durability::kGroup, Start::kEmpty, Pace::kInTurn, {Step::kOverwrite}, true});
  EXPECT_TRUE(broken_.empty()) << broken_.front().what;
  worlds.check(
      {Durability::kGroup, Start::kEmpty, Pace::kInTurn, {Step::kOverwrite, Step::kErase}, true});
  EXPECT_FALSE(broken_.empty());
}

class OracleTest : public testing::Test {
 protected:
  OracleTest() : oracle_(2, Setup::small_options(Durability::kGroup)) {}

  ValueId put(std::size_t key, OpState state = OpState::kDone) {
    const ValueId value = oracle_.make_value(key, 20, true);
    const std::size_t op = oracle_.begin({.kind = OpKind::kPut, .key = key, .value = value});
    if (state != OpState::kInFlight) oracle_.end(op, state, 0);
    return value;
  }
  void erase(std::size_t key) {
    oracle_.end(oracle_.begin({.kind = OpKind::kErase, .key = key}), OpState::kDone, 0);
  }
  bool accepts(std::vector<ValueId> values, Crash crash) {
    std::vector<std::optional<Sighting>> seen(2);
    for (std::size_t key = 0; key < values.size(); ++key) {
      if (values[key] != 0) seen[key] = Sighting{oracle_.text(values[key]), 0};
    }
    try {
      oracle_.check_crash(seen, crash, 0, 0, 0);
      return true;
    } catch (const Violation&) {
      return false;
    }
  }

  Oracle oracle_;
};

TEST_F(OracleTest, AKillLosesNothingAcknowledged) {
  const ValueId a = put(0);
  const ValueId b = put(1);
  EXPECT_TRUE(accepts({a, b}, Crash::kKill));
  EXPECT_FALSE(accepts({a, 0}, Crash::kKill));
  EXPECT_TRUE(accepts({a, 0}, Crash::kPowerCut));
}

TEST_F(OracleTest, APowerCutLeavesNoHole) {
  put(0);
  const ValueId b = put(1);
  EXPECT_FALSE(accepts({0, b}, Crash::kPowerCut));
}

TEST_F(OracleTest, NothingErasedComesBack) {
  const ValueId a = put(0);
  erase(0);
  EXPECT_TRUE(accepts({0, 0}, Crash::kPowerCut));
  EXPECT_FALSE(accepts({a, 0}, Crash::kPowerCut));
}

TEST_F(OracleTest, NothingOverwrittenComesBack) {
  const ValueId a = put(0);
  const ValueId b = put(0);
  EXPECT_TRUE(accepts({b, 0}, Crash::kKill));
  EXPECT_FALSE(accepts({a, 0}, Crash::kKill));
}

TEST_F(OracleTest, AnotherKeysValueIsNeverRight) {
  const ValueId a = put(0);
  put(1);
  EXPECT_FALSE(accepts({a, a}, Crash::kPowerCut));
}

TEST_F(OracleTest, WhatIsInFlightMayBeThereOrNot) {
  const ValueId a = put(0);
  const ValueId b = put(0, OpState::kInFlight);
  EXPECT_TRUE(accepts({a, 0}, Crash::kKill));
  EXPECT_TRUE(accepts({b, 0}, Crash::kKill));
}

}  // namespace
}  // namespace kachel::sim
