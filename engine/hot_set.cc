#include "engine/hot_set.h"

#include <algorithm>

namespace kachel {

std::string describe(const WarmProgress& progress) {
  if (progress.entries == 0 || progress.entries_done == 0) return "0 %";
  constexpr std::int64_t kMsPerSecond = 1000;
  const std::uint64_t done = std::min(progress.entries_done, progress.entries);
  const std::int64_t left_s = (progress.left_ms + kMsPerSecond - 1) / kMsPerSecond;
  return std::to_string(done * 100 / progress.entries) + " %, " + std::to_string(left_s) +
         " s left";
}

WarmProgress HotSet::progress(std::int64_t monotonic_ns) const {
  WarmProgress progress;
  progress.entries = entries_named;
  progress.entries_done = entries_done;
  progress.entries_warmed = entries_warmed;
  progress.bytes_read = bytes_read;
  const std::int64_t until_ns = is_warming ? monotonic_ns : warming_ended_ns.load();
  progress.elapsed_ms = (until_ns - warming_began_ns) / kNsPerMs;
  if (progress.entries_done > 0 && progress.entries > progress.entries_done) {
    const double left = static_cast<double>(progress.entries - progress.entries_done) /
                        static_cast<double>(progress.entries_done);
    progress.left_ms = static_cast<std::int64_t>(left * static_cast<double>(progress.elapsed_ms));
  }
  return progress;
}

}  // namespace kachel
