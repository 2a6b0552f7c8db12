#include "engine/index_debt.h"

#include <gtest/gtest.h>

#include "io/clock.h"

namespace kachel {
namespace {

class IndexDebtTest : public ::testing::Test {
 protected:
  io::ManualClock time_;
  StoreClock clock_{time_};
  IndexDebt debt_{clock_};
};

TEST_F(IndexDebtTest, WhatDiedBeforeACompactionBeganIsCoveredByIt) {
  EXPECT_TRUE(debt_.is_complete(debt_.compaction_needed())) << "nothing is dead";
  debt_.note(1000);
  const std::uint64_t needed = debt_.compaction_needed();
  debt_.begin_compaction();
  EXPECT_EQ(debt_.compaction_needed(), needed);
  EXPECT_FALSE(debt_.is_complete(needed));
  debt_.end_compaction(true, 1);
  EXPECT_TRUE(debt_.is_complete(needed));
  EXPECT_EQ(debt_.due_ms(), 0);
}

TEST_F(IndexDebtTest, WhatDiesWhileOneRunsOrAfterItWaitsForTheNext) {
  debt_.note(1000);
  debt_.begin_compaction();
  debt_.note(2000);
  const std::uint64_t needed = debt_.compaction_needed();
  debt_.end_compaction(true, 1);
  EXPECT_FALSE(debt_.is_complete(needed));
  EXPECT_EQ(debt_.due_ms(), 2000);
  debt_.begin_compaction();
  debt_.end_compaction(true, 1);
  EXPECT_TRUE(debt_.is_complete(needed));
  debt_.note(3000);
  EXPECT_FALSE(debt_.is_complete(debt_.compaction_needed()));
}

TEST_F(IndexDebtTest, OneThatFailsCoversNothing) {
  debt_.note(1000);
  debt_.begin_compaction();
  debt_.end_compaction(false, 1);
  EXPECT_TRUE(debt_.fails());
  EXPECT_EQ(debt_.due_ms(), 1000);
  EXPECT_FALSE(debt_.is_complete(debt_.compaction_needed()));
  EXPECT_FALSE(debt_.is_complete(1)) << "the one that failed";
}

}  // namespace
}  // namespace kachel
