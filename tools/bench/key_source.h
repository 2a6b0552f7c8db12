// Which key is next: uniform, Zipf, or one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "io/error.h"
#include "tools/bench/random.h"
#include "tools/bench/zipf.h"

namespace kachel::bench {

enum class KeyOrder : std::uint8_t { kUniform, kZipf, kSequential };

struct KeyDistribution {
  KeyOrder order = KeyOrder::kUniform;
  double skew = 0;  // of kZipf

  /// "uniform", "sequential", "zipf" (0.99, as YCSB has it) or "zipf:SKEW".
  static Result<KeyDistribution> parse(std::string_view text);
};

/// Where popular rank `rank` of `count` keys lies among them: a bijection, so that the popular keys
/// are not those that were loaded one after the other.
constexpr std::uint64_t scattered(std::uint64_t rank, std::uint64_t count) {
  // A prime near 2^64 / phi: as it divides no smaller count, the product is one-to-one.
  constexpr std::uint64_t kPrime = 11'400'714'819'323'198'549U;
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(rank) * kPrime % count);
}

/// One thread's keys: those of thread `part` of `parts`, where the order divides them.
class KeySource {
 public:
  KeySource(const KeyDistribution& distribution, std::uint64_t count, std::uint64_t part,
            std::uint64_t parts);
  std::uint64_t next(Random& random);

 private:
  KeyOrder order_;
  std::uint64_t count_;
  std::uint64_t at_;
  std::uint64_t step_;
  std::optional<Zipf> zipf_;
};

}  // namespace kachel::bench
