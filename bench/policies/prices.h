// What tokens cost: round figures of what is asked for models of four sizes. The traces name no
// models, so these are assumptions; the tables show what comes out with one price for all, too.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "bench/policies/spread.h"

namespace kachel::policies {

/// Per million tokens, in USD; so per token, in micro-USD.
struct Price {
  double input = 0;
  double output = 0;

  /// At least 1: what nothing is known of would be 0.
  std::uint64_t micro_usd(std::uint64_t tokens_in, std::uint64_t tokens_out) const {
    const double cost =
        static_cast<double>(tokens_in) * input + static_cast<double>(tokens_out) * output;
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(cost)));
  }
};

inline constexpr Price kSmallModel{0.15, 0.60};
inline constexpr Price kMediumModel{1.0, 5.0};
inline constexpr Price kLargeModel{2.5, 10.0};
inline constexpr Price kLargestModel{15.0, 75.0};
inline constexpr Price kEmbeddingModel{0.02, 0.0};

/// Half of the keys are of the small model, a twentieth of the largest.
constexpr Price mixed_price_of(Key key) {
  const std::uint64_t twentieth = spread(key ^ 0x7072696365) % 20;
  if (twentieth < 10) return kSmallModel;
  if (twentieth < 15) return kMediumModel;
  return twentieth < 19 ? kLargeModel : kLargestModel;
}

inline constexpr std::uint64_t kBytesPerToken = 4;
/// Of the JSON around a completion: id, model, usage, ...
inline constexpr std::uint64_t kEnvelopeBytes = 400;

constexpr std::uint64_t completion_bytes(std::uint64_t tokens) {
  return kEnvelopeBytes + tokens * kBytesPerToken;
}

}  // namespace kachel::policies
