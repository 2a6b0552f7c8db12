#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <vector>

#include "tools/bench/key_source.h"
#include "tools/bench/key_text.h"
#include "tools/bench/mix.h"
#include "tools/bench/operation_source.h"

namespace kachel::bench {
namespace {

class ZipfLaw : public testing::TestWithParam<double> {};

TEST_P(ZipfLaw, RanksComeAsOftenAsTheLawSays) {
  constexpr std::uint64_t kRanks = 1000;
  constexpr int kDraws = 400'000;
  const double skew = GetParam();
  const Zipf zipf(kRanks, skew);
  Random random(3);
  std::vector<double> seen(kRanks);
  for (int i = 0; i < kDraws; ++i)
    ++seen.at(zipf.sample(random));
  double all = 0;
  for (std::uint64_t rank = 1; rank <= kRanks; ++rank)
    all += std::pow(static_cast<double>(rank), -skew);
  double chi_square = 0;
  for (std::uint64_t rank = 1; rank <= kRanks; ++rank) {
    const double expected = kDraws * std::pow(static_cast<double>(rank), -skew) / all;
    chi_square +=
        (seen[rank - 1] - expected) * (seen[rank - 1] - expected) / std::max(1.0, expected);
  }
  // 999 degrees of freedom: 999 +- 45; beyond six times that by chance once in 10^9.
  EXPECT_LT(chi_square, 999 + 6 * 45);
}

INSTANTIATE_TEST_SUITE_P(Skews, ZipfLaw, testing::Values(0.2, 0.8, 0.99, 1.0, 1.2, 2.0));

TEST(BenchZipf, OneRankIsAlwaysTheFirst) {
  const Zipf zipf(1, 0.99);
  Random random(1);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(zipf.sample(random), 0U);
}

TEST(BenchZipf, ManyRanksNeedNoTable) {
  constexpr std::uint64_t kRanks = 800'000'000'000;
  const Zipf zipf(kRanks, 0.99);
  Random random(1);
  std::uint64_t first_half = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t rank = zipf.sample(random);
    ASSERT_LT(rank, kRanks);
    first_half += rank < kRanks / 2 ? 1 : 0;
  }
  EXPECT_GT(first_half, 9000U);
}

TEST(BenchKeys, ScatteringIsOneToOne) {
  for (const std::uint64_t count : {1U, 2U, 3U, 10U, 4096U, 99'991U}) {
    std::set<std::uint64_t> places;
    for (std::uint64_t rank = 0; rank < count; ++rank)
      places.insert(scattered(rank, count));
    EXPECT_EQ(places.size(), count);
    EXPECT_LT(*places.rbegin(), count);
  }
}

TEST(BenchKeys, ThreadsShareASequence) {
  std::set<std::uint64_t> keys;
  Random random(1);
  for (std::uint64_t part = 0; part < 3; ++part) {
    KeySource source({KeyOrder::kSequential, 0}, 9, part, 3);
    for (int i = 0; i < 3; ++i)
      keys.insert(source.next(random));
  }
  EXPECT_EQ(keys.size(), 9U);
}

TEST(BenchKeys, UniformReachesEveryKeyAndNoOther) {
  KeySource source({}, 10, 0, 1);
  Random random(1);
  std::vector<int> seen(10);
  for (int i = 0; i < 10'000; ++i)
    ++seen.at(source.next(random));
  for (const int count : seen)
    EXPECT_NEAR(count, 1000, 200);
}

TEST(BenchKeys, DistributionsAreParsed) {
  EXPECT_EQ(KeyDistribution::parse("zipf")->skew, 0.99);
  EXPECT_EQ(KeyDistribution::parse("zipf:1.2")->skew, 1.2);
  EXPECT_EQ(KeyDistribution::parse("sequential")->order, KeyOrder::kSequential);
  for (const char* text : {"", "zipf:", "zipf:0", "zipf:-1", "zipf:1x", "zipf:11", "gauss"})
    EXPECT_EQ(KeyDistribution::parse(text).error().code, ErrorCode::kInvalidArgument) << text;
}

TEST(BenchKeys, TextHasAPrefixAndTwelveDigits) {
  KeyText text("user/");
  EXPECT_EQ(text.of(0), "user/000000000000");
  EXPECT_EQ(text.of(123'456), "user/000000123456");
  EXPECT_EQ(text.of(kFirstColdKey + 7), "user/900000000007");
}

TEST(BenchMix, SharesAreKept) {
  const Mix mix = Mix::parse("get=90,set=9,del=1").value();
  Random random(1);
  std::array<int, kOperationKinds> seen{};
  for (int i = 0; i < 100'000; ++i)
    ++seen.at(static_cast<std::size_t>(mix.pick(random)));
  EXPECT_NEAR(seen[0], 90'000, 600);
  EXPECT_NEAR(seen[1], 9'000, 600);
  EXPECT_NEAR(seen[2], 1'000, 200);
  EXPECT_EQ(seen[3] + seen[4], 0);
  EXPECT_EQ(mix.text(), "get=90,set=9,del=1");
}

TEST(BenchMix, OneKindOnly) {
  Random random(1);
  for (std::size_t kind = 0; kind < kOperationKinds; ++kind) {
    const Mix mix(static_cast<OperationKind>(kind));
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(mix.pick(random), static_cast<OperationKind>(kind));
  }
}

TEST(BenchMix, WhatIsWrongIsSaid) {
  for (const char* text : {"", "get", "get=", "get=-1", "get=x", "put=1", "get=0", "get=1;set=2"}) {
    const auto mix = Mix::parse(text);
    ASSERT_FALSE(mix) << text;
    EXPECT_NE(mix.error().message.find("mix"), std::string::npos) << text;
  }
}

/// A phase's operations, of all threads.
std::vector<Operation> all_of(const Plan& plan, const PhasePlan& phase) {
  std::vector<Operation> operations;
  for (std::uint64_t part = 0; part < plan.threads; ++part) {
    OperationSource source(plan, phase, part);
    for (std::uint64_t i = 0; i < source.count(); ++i)
      operations.push_back(source.next());
  }
  return operations;
}

TEST(BenchOperations, LoadSetsEachKeyOnceWhateverTheThreads) {
  Plan plan;
  plan.threads = 3;
  plan.keys = 1000;
  PhasePlan phase;
  phase.kind = PhaseKind::kLoad;
  phase.operations = plan.keys;
  std::set<std::uint64_t> keys;
  for (const Operation& operation : all_of(plan, phase)) {
    EXPECT_EQ(operation.kind, OperationKind::kSet);
    EXPECT_TRUE(keys.insert(operation.key).second);
  }
  EXPECT_EQ(keys.size(), 1000U);
  EXPECT_EQ(*keys.rbegin(), 999U);
}

TEST(BenchOperations, ColdKeysAreNobodys) {
  Plan plan;
  plan.threads = 2;
  plan.keys = 10;
  PhasePlan phase;
  phase.kind = PhaseKind::kCold;
  phase.operations = 101;
  std::set<std::uint64_t> keys;
  for (const Operation& operation : all_of(plan, phase)) {
    EXPECT_EQ(operation.kind, OperationKind::kGet);
    EXPECT_GE(operation.key, kFirstColdKey);
    keys.insert(operation.key);
  }
  EXPECT_EQ(keys.size(), 101U);
}

TEST(BenchOperations, TtlIsInItsRangeForItsShareOfSets) {
  Plan plan;
  plan.keys = 10;
  plan.ttl_ms = {10, 20};
  plan.ttl_share = 30;
  OperationSource source(plan, {}, 0);
  int with_ttl = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t ttl_ms = source.draw_set_ttl_ms();
    if (ttl_ms == 0) continue;
    ++with_ttl;
    EXPECT_GE(ttl_ms, 10U);
    EXPECT_LE(ttl_ms, 20U);
  }
  EXPECT_NEAR(with_ttl, 3000, 300);
}

}  // namespace
}  // namespace kachel::bench
