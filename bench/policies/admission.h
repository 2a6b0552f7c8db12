// What of what is computed goes to flash at once. What does not is in the hot tier alone, and goes
// to flash when it is asked for there.
#pragma once

#include <algorithm>
#include <cmath>

#include "bench/policies/request.h"

namespace kachel::policies {

enum class AdmissionRule : std::uint8_t {
  kAll,
  kSecondTouch,    // nothing
  kCostThreshold,  // what costs per byte at least half of the (geometric) mean of late
};

class Admission {
 public:
  explicit Admission(AdmissionRule rule) : rule_(rule) {}

  bool admits(const Request& computed) {
    if (rule_ != AdmissionRule::kCostThreshold) return rule_ == AdmissionRule::kAll;
    constexpr double kMeanShare = 1.0 / 256;  // of a new one
    const double cost = static_cast<double>(std::max<std::uint64_t>(computed.cost_micro_usd, 1));
    const double level = std::log2(cost / static_cast<double>(computed.value_bytes));
    mean_level_ = has_mean_ ? mean_level_ + (level - mean_level_) * kMeanShare : level;
    has_mean_ = true;
    return level >= mean_level_ - 1;
  }

 private:
  AdmissionRule rule_;
  double mean_level_ = 0;
  bool has_mean_ = false;
};

}  // namespace kachel::policies
