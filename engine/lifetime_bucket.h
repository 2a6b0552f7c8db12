// Lifetime buckets: records that die within about 10% of the same lifetime share a segment,
// so that expiry and retention drop whole files. Pure functions.
#pragma once

#include <cstdint>

namespace kachel {

/// The bucket of entries that neither expire nor have a deadline.
inline constexpr std::uint32_t kNoExpiryBucket = 0;
/// Buckets 1.. : bucket b holds lifetimes in [lifetime_min_s(b), lifetime_min_s(b + 1)).
/// The first begins at 0; widths are at least 1 s, then about 10%; the last holds the rest.
inline constexpr std::uint32_t kLastBucket = 180;
/// The bucket of what is dead and under a hold: apart from all that lives.
inline constexpr std::uint32_t kHeldBucket = kLastBucket + 1;

/// Of two moments of which 0 is never.
constexpr std::int64_t earlier(std::int64_t a_ms, std::int64_t b_ms) {
  if (a_ms == 0 || b_ms == 0) return a_ms + b_ms;
  return a_ms < b_ms ? a_ms : b_ms;
}

/// What dies at `died_ms`, 0 or later, must be gone by then. Moments from disk may be the last.
constexpr std::int64_t deadline_after(std::int64_t died_ms, std::int64_t erase_within_ms) {
  return died_ms > INT64_MAX - erase_within_ms ? INT64_MAX : died_ms + erase_within_ms;
}

/// `lifetime_ms` <= 0 counts as 0.
std::uint32_t lifetime_bucket(std::int64_t lifetime_ms);
/// Of an entry with these two, ms; 0 is never.
std::uint32_t bucket_until(std::int64_t expires_at_ms, std::int64_t erase_by_ms,
                           std::int64_t now_ms);
/// Bucket >= 1.
std::int64_t lifetime_min_s(std::uint32_t bucket);
/// How long a segment of this bucket may take appends before it is sealed, so that its
/// records' deaths stay within about 10%; at least 10 s. 0: no bound (no-expiry bucket).
std::int64_t open_limit_ms(std::uint32_t bucket);

}  // namespace kachel
