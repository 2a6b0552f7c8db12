// Looks twice a second whether deadlines are at risk, and tells when that changes: an alarm comes
// before the deadline has passed.
#pragma once

#include <functional>

#include "engine/core.h"
#include "engine/eraser.h"

namespace kachel {

class ErasureWatch {
 public:
  ErasureWatch(Core& core, const Eraser& eraser) : core_(core), eraser_(eraser) {}

  /// Log thread only, as the next.
  void start();
  void stop();
  /// As it is now. Any thread.
  ErasureOutlook outlook() const;

 private:
  void look();

  Core& core_;
  const Eraser& eraser_;
  io::Loop::TimerId tick_timer_ = 0;
  ErasureTrouble told_ = ErasureTrouble::kNone;
};

}  // namespace kachel
