#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

#include "tools/bench/histogram.h"
#include "tools/bench/random.h"

namespace kachel::bench {
namespace {

std::uint64_t exact_percentile(const std::vector<std::int64_t>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return static_cast<std::uint64_t>(
      sorted[std::max<std::size_t>(1, static_cast<std::size_t>(rank)) - 1]);
}

TEST(BenchHistogram, PercentilesAreWithinAThousandthOfTheExactOnes) {
  Random random(1);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    // From nanoseconds to minutes.
    values.push_back(static_cast<std::int64_t>(std::exp(random.unit() * 27)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto exact = static_cast<double>(exact_percentile(values, share));
    const auto found = static_cast<double>(histogram.percentile_ns(share));
    EXPECT_GE(found, exact) << share;
    EXPECT_LE(found, exact * 1.001 + 1e-9) << share;
  }
  EXPECT_EQ(histogram.max_ns(), static_cast<std::uint64_t>(values.back()));
  EXPECT_EQ(histogram.percentile_ns(1), histogram.max_ns());
}

TEST(BenchHistogram, SmallValuesAreExact) {
  Histogram histogram;
  for (std::int64_t value = 0; value < 2048; ++value)
    histogram.record(value);
  for (int i = 1; i <= 2048; ++i)
    EXPECT_EQ(histogram.percentile_ns(i / 2048.0), static_cast<std::uint64_t>(i - 1));
}

TEST(BenchHistogram, EveryPowerOfTwoAndItsNeighboursAreCounted) {
  for (unsigned bit = 0; bit < 42; ++bit) {
    for (const std::int64_t value : {(std::int64_t{1} << bit) - 1, std::int64_t{1} << bit}) {
      Histogram histogram;
      histogram.record(value);
      EXPECT_EQ(histogram.percentile_ns(0.5), static_cast<std::uint64_t>(value));
    }
  }
}

TEST(BenchHistogram, WhatIsOutOfRangeIsCountedAtItsEnds) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.percentile_ns(0.5), 0U);
  EXPECT_EQ(histogram.max_ns(), Histogram::kMaxNs);
}

TEST(BenchHistogram, AddsUpAndClears) {
  Histogram one;
  Histogram other;
  for (std::int64_t value = 1; value <= 100; ++value)
    (value % 2 == 0 ? one : other).record(value * 1'000'000);
  one.add(other);
  EXPECT_EQ(one.count(), 100U);
  EXPECT_NEAR(static_cast<double>(one.percentile_ns(0.5)), 50e6, 50e3);
  EXPECT_NEAR(one.mean_ns(), 50.5e6, 1);
  one.clear();
  EXPECT_EQ(one.count(), 0U);
  EXPECT_EQ(one.percentile_ns(0.99), 0U);
  one.record(7);
  EXPECT_EQ(one.percentile_ns(1), 7U);
}

}  // namespace
}  // namespace kachel::bench
