// How fast reclaim goes while nothing presses: within a budget of bytes a second, and slower while
// those who read from the device have to wait longer than they do without it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace kachel {

/// How long reads from the device take, as moving averages. Any thread.
class ReadLatency {
 public:
  void note(std::int64_t us) {
    std::atomic<std::int64_t>& average = is_reclaiming_.load() ? meanwhile_us_ : otherwise_us_;
    const std::int64_t before = average.load();
    average.store(before == 0 ? us : (before * 15 + us) / 16);
  }
  void set_reclaiming(bool is_so) {
    if (is_so) meanwhile_us_ = 0;
    is_reclaiming_ = is_so;
  }
  bool suffers() const {
    const std::int64_t otherwise_us = otherwise_us_;
    return otherwise_us != 0 && meanwhile_us_ > otherwise_us + otherwise_us / 5;
  }

 private:
  std::atomic<bool> is_reclaiming_{false};
  std::atomic<std::int64_t> meanwhile_us_{0};  // 0: none yet
  std::atomic<std::int64_t> otherwise_us_{0};
};

class ReclaimPace {
 public:
  ReclaimPace(const ReadLatency& latency, std::uint64_t bytes_per_s)
      : latency_(latency), bytes_per_s_(bytes_per_s) {}

  /// How long what moves so many bytes should take, its rest included.
  std::int64_t duration_ms(std::uint64_t bytes) {
    constexpr std::uint64_t kMostTimes = 8;
    times_ = latency_.suffers() ? std::min(times_ * 2, kMostTimes)
                                : std::max<std::uint64_t>(times_ / 2, 1);
    return static_cast<std::int64_t>(bytes * 1000 / std::max<std::uint64_t>(bytes_per_s_, 1) *
                                     times_);
  }

 private:
  const ReadLatency& latency_;
  const std::uint64_t bytes_per_s_;
  std::uint64_t times_ = 1;  // slower than the budget
};

}  // namespace kachel
