#include "bench/policies/request.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

namespace kachel::policies {
namespace {

double ratio_of(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::uint64_t>(whole, 1));
}

}  // namespace

Footprint footprint_of(const Workload& workload) {
  boost::unordered_flat_set<Key> seen;
  Footprint footprint;
  for (const Request& request : workload.requests) {
    if (!seen.insert(request.key).second) continue;
    ++footprint.keys;
    footprint.bytes += request.bytes;
    footprint.value_bytes += request.value_bytes;
  }
  return footprint;
}

void Tally::count(const Request& request, bool is_hit) {
  ++requests;
  bytes += request.bytes;
  micro_usd += request.cost_micro_usd;
  if (!is_hit) return;
  ++hits;
  hit_bytes += request.bytes;
  saved_micro_usd += request.cost_micro_usd;
}

Ratios Tally::ratios() const {
  return {ratio_of(hits, requests), ratio_of(hit_bytes, bytes),
          ratio_of(saved_micro_usd, micro_usd)};
}

}  // namespace kachel::policies
