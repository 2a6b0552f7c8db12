// The simulator on itself: repeatable, and it notices what it should.
#include <gtest/gtest.h>

#include "tests/simulator/choices.h"
#include "tests/simulator/history.h"

namespace kachel::sim {
namespace {

TEST(Simulator, SameSeedGivesTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
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
