// The hot tier with flash beneath, as the engine has them: what is computed is written to both,
// what is found on flash comes back to the hot tier, and what flash gives up leaves both.
#pragma once

#include "bench/policies/admission.h"
#include "bench/policies/flash.h"
#include "bench/policies/policy.h"

namespace kachel::policies {

struct TwoTierRun {
  Tally tally;  // of either tier
  std::uint64_t hot_hits = 0;
  std::uint64_t computed_bytes = 0;  // as records: what all misses would write
  std::uint64_t written_bytes = 0;   // to the device

  double hot_ratio() const;
  double written_per_byte() const;
};

TwoTierRun replay(const Workload& workload, Policy& hot, AdmissionRule rule, FlashOptions flash);

/// A thirty-second of the flash. Nothing when too few entries fit in for a segment to be one.
std::uint64_t segment_bytes_for(const Footprint& footprint, std::uint64_t capacity_bytes);

}  // namespace kachel::policies
