// Which segment to give up next. Pure functions over what is known of each.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace kachel {

struct SegmentView {
  std::uint64_t id = 0;
  bool sealed = false;
  std::uint64_t bytes = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t reads = 0;               // flash hits since it was opened
  std::int64_t highest_deadline_ms = 0;  // 0: some entry has none
};

/// A sealed segment in which every entry's time has passed.
std::optional<std::uint64_t> choose_expired(std::span<const SegmentView> segments,
                                            std::int64_t now_ms);

/// The segment whose loss costs least for the bytes it frees: among the oldest of the sealed
/// ones (a quarter, at least 4), the lowest live share, weighted by how often it is read.
/// Empty ones come first.
std::optional<std::uint64_t> choose_victim(std::span<const SegmentView> segments);

}  // namespace kachel
