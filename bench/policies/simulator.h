// Replays a workload.
#pragma once

#include "bench/policies/policy.h"

namespace kachel::policies {

/// Through one cache that has nothing beneath it.
Tally replay(const Workload& workload, Policy& policy);

}  // namespace kachel::policies
