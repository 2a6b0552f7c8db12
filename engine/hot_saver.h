// Writes the hot tier's manifest: at every stop in order, and every minute. The next start refills
// the hot tier by it (HotWarmer).
//
// The old one goes when the new one is there, and it is written more often than `erase_within`
// asks for: of what is dead the MAC is not kept longer than anything else of it. An erase with a
// receipt is not over before there is a manifest without it. Not while the hot tier is being
// refilled, which would forget what has not come yet; nor, if it can be, before that has begun.
//
// Log thread only; the writing is the blocking pool's.
#pragma once

#include <memory>

#include "engine/core.h"

namespace kachel {

class HotSaver {
 public:
  explicit HotSaver(Core& core) : core_(core) {}

  void start();
  /// Writes one, and no more; `done` then.
  void stop(io::Task done);

 private:
  struct Manifest;

  void schedule_tick();
  std::int64_t interval_ns() const;
  void look();
  void drop_old();
  void save();
  void go_on(const std::shared_ptr<Manifest>& manifest);
  Result<void> begin(Manifest& manifest);
  Result<void> add(Manifest& manifest, const Shard& shard);
  Result<void> end(Manifest& manifest);
  void clear();
  void on_saved(const Manifest& manifest);

  Core& core_;
  io::Loop::TimerId tick_timer_ = 0;
  std::int64_t next_ns_ = 0;
  std::int64_t latest_ns_ = 0;  // until then a copy that is in doubt keeps the one it came with
  bool busy_ = false;
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
