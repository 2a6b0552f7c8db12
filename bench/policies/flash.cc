#include "bench/policies/flash.h"

#include <algorithm>
#include <utility>

namespace kachel::policies {
namespace {

// As the engine's reclaimer has them.
constexpr std::uint64_t kKeptShare = 4;
constexpr std::uint64_t kPackedShare = 3;
constexpr unsigned kMostUses = 3;  // that HotShard counts

}  // namespace

Flash::Flash(FlashOptions options) : options_(std::move(options)) {
  open_segment();
}

void Flash::open_segment() {
  Segment& segment = segments_.emplace_back();
  segment.view.id = next_id_++;
  segment.view.open = true;
}

Flash::Segment& Flash::segment_of(std::uint64_t id) {
  return *std::lower_bound(
      segments_.begin(), segments_.end(), id,
      [](const Segment& segment, std::uint64_t wanted) { return segment.view.id < wanted; });
}

std::uint64_t Flash::bytes_used() const {
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_)
    bytes += segment.view.bytes;
  return bytes;
}

bool Flash::read(Key key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return false;
  Segment& segment = segment_of(found->second.segment);
  ++found->second.reads;
  ++segment.view.reads;
  segment.saved += static_cast<double>(found->second.cost_micro_usd);
  return true;
}

void Flash::write(const Request& request) {
  const std::uint64_t bytes = request.value_bytes + kRecordOverheadBytes;
  if (bytes > options_.segment_bytes) return;
  append(request.key, {0, bytes, request.cost_micro_usd, 0});
  while (segments_.size() * options_.segment_bytes > options_.capacity_bytes)
    reclaim();
}

void Flash::append(Key key, Place place) {
  if (segments_.back().view.bytes + place.bytes > options_.segment_bytes) {
    segments_.back().view.open = false;
    segments_.back().view.sealed = true;
    open_segment();
  }
  Segment& segment = segments_.back();
  segment.keys.push_back(key);
  segment.view.bytes += place.bytes;
  segment.view.live_bytes += place.bytes;
  place.segment = segment.view.id;
  bytes_written_ += place.bytes;
  places_[key] = place;
}

void Flash::erase(Key key) {
  const auto found = places_.find(key);
  if (found == places_.end()) return;
  segment_of(found->second.segment).view.live_bytes -= found->second.bytes;
  places_.erase(found);
}

/// Never the open one, which is the last.
std::size_t Flash::choose() const {
  const auto sealed_end = segments_.end() - 1;
  switch (options_.order) {
    case ReclaimOrder::kFifo:
      return 0;
    case ReclaimOrder::kLeastLive: {
      const auto least = std::min_element(
          segments_.begin(), sealed_end,
          [](const Segment& a, const Segment& b) { return a.view.live_bytes < b.view.live_bytes; });
      return static_cast<std::size_t>(least - segments_.begin());
    }
    case ReclaimOrder::kValue:
      return choose_least_saved();
    case ReclaimOrder::kEngine:
    case ReclaimOrder::kHot:
      break;
  }
  std::vector<SegmentView> views;
  for (const Segment& segment : segments_)
    views.push_back(segment.view);
  const std::uint64_t victim = choose_victim(views).value();
  return static_cast<std::size_t>(
      std::find_if(views.begin(), views.end(),
                   [victim](const SegmentView& view) { return view.id == victim; }) -
      views.begin());
}

/// By the share that is alive. The younger half has had no time to show what it is good for.
std::size_t Flash::choose_least_saved() const {
  const auto worth = [](const Segment& segment) {
    return segment.saved * static_cast<double>(segment.view.live_bytes) /
           static_cast<double>(segment.view.bytes);
  };
  const auto half = static_cast<std::ptrdiff_t>((segments_.size() - 1) / 2);
  const auto least =
      std::min_element(segments_.begin(), segments_.begin() + std::max<std::ptrdiff_t>(half, 1),
                       [&](const Segment& a, const Segment& b) { return worth(a) < worth(b); });
  return static_cast<std::size_t>(least - segments_.begin());
}

void Flash::reclaim() {
  const std::size_t victim = choose();
  const Segment segment = std::move(segments_[victim]);
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(victim));
  for (Segment& other : segments_)
    other.saved *= 1.0 - 1.0 / static_cast<double>(segments_.size());
  for (const Key key : survivors_of(segment)) {
    Place place = places_.at(key);
    place.reads = 0;
    append(key, place);
  }
  for (const Key key : segment.keys) {
    const auto found = places_.find(key);
    if (found == places_.end() || found->second.segment != segment.view.id) continue;
    places_.erase(found);
    options_.on_evicted(key);
  }
}

std::vector<Key> Flash::survivors_of(const Segment& segment) const {
  std::vector<Key> alive;
  std::copy_if(segment.keys.begin(), segment.keys.end(), std::back_inserter(alive), [&](Key key) {
    const auto found = places_.find(key);
    return found != places_.end() && found->second.segment == segment.view.id;
  });
  switch (options_.order) {
    case ReclaimOrder::kFifo:
    case ReclaimOrder::kLeastLive:
      return {};
    case ReclaimOrder::kValue:
      return first_of(dearest_read_of(alive), segment.view.bytes / kKeptShare);
    case ReclaimOrder::kEngine:
    case ReclaimOrder::kHot:
      break;
  }
  if (segment.view.live_bytes * kPackedShare <= segment.view.bytes) return alive;
  const bool is_by_worth = options_.order == ReclaimOrder::kEngine;
  return first_of(is_by_worth ? by_worth_of(alive) : hot_of(alive),
                  segment.view.bytes / kKeptShare);
}

/// Until they have so many bytes, the last one beyond.
std::vector<Key> Flash::first_of(const std::vector<Key>& keys, std::uint64_t bytes) const {
  std::vector<Key> first;
  std::uint64_t taken = 0;
  for (const Key key : keys) {
    if (taken >= bytes) break;
    taken += places_.at(key).bytes;
    first.push_back(key);
  }
  return first;
}

std::vector<Key> Flash::by_worth_of(const std::vector<Key>& alive) const {
  std::vector<KeepCandidate> candidates;
  for (const Key key : alive) {
    const Place& place = places_.at(key);
    candidates.push_back(
        {key, place.bytes, place.cost_micro_usd, std::min(options_.heat(key), kMostUses)});
  }
  std::vector<Key> kept;
  for (const KeepCandidate& candidate : choose_kept(candidates))
    kept.push_back(candidate.id);
  return kept;
}

std::vector<Key> Flash::hot_of(const std::vector<Key>& alive) const {
  std::vector<Key> hot;
  std::copy_if(alive.begin(), alive.end(), std::back_inserter(hot),
               [this](Key key) { return options_.heat(key) > 0; });
  return hot;
}

/// What was read on flash or is hot, and is worth most per byte, first.
std::vector<Key> Flash::dearest_read_of(const std::vector<Key>& alive) const {
  std::vector<std::pair<double, Key>> worth;
  for (const Key key : alive) {
    const Place& place = places_.at(key);
    const auto uses = static_cast<double>(place.reads + options_.heat(key));
    if (uses == 0) continue;
    const auto cost = static_cast<double>(place.cost_micro_usd);
    worth.emplace_back(-uses * cost / static_cast<double>(place.bytes), key);
  }
  std::sort(worth.begin(), worth.end());
  std::vector<Key> keys;
  keys.reserve(worth.size());
  for (const auto& [minus_worth, key] : worth)
    keys.push_back(key);
  return keys;
}

}  // namespace kachel::policies
