// Has the index compacted in time: when something in it is dead, three quarters of the way to its
// deadline, or soon when an erase waits for nothing else. A compaction that fails is tried again;
// nothing dies of it. Log thread only.
#pragma once

#include <cstdint>

#include "engine/core.h"
#include "engine/log.h"

namespace kachel {

class Compactor {
 public:
  Compactor(Core& core, Log& log) : core_(core), log_(log) {}

  void start();
  /// Somebody waits for the next compaction, and for no more, until then.
  void hurry(std::int64_t deadline_ms);
  /// None begins any more, and one under way is cut short; `done` once none is.
  void stop(io::Task done);

 private:
  void schedule_tick();
  void look();
  bool is_time() const;
  void begin();
  void end(const Result<void>& result);
  std::int64_t now_ns() const { return core_.env.clock.monotonic_ns(); }

  Core& core_;
  Log& log_;
  io::Loop::TimerId tick_timer_ = 0;
  bool running_ = false;
  std::int64_t began_ns_ = 0;
  std::int64_t ended_ns_ = 0;
  std::int64_t waited_for_ms_ = 0;  // until when somebody waits; 0: nobody does
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
