#include "bench/policies/simulator.h"

namespace kachel::policies {

Tally replay(const Workload& workload, Policy& policy) {
  Tally tally;
  for (const Request& request : workload.requests) {
    if (request.replaces != kNoKey) policy.erase(request.replaces);
    const bool is_hit = policy.access(request);
    if (!is_hit) policy.insert(request);
    tally.count(request, is_hit);
  }
  return tally;
}

}  // namespace kachel::policies
