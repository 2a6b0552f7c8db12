// Whether who asks the index may as well wait for the answer, though it is not in the index's own
// memory: while it comes out of the page cache, that takes less than handing the question to
// another thread and back. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace kachel {

class LookupPace {
 public:
  /// Of one lookup, the time that it took.
  void note(std::int64_t ns) {
    // Relaxed, and a note may be lost between two threads: it is an average.
    const std::int64_t before = mean_ns_.load(std::memory_order_relaxed);
    const std::int64_t now = std::min(ns, kMostNs);
    mean_ns_.store(before + (now - before) / kWeight, std::memory_order_relaxed);
  }
  bool is_quick() const { return mean_ns_.load(std::memory_order_relaxed) < kQuickNs; }

 private:
  static constexpr std::int64_t kWeight = 32;
  static constexpr std::int64_t kQuickNs = 40'000;    // less than a read of the device takes
  static constexpr std::int64_t kMostNs = 1'000'000;  // one that has waited for its turn is no rule
  std::atomic<std::int64_t> mean_ns_{kMostNs};        // slow until shown to be quick
};

}  // namespace kachel
