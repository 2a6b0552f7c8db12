// What recently left a cache, by fingerprint: a FIFO of bounded length with O(1) membership.
// A fingerprint that is taken and comes back may be forgotten early, by its older place in
// the queue; nothing worse than a missed hint.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace kachel {

class GhostQueue {
 public:
  /// Bytes a fingerprint takes at most: its place in the queue, and a slot of the set (8
  /// bytes and one of metadata) right after the set has doubled, 7/16 full.
  static constexpr std::size_t kBytesEach = 8 + 9 * 16 / 7 + 1;

  void add(std::uint64_t fingerprint) {
    if (set_.insert(fingerprint).second) queue_.push_back(fingerprint);
  }
  /// Forgets it; true when it was there.
  bool take(std::uint64_t fingerprint) { return set_.erase(fingerprint) != 0; }
  void trim(std::size_t length) {
    while (queue_.size() > length) {
      set_.erase(queue_.front());
      queue_.pop_front();
    }
  }
  void clear() { *this = {}; }
  /// Gives back what a longer queue has left behind.
  void shrink_to_fit() {
    queue_.shrink_to_fit();
    set_.rehash(0);
  }

 private:
  struct Hash {
    using is_avalanching = void;  // fingerprints are parts of MACs
    std::size_t operator()(std::uint64_t value) const noexcept { return value; }
  };
  std::deque<std::uint64_t> queue_;
  boost::unordered_flat_set<std::uint64_t, Hash> set_;
};

}  // namespace kachel
