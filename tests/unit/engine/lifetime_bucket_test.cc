#include "engine/lifetime_bucket.h"

#include <cstdint>
#include <gtest/gtest.h>

namespace kachel {
namespace {

TEST(LifetimeBucket, BoundsAreWhereTheBucketsChange) {
  for (std::uint32_t bucket = 1; bucket <= kLastBucket; ++bucket) {
    const std::int64_t begin_ms = lifetime_min_s(bucket) * 1000;
    EXPECT_EQ(lifetime_bucket(begin_ms), bucket);
    EXPECT_EQ(lifetime_bucket(begin_ms + 999), bucket);
    if (bucket > 1) {
      EXPECT_EQ(lifetime_bucket(begin_ms - 1), bucket - 1);
    }
  }
}

TEST(LifetimeBucket, WidthsAreATenthOrASecond) {
  for (std::uint32_t bucket = 1; bucket < kLastBucket; ++bucket) {
    const std::int64_t begin_s = lifetime_min_s(bucket);
    const std::int64_t width_s = lifetime_min_s(bucket + 1) - begin_s;
    EXPECT_GE(width_s, 1);
    EXPECT_LE(width_s, begin_s / 10 + 1) << bucket;
  }
}

TEST(LifetimeBucket, NeverFallsAsLifetimesRise) {
  std::uint32_t before = 1;
  for (std::int64_t ms = 1; ms > 0 && ms < INT64_MAX / 2; ms += ms / 50 + 1) {
    const std::uint32_t bucket = lifetime_bucket(ms);
    ASSERT_GE(bucket, before);
    before = bucket;
  }
  EXPECT_EQ(before, kLastBucket);
}

TEST(LifetimeBucket, ExtremesHaveABucket) {
  EXPECT_EQ(lifetime_bucket(0), 1u);
  EXPECT_EQ(lifetime_bucket(-5), 1u);
  EXPECT_EQ(lifetime_bucket(INT64_MIN), 1u);
  EXPECT_EQ(lifetime_bucket(INT64_MAX), kLastBucket);
}

TEST(OpenLimit, IsATenthOfTheLifetimeAndAtLeastTenSeconds) {
  EXPECT_EQ(open_limit_ms(kNoExpiryBucket), 0);
  EXPECT_EQ(open_limit_ms(1), 10'000);
  for (std::uint32_t bucket = 1; bucket <= kLastBucket; ++bucket) {
    EXPECT_GE(open_limit_ms(bucket), 10'000);
    EXPECT_LE(open_limit_ms(bucket), std::max<std::int64_t>(10'000, lifetime_min_s(bucket) * 100));
  }
}

}  // namespace
}  // namespace kachel
