#include "bench/policies/bound.h"

#include <algorithm>

#include "bench/policies/belady.h"

namespace kachel::policies {
namespace {

struct Reuse {
  double space = 0;  // bytes x requests
  double gain = 0;
};

double most_gain(std::vector<Reuse>& reuses, double space) {
  std::sort(reuses.begin(), reuses.end(),
            [](const Reuse& a, const Reuse& b) { return a.gain * b.space > b.gain * a.space; });
  double gain = 0;
  for (const Reuse& reuse : reuses) {
    if (reuse.space > space) return gain + reuse.gain * space / reuse.space;
    space -= reuse.space;
    gain += reuse.gain;
  }
  return gain;
}

template <typename Gain>
double bound_of(const Workload& workload, std::uint64_t capacity_bytes, Gain gain_of) {
  const std::vector<std::uint64_t> next = next_uses(workload.requests);
  std::vector<Reuse> reuses;
  double whole = 0;
  for (std::size_t i = 0; i < next.size(); ++i) {
    const Request& request = workload.requests[i];
    const auto gain = static_cast<double>(gain_of(request));
    whole += gain;
    if (next[i] == kNever || request.bytes > capacity_bytes) continue;
    reuses.push_back({static_cast<double>(request.bytes) * static_cast<double>(next[i] - i), gain});
  }
  if (whole == 0) return 0;
  const double space = static_cast<double>(capacity_bytes) * static_cast<double>(next.size());
  return most_gain(reuses, space) / whole;
}

}  // namespace

Ratios upper_bound_of(const Workload& workload, std::uint64_t capacity_bytes) {
  Ratios ratios;
  ratios.object = bound_of(workload, capacity_bytes, [](const Request&) { return 1; });
  ratios.byte = bound_of(workload, capacity_bytes, [](const Request& r) { return r.bytes; });
  ratios.money =
      bound_of(workload, capacity_bytes, [](const Request& r) { return r.cost_micro_usd; });
  return ratios;
}

}  // namespace kachel::policies
