#include "engine/reclaim_policy.h"

#include <algorithm>
#include <cmath>

namespace kachel {
namespace {
constexpr std::size_t kMinCandidates = 4;
// How long before its deadline the reclaim of a segment begins: a share of its life.
constexpr std::int64_t kSlackShare = 10;
constexpr std::int64_t kMinSlackMs = 1'500;  // looks are half a second apart
constexpr std::int64_t kMaxSlackMs = 3'600'000;
// Of a use: what an entry is taken to have ahead of it whether it was used or not.
constexpr double kUseAhead = 0.25;
constexpr double kLeastWorth = 0.5;  // so an unused one has to cost twice the mean

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
    if (segment.sealed && segment.held != HeldShare::kAll && segment.highest_deadline_ms != 0 &&
        segment.highest_deadline_ms <= now_ms) {
      return segment.id;
    }
  }
  return std::nullopt;
}

std::int64_t reclaim_slack_ms(std::int64_t due_ms, std::int64_t began_ms) {
  return std::clamp((due_ms - began_ms) / kSlackShare, kMinSlackMs, kMaxSlackMs);
}

namespace {

/// By their deadlines.
std::vector<SegmentView> due_in_order(std::span<const SegmentView> segments) {
  std::vector<SegmentView> due;
  std::copy_if(segments.begin(), segments.end(), std::back_inserter(due),
               [](const SegmentView& segment) {
                 return segment.due_ms != 0 && segment.held != HeldShare::kAll &&
                        (segment.sealed || segment.open);
               });
  std::sort(due.begin(), due.end(), [](const SegmentView& a, const SegmentView& b) {
    return std::pair(a.due_ms, a.id) < std::pair(b.due_ms, b.id);
  });
  return due;
}

}  // namespace

std::optional<std::uint64_t> choose_due(std::span<const SegmentView> segments, std::int64_t now_ms,
                                        const ReclaimCost& cost) {
  const std::vector<SegmentView> due = due_in_order(segments);
  std::int64_t queue_ms = 0;
  for (const SegmentView& segment : due) {
    queue_ms += 2 * cost.of(segment);
    const std::int64_t slack_ms = reclaim_slack_ms(segment.due_ms, segment.created_ms);
    if (segment.due_ms - std::max(queue_ms, slack_ms) <= now_ms) return due.front().id;
  }
  return std::nullopt;
}

bool is_pressing(std::span<const SegmentView> segments, std::int64_t now_ms,
                 const ReclaimCost& cost) {
  std::int64_t queue_ms = 0;
  for (const SegmentView& segment : due_in_order(segments)) {
    queue_ms += cost.of(segment) * 3 / 2;
    if (segment.due_ms - queue_ms <= now_ms) return true;
  }
  return false;
}

std::optional<std::uint64_t> choose_victim(std::span<const SegmentView> segments) {
  std::vector<SegmentView> sealed;
  std::copy_if(segments.begin(), segments.end(), std::back_inserter(sealed),
               [](const SegmentView& segment) {
                 return segment.sealed && segment.held == HeldShare::kUnknown;
               });
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

namespace {

double cost_per_byte(const KeepCandidate& candidate) {
  return static_cast<double>(candidate.cost) / static_cast<double>(candidate.bytes);
}

/// The geometric mean: costs per byte lie powers of ten apart. 0 when none is known.
double mean_cost_per_byte(std::span<const KeepCandidate> candidates) {
  double sum = 0;
  std::size_t known = 0;
  for (const KeepCandidate& candidate : candidates) {
    if (candidate.cost == 0 || candidate.bytes == 0) continue;
    sum += std::log2(cost_per_byte(candidate));
    ++known;
  }
  return known == 0 ? 0 : std::exp2(sum / static_cast<double>(known));
}

}  // namespace

std::vector<KeepCandidate> choose_kept(std::span<const KeepCandidate> candidates) {
  const double mean = mean_cost_per_byte(candidates);
  std::vector<std::pair<double, KeepCandidate>> worthy;
  for (const KeepCandidate& candidate : candidates) {
    if (candidate.bytes == 0) continue;
    const double share = candidate.cost == 0 ? 1 : cost_per_byte(candidate) / mean;
    const double worth = (candidate.uses + kUseAhead) * share;
    if (candidate.uses > 0 || worth >= kLeastWorth) worthy.emplace_back(worth, candidate);
  }
  // Between equals the order in the segment decides: that in which they are read.
  std::stable_sort(worthy.begin(), worthy.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<KeepCandidate> kept;
  kept.reserve(worthy.size());
  for (const auto& [worth, candidate] : worthy)
    kept.push_back(candidate);
  return kept;
}

}  // namespace kachel
