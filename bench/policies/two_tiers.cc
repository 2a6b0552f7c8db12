#include "bench/policies/two_tiers.h"

#include <algorithm>

namespace kachel::policies {

double TwoTierRun::hot_ratio() const {
  return static_cast<double>(hot_hits) /
         static_cast<double>(std::max<std::uint64_t>(tally.requests, 1));
}

double TwoTierRun::written_per_byte() const {
  return static_cast<double>(written_bytes) /
         static_cast<double>(std::max<std::uint64_t>(computed_bytes, 1));
}

TwoTierRun replay(const Workload& workload, Policy& hot, AdmissionRule rule, FlashOptions options) {
  options.heat = [&hot](Key key) { return hot.heat(key); };
  options.on_evicted = [&hot](Key key) { hot.erase(key); };
  Flash flash(std::move(options));
  Admission admission(rule);
  TwoTierRun run;
  for (const Request& request : workload.requests) {
    if (request.replaces != kNoKey) {
      hot.erase(request.replaces);
      flash.erase(request.replaces);
    }
    const bool is_hot = hot.access(request);
    const bool is_on_flash = is_hot ? flash.contains(request.key) : flash.read(request.key);
    run.tally.count(request, is_hot || is_on_flash);
    run.hot_hits += is_hot ? 1 : 0;
    if (!is_hot) hot.insert(request);
    const bool is_computed = !is_hot && !is_on_flash;
    if (is_computed) run.computed_bytes += request.value_bytes + kRecordOverheadBytes;
    if (is_hot ? !is_on_flash : is_computed && admission.admits(request)) flash.write(request);
  }
  run.written_bytes = flash.bytes_written();
  return run;
}

std::uint64_t segment_bytes_for(const Footprint& footprint, std::uint64_t capacity_bytes) {
  constexpr std::uint64_t kSegments = 32;
  constexpr std::uint64_t kFewestEntries = 8;  // in one
  const std::uint64_t bytes = capacity_bytes / kSegments;
  const std::uint64_t mean_bytes =
      footprint.value_bytes / std::max<std::uint64_t>(footprint.keys, 1);
  return bytes < kFewestEntries * mean_bytes ? 0 : bytes;
}

}  // namespace kachel::policies
