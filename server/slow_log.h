// The last commands that took long, for SLOWLOG: which, how long, how large, whose. Never a key or
// a value.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace kachel::server {

/// From the start of its work to its answer, waiting for turns not included.
struct SlowCommand {
  std::uint64_t id = 0;    // from 0 on, never again
  std::int64_t at_ms = 0;  // since the epoch
  std::int64_t duration_us = 0;
  std::string_view command;     // static
  std::uint32_t arguments = 0;  // with the command
  std::uint64_t request_bytes = 0;
  std::string client_address;
  std::string client_name;
};

/// Thread-safe.
class SlowLog {
 public:
  static constexpr std::size_t kMostKept = 128;

  /// 0: nothing is kept.
  void set_slower_than_us(std::int64_t us) { slower_than_us_.store(us); }
  std::int64_t slower_than_us() const { return slower_than_us_.load(std::memory_order_relaxed); }
  bool is_on() const { return slower_than_us() > 0; }
  bool is_slow(std::int64_t duration_ns) const { return duration_ns / 1000 > slower_than_us(); }

  /// Gives it its id.
  void note(SlowCommand slow);
  /// Whether it is to be told in the daemon's log as well: not each of many.
  bool may_tell(std::int64_t now_ns);
  /// The newest first.
  std::vector<SlowCommand> newest(std::size_t count) const;
  std::size_t size() const;
  void clear();
  /// Since the start.
  std::uint64_t noted() const { return noted_.load(std::memory_order_relaxed); }

  /// A clock that costs next to nothing and steps every few ms, ns since some moment.
  static std::int64_t now_ns();

 private:
  std::atomic<std::int64_t> slower_than_us_{10'000};
  std::atomic<std::uint64_t> noted_{0};
  std::atomic<std::int64_t> told_ns_{0};
  mutable std::mutex mutex_;
  std::deque<SlowCommand> kept_;  // guarded by mutex_; the newest first
};

}  // namespace kachel::server
