// Time as an interface, so that tests and the simulator own it.
#pragma once

#include <atomic>
#include <cstdint>

namespace kachel::io {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall-clock time, milliseconds since the Unix epoch. May jump both ways.
  virtual std::int64_t wall_ms() const = 0;
  /// Monotonic time, nanoseconds since an arbitrary start. Never goes back.
  virtual std::int64_t monotonic_ns() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::int64_t wall_ms() const override;
  std::int64_t monotonic_ns() const override;
};

/// A clock that moves only when told. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_ms = 1'700'000'000'000) : wall_ms_(wall_ms) {}
  std::int64_t wall_ms() const override { return wall_ms_.load(); }
  std::int64_t monotonic_ns() const override { return monotonic_ns_.load(); }
  /// Moves both clocks on by `ms` (>= 0).
  void advance_ms(std::int64_t ms) {
    wall_ms_.fetch_add(ms);
    monotonic_ns_.fetch_add(ms * 1'000'000);
  }
  /// Sets the wall clock alone, as an operator or NTP would.
  void set_wall_ms(std::int64_t ms) { wall_ms_.store(ms); }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> monotonic_ns_{1};
};

}  // namespace kachel::io
