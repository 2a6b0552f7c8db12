// What no policy can exceed, whatever it knows of the future.
#pragma once

#include "bench/policies/request.h"

namespace kachel::policies {

/// Each of its ratios bounded for itself; one policy need not reach two of them.
///
/// A hit at request j, after the key's last request i, takes its bytes in the cache from i to j:
/// bytes x (j - i) out of capacity x requests. Whatever is cached at any moment fits into the
/// capacity, so what all hits take fits into that product. The bound asks for no more than this
/// sum, and for hits in fractions: a knapsack, which is filled best in the order of gain per byte
/// and request. (It is PFOO-L of Berger, Beckmann and Harchol-Balter, SIGMETRICS '18, for each
/// gain: 1, bytes, cost.)
Ratios upper_bound_of(const Workload& workload, std::uint64_t capacity_bytes);

}  // namespace kachel::policies
