#include "engine/reclaim_policy.h"

#include <algorithm>
#include <vector>

namespace kachel {
namespace {
constexpr std::size_t kMinCandidates = 4;

/// Live share times reads per KiB (one added, so that an unread but live segment is worth more
/// than a dead one), in steps of an eighth: between equals age decides, not the last record
/// that happened to fit.
std::uint64_t worth(const SegmentView& segment) {
  const double bytes = static_cast<double>(std::max<std::uint64_t>(segment.bytes, 1));
  const double live_share = static_cast<double>(segment.live_bytes) / bytes;
  const double reads = static_cast<double>(segment.reads) * 1024.0 / bytes;
  return static_cast<std::uint64_t>(live_share * (1.0 + reads) * 8.0);
}
}  // namespace

std::optional<std::uint64_t> choose_expired(std::span<const SegmentView> segments,
                                            std::int64_t now_ms) {
  for (const SegmentView& segment : segments) {
    if (segment.sealed && segment.highest_deadline_ms != 0 &&
        segment.highest_deadline_ms <= now_ms) {
      return segment.id;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> choose_victim(std::span<const SegmentView> segments) {
  std::vector<SegmentView> sealed;
  std::copy_if(segments.begin(), segments.end(), std::back_inserter(sealed),
               [](const SegmentView& segment) { return segment.sealed; });
  if (sealed.empty()) return std::nullopt;
  std::sort(sealed.begin(), sealed.end(),
            [](const SegmentView& a, const SegmentView& b) { return a.id < b.id; });
  for (const SegmentView& segment : sealed) {
    if (segment.live_bytes == 0) return segment.id;
  }
  const std::size_t candidates =
      std::min(sealed.size(), std::max(kMinCandidates, sealed.size() / 4));
  return std::min_element(
             sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(candidates),
             [](const SegmentView& a, const SegmentView& b) { return worth(a) < worth(b); })
      ->id;
}

}  // namespace kachel
