// The wall clock as the store sees it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "io/clock.h"

namespace kachel {

/// Of several that raise it at once the highest counts.
template <typename T>
void raise_to(std::atomic<T>& highest, T value) {
  T known = highest.load(std::memory_order_relaxed);
  while (value > known && !highest.compare_exchange_weak(known, value)) {
  }
}

/// Never back, not even across restarts. Any thread.
class StoreClock {
 public:
  /// Never past this, whatever a clock or a file says, so that lifetimes can be added to it.
  static constexpr std::int64_t kLatestMs = INT64_MAX / 2;

  explicit StoreClock(const io::Clock& clock) : clock_(clock) {}
  std::int64_t now_ms() const {
    raise_to(highest_, std::min(clock_.wall_ms(), kLatestMs));
    return highest_.load(std::memory_order_relaxed);
  }
  void raise(std::int64_t wall_ms) { raise_to(highest_, std::min(wall_ms, kLatestMs)); }

 private:
  const io::Clock& clock_;
  mutable std::atomic<std::int64_t> highest_{0};
};

}  // namespace kachel
