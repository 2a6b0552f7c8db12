// Ranks that follow Zipf's law, in constant time and memory whatever their number: rejection
// inversion, W. Hoermann and G. Derflinger, "Rejection-inversion to generate variates from monotone
// discrete distributions", ACM TOMACS 6 (1996).
#pragma once

#include <cstdint>

#include "tools/bench/random.h"

namespace kachel::bench {

class Zipf {
 public:
  /// Ranks 0 to `count` - 1, rank r as often as (r + 1)^-skew; `count` > 0, `skew` > 0.
  Zipf(std::uint64_t count, double skew);
  std::uint64_t sample(Random& random) const;

 private:
  double density(double x) const;
  double integral(double x) const;
  double integral_inverse(double x) const;

  double count_;
  double skew_;
  double integral_first_;
  double integral_last_;
  double always_taken_;
};

}  // namespace kachel::bench
