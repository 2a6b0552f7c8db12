#include "tools/bench/schedule.h"

#include <cmath>
#include <fmt/format.h>

namespace kachel::bench {
namespace {
constexpr double kNsPerSecond = 1e9;
}  // namespace

Result<Arrivals> parse_arrivals(std::string_view text) {
  if (text == "poisson") return Arrivals::kPoisson;
  if (text == "even") return Arrivals::kEven;
  return invalid(fmt::format("\"{}\" is no kind of arrivals: write poisson or even", text));
}

RateSchedule::RateSchedule(Arrivals arrivals, double per_s, std::int64_t begin_ns,
                           std::uint64_t part, std::uint64_t parts, std::uint64_t seed)
    : arrivals_(arrivals),
      begin_ns_(begin_ns),
      mean_gap_ns_(kNsPerSecond * static_cast<double>(parts) / per_s),
      since_begin_ns_(mean_gap_ns_ * static_cast<double>(part) / static_cast<double>(parts)),
      due_ns_(0),
      random_(seed ^ mix64(part + 1)) {
  if (arrivals_ == Arrivals::kPoisson) since_begin_ns_ = gap_ns();
  due_ns_ = begin_ns_ + static_cast<std::int64_t>(since_begin_ns_);
}

double RateSchedule::gap_ns() {
  if (arrivals_ == Arrivals::kEven) return mean_gap_ns_;
  return -std::log(1 - random_.unit()) * mean_gap_ns_;
}

void RateSchedule::advance() {
  since_begin_ns_ += gap_ns();
  due_ns_ = begin_ns_ + static_cast<std::int64_t>(since_begin_ns_);
}

}  // namespace kachel::bench
