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

/// `lifetime_ms` <= 0 counts as 0.
std::uint32_t lifetime_bucket(std::int64_t lifetime_ms);
/// Bucket >= 1.
std::int64_t lifetime_min_s(std::uint32_t bucket);
/// How long a segment of this bucket may take appends before it is sealed, so that its
/// records' deaths stay within about 10%; at least 10 s. 0: no bound (no-expiry bucket).
std::int64_t open_limit_ms(std::uint32_t bucket);

}  // namespace kachel
