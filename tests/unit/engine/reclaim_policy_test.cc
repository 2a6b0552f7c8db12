#include "engine/reclaim_policy.h"

#include <gtest/gtest.h>

namespace kachel {
namespace {

std::vector<std::uint64_t> kept(const std::vector<KeepCandidate>& candidates) {
  std::vector<std::uint64_t> ids;
  for (const KeepCandidate& candidate : choose_kept(candidates))
    ids.push_back(candidate.id);
  return ids;
}

using Ids = std::vector<std::uint64_t>;

TEST(ChooseKept, WithoutCostsOnlyWhatWasUsedTheMostUsedFirst) {
  EXPECT_EQ(kept({{1, 100, 0, 0}, {2, 100, 0, 1}, {3, 900, 0, 3}, {4, 100, 0, 0}}), (Ids{3, 2}));
}

TEST(ChooseKept, WhereAllCostTheSameOnlyWhatWasUsed) {
  EXPECT_EQ(kept({{1, 100, 50, 0}, {2, 100, 50, 1}, {3, 100, 50, 0}}), (Ids{2}));
}

TEST(ChooseKept, WhatCostsTwiceTheMeanNeedsNoUse) {
  // The mean of 1, 1, 1 and 16 is 2.
  EXPECT_EQ(kept({{1, 100, 100, 0}, {2, 100, 100, 0}, {3, 100, 1600, 0}, {4, 100, 100, 0}}),
            (Ids{3}));
}

TEST(ChooseKept, ByUsesTimesCostPerByte) {
  // Per byte 1, 4 and 16: the mean is 4; worth 3.25 / 4, 1.25 and 4 / 4.
  EXPECT_EQ(kept({{1, 100, 100, 3}, {2, 100, 400, 1}, {3, 100, 1600, 0}}), (Ids{2, 3, 1}));
  EXPECT_EQ(kept({{1, 100, 400, 1}, {2, 10, 400, 1}}), (Ids{2, 1})) << "the smaller one";
}

TEST(ChooseKept, UnknownCostIsTheMean) {
  EXPECT_EQ(kept({{1, 100, 100, 1}, {2, 100, 0, 1}, {3, 100, 1600, 1}, {4, 100, 0, 0}}),
            (Ids{3, 2, 1}));
}

TEST(ChooseKept, EqualsStayInOrder) {
  EXPECT_EQ(kept({{3, 100, 7, 1}, {1, 100, 7, 1}, {2, 100, 7, 1}}), (Ids{3, 1, 2}));
  EXPECT_EQ(kept({}), Ids{});
  EXPECT_EQ(kept({{1, 0, 5, 1}}), Ids{}) << "nothing is there";
}

}  // namespace
}  // namespace kachel
