#include "engine/lifetime_bucket.h"

#include <algorithm>
#include <array>

namespace kachel {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;
constexpr std::int64_t kMinOpenMs = 10 * kMsPerSecond;

// Where each bucket begins, seconds; element 0 is unused, as bucket 0 has no lifetime.
constexpr auto kMinimums = [] {
  std::array<std::int64_t, kLastBucket + 1> minimums{};
  for (std::size_t bucket = 2; bucket <= kLastBucket; ++bucket) {
    const std::int64_t before = minimums[bucket - 1];
    minimums[bucket] = before + std::max<std::int64_t>(1, before / 10);
  }
  return minimums;
}();
// The last bucket has no end, so it must begin beyond the lifetimes caches are used with.
static_assert(kMinimums[kLastBucket] > std::int64_t{365} * 24 * 3600);

}  // namespace

std::uint32_t lifetime_bucket(std::int64_t lifetime_ms) {
  const std::int64_t lifetime_s = std::max<std::int64_t>(lifetime_ms, 0) / kMsPerSecond;
  const auto* const first = kMinimums.begin() + 1;
  const auto* const next = std::upper_bound(first, kMinimums.end(), lifetime_s);
  return static_cast<std::uint32_t>(next - kMinimums.begin() - 1);
}

std::int64_t lifetime_min_s(std::uint32_t bucket) {
  return kMinimums[std::min(bucket, kLastBucket)];
}

std::int64_t open_limit_ms(std::uint32_t bucket) {
  if (bucket == kNoExpiryBucket || bucket == kHeldBucket) return 0;
  return std::max(kMinOpenMs, lifetime_min_s(bucket) * kMsPerSecond / 10);
}

std::uint32_t bucket_until(std::int64_t expires_at_ms, std::int64_t erase_by_ms,
                           std::int64_t now_ms) {
  const std::int64_t death_ms = earlier(expires_at_ms, erase_by_ms);
  return death_ms == 0 ? kNoExpiryBucket : lifetime_bucket(death_ms - now_ms);
}

}  // namespace kachel
