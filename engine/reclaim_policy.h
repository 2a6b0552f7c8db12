// Which segment to give up next. Pure functions over what is known of each.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kachel {

/// Of the puts in a segment, those under a hold.
enum class HeldShare : std::uint8_t {
  kUnknown,
  kMost,  // room can be made elsewhere at less expense
  kAll,   // nothing in there is to be destroyed, whatever its deadline
};

struct SegmentView {
  std::uint64_t id = 0;
  bool sealed = false;
  std::uint64_t bytes = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t reads = 0;               // flash hits since it was opened
  std::int64_t highest_deadline_ms = 0;  // 0: some entry has none
  bool open = false;
  std::int64_t created_ms = 0;
  std::int64_t due_ms = 0;  // when the first of what is dead in it must be gone; 0: nothing has to
  HeldShare held = HeldShare::kUnknown;
};

/// A sealed segment in which every entry's time has passed.
std::optional<std::uint64_t> choose_expired(std::span<const SegmentView> segments,
                                            std::int64_t now_ms);

/// How long before its deadline the reclaim of what is known since `began_ms` begins, whatever it
/// takes.
std::int64_t reclaim_slack_ms(std::int64_t due_ms, std::int64_t began_ms);

/// What it takes to give a segment up: some time, and more for what lives in it and is written
/// anew.
struct ReclaimCost {
  std::int64_t typical_ms = 0;
  std::int64_t us_per_kib = 0;  // of what is written anew

  std::int64_t of(const SegmentView& segment) const {
    const auto live_kib = static_cast<std::int64_t>(segment.live_bytes / 1024);
    return typical_ms + live_kib * us_per_kib / 1000;
  }
};

/// The open or sealed segment that must go first, once it is time to begin: early enough for all
/// that are due before it, each at its cost, twice over; and otherwise late, so that more of it has
/// died by then.
std::optional<std::uint64_t> choose_due(std::span<const SegmentView> segments, std::int64_t now_ms,
                                        const ReclaimCost& cost);

/// Whether all that is due would not be done in time, each at its cost and half as much again: then
/// reclaim rests no more.
bool is_pressing(std::span<const SegmentView> segments, std::int64_t now_ms,
                 const ReclaimCost& cost);

/// The segment whose loss costs least for the bytes it frees: among the oldest of the sealed
/// ones (a quarter, at least 4), the lowest live share, weighted by how often it is read.
/// Empty ones come first.
std::optional<std::uint64_t> choose_victim(std::span<const SegmentView> segments);

/// An entry in a segment that is given up for room.
struct KeepCandidate {
  std::uint64_t id = 0;  // the caller's
  std::uint64_t bytes = 0;
  std::uint64_t cost = 0;  // of computing it anew, in whatever all have in common; 0: not known
  unsigned uses = 0;       // of late, in the hot tier
};

/// What is better written anew than evicted, the worthiest first: what was used, and what costs at
/// least twice the mean per byte, each by uses x cost / bytes. An entry of unknown cost costs the
/// mean. How much of it is kept is the caller's to say.
std::vector<KeepCandidate> choose_kept(std::span<const KeepCandidate> candidates);

}  // namespace kachel
