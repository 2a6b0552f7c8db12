// The flash tier as far as room in it goes: segments, what lives in them, and which is given up.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/policies/request.h"
#include "engine/reclaim_policy.h"

namespace kachel::policies {

/// Which segment goes next, and what of it is written anew.
enum class ReclaimOrder : std::uint8_t {
  kEngine,     // choose_victim(), and choose_kept() up to a quarter; all of what is mostly dead
  kHot,        // choose_victim(), and what is hot up to a quarter; all of what is mostly dead
  kFifo,       // the oldest; nothing
  kLeastLive,  // the fewest bytes alive, of those the oldest; nothing
  kValue,      // the least saved of late, of the older half; what was read, the dearest first
};

struct FlashOptions {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t segment_bytes = 0;
  ReclaimOrder order = ReclaimOrder::kEngine;
  /// Accesses in the hot tier.
  std::function<unsigned(Key)> heat;
  /// An entry that was evicted.
  std::function<void(Key)> on_evicted;
};

class Flash {
 public:
  explicit Flash(FlashOptions options);

  bool contains(Key key) const { return places_.contains(key); }
  /// False when it is not there.
  bool read(Key key);
  /// Of what is not there. What is larger than a segment is not taken.
  void write(const Request& request);
  void erase(Key key);

  std::uint64_t bytes_written() const { return bytes_written_; }
  std::uint64_t bytes_used() const;
  std::uint64_t segments() const { return segments_.size(); }

 private:
  struct Segment {
    SegmentView view;
    std::vector<Key> keys;  // in order; of those that have moved or died, too
    double saved = 0;       // by reads of late
  };
  struct Place {
    std::uint64_t segment = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cost_micro_usd = 0;
    std::uint64_t reads = 0;  // since it was written there
  };

  void append(Key key, Place place);
  void open_segment();
  Segment& segment_of(std::uint64_t id);
  std::size_t choose() const;
  std::size_t choose_least_saved() const;
  void reclaim();
  std::vector<Key> survivors_of(const Segment& segment) const;
  std::vector<Key> by_worth_of(const std::vector<Key>& alive) const;
  std::vector<Key> hot_of(const std::vector<Key>& alive) const;
  std::vector<Key> dearest_read_of(const std::vector<Key>& alive) const;
  std::vector<Key> first_of(const std::vector<Key>& keys, std::uint64_t bytes) const;

  FlashOptions options_;
  std::deque<Segment> segments_;  // by id
  std::unordered_map<Key, Place> places_;
  std::uint64_t next_id_ = 1;
  std::uint64_t bytes_written_ = 0;
};

/// What a record takes besides its value.
inline constexpr std::uint64_t kRecordOverheadBytes = 100;

}  // namespace kachel::policies
