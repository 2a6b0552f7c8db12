#include "tools/bench/zipf.h"

#include <algorithm>
#include <cmath>

namespace kachel::bench {
namespace {

constexpr double kNearZero = 1e-8;

// log(1 + x) / x, and (exp(x) - 1) / x, with their limits where x is 0: which makes a skew of 1
// nothing special.
double log_over(double x) {
  return std::abs(x) > kNearZero ? std::log1p(x) / x : 1 - x * (0.5 - x / 3);
}
double exp_over(double x) {
  return std::abs(x) > kNearZero ? std::expm1(x) / x : 1 + x * (0.5 + x / 6);
}

}  // namespace

double Zipf::density(double x) const {
  return std::exp(-skew_ * std::log(x));
}

double Zipf::integral(double x) const {
  const double log_x = std::log(x);
  return exp_over((1 - skew_) * log_x) * log_x;
}

double Zipf::integral_inverse(double x) const {
  // Below -1 only by rounding.
  const double t = std::max(-1.0, x * (1 - skew_));
  return std::exp(log_over(t) * x);
}

Zipf::Zipf(std::uint64_t count, double skew)
    : count_(static_cast<double>(count)),
      skew_(skew),
      integral_first_(integral(1.5) - 1),
      integral_last_(integral(count_ + 0.5)),
      always_taken_(2 - integral_inverse(integral(2.5) - density(2))) {}

std::uint64_t Zipf::sample(Random& random) const {
  while (true) {
    const double u = integral_last_ + random.unit() * (integral_first_ - integral_last_);
    const double x = integral_inverse(u);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, count_);
    if (rank - x <= always_taken_ || u >= integral(rank + 0.5) - density(rank)) {
      return static_cast<std::uint64_t>(rank) - 1;
    }
  }
}

}  // namespace kachel::bench
