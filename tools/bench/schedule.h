// When the operations of an open loop are due: by a rate, whatever the server does, or by a trace's
// own times. Latency is measured from then, so that a server that stalls is charged for all who
// would have come meanwhile: that is what "no coordinated omission" means.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/error.h"
#include "tools/bench/random.h"

namespace kachel::bench {

enum class Arrivals : std::uint8_t { kPoisson, kEven };
/// "poisson" or "even".
Result<Arrivals> parse_arrivals(std::string_view text);

/// One thread's part of a rate. Times are nanoseconds of the monotonic clock.
class RateSchedule {
 public:
  /// `per_s` is the rate of all `parts` threads together; even arrivals interleave theirs.
  RateSchedule(Arrivals arrivals, double per_s, std::int64_t begin_ns, std::uint64_t part,
               std::uint64_t parts, std::uint64_t seed);
  std::int64_t due_ns() const { return due_ns_; }
  void advance();

 private:
  double gap_ns();

  const Arrivals arrivals_;
  const std::int64_t begin_ns_;
  const double mean_gap_ns_;
  double since_begin_ns_;
  std::int64_t due_ns_;
  Random random_;
};

/// When a request of a trace is due, played `speed_up` times as fast.
inline std::int64_t trace_due_ns(std::int64_t begin_ns, std::int64_t at_ns, double speed_up) {
  return begin_ns + static_cast<std::int64_t>(static_cast<double>(at_ns) / speed_up);
}

/// Tells whose fault a late start is. An operation that is due waits while every connection has a
/// full pipeline: then the server is slow. If it was late although there was room, then we are.
class LatenessJudge {
 public:
  enum class Verdict : std::uint8_t { kInTime, kServerSlow, kGeneratorSlow };

  explicit LatenessJudge(std::int64_t tolerance_ns) : tolerance_ns_(tolerance_ns) {}

  /// There was no room for what is due.
  void no_room() { has_room_ = false; }
  /// There is, since `now_ns`.
  void room(std::int64_t now_ns) {
    if (!has_room_) room_since_ns_ = now_ns;
    has_room_ = true;
  }
  Verdict judge(std::int64_t due_ns, std::int64_t now_ns) const {
    if (now_ns - due_ns <= tolerance_ns_) return Verdict::kInTime;
    const std::int64_t could_ns = due_ns > room_since_ns_ ? due_ns : room_since_ns_;
    return now_ns - could_ns <= tolerance_ns_ ? Verdict::kServerSlow : Verdict::kGeneratorSlow;
  }

 private:
  const std::int64_t tolerance_ns_;
  bool has_room_ = true;
  std::int64_t room_since_ns_ = 0;
};

}  // namespace kachel::bench
