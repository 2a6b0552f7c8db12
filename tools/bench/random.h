// Randomness for load: fast, repeatable from a seed, and inlined, because every operation draws.
#pragma once

#include <cstdint>

namespace kachel::bench {

/// SplitMix64's finaliser: a bijection whose outputs look independent.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

/// The high half of a product: of a random number, one in [0, bound).
constexpr std::uint64_t scale(std::uint64_t random, std::uint64_t bound) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(random) * bound) >> 64U);
}

/// SplitMix64. One thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix64(seed + kStep)) {}

  std::uint64_t next() { return mix64(state_ += kStep); }
  /// [0, bound); `bound` > 0.
  std::uint64_t below(std::uint64_t bound) { return scale(next(), bound); }
  /// [0, 1).
  double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15U;
  std::uint64_t state_;
};

}  // namespace kachel::bench
