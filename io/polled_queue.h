// An IoQueue that a loop drives: it hands in requests (flush), runs completions (reap), and
// sleeps until the wake descriptor is readable. Every call on the owning thread.
//
//   turn:   ... submit() ... -> flush() -> reap()
//   sleep:  if (reap() == 0 && prepare_to_wait()) wait for wake_fd(); end_wait();
#pragma once

#include <cstddef>
#include <functional>

#include "io/file.h"

namespace kachel::io {

class PolledQueue : public IoQueue {
 public:
  /// An eventfd of the queue's own. Readable is a hint: there may be nothing to reap.
  virtual int wake_fd() const = 0;
  /// Runs the completions that are there and says how many things happened.
  virtual std::size_t reap() = 0;
  /// Has completions from here on signal wake_fd(). False when there is something to flush or
  /// reap at once, so waiting would be wrong. Follow with end_wait() in either case.
  virtual bool prepare_to_wait() = 0;
  /// Completions need not signal any more.
  virtual void end_wait() = 0;
};

/// Flushes, reaps and sleeps until it holds, or nothing is in flight: a queue without a loop.
void run_until(PolledQueue& queue, const std::function<bool()>& holds);
void run_until_idle(PolledQueue& queue);

}  // namespace kachel::io
