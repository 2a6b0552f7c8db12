// One thread's event loop with its I/O queue, as the engine sees it. AsioLoop is the real
// one (an io_context and an io_uring ring); tests and the simulator bring their own.
#pragma once

#include <chrono>
#include <cstdint>

#include "io/file.h"
#include "io/unique_function.h"

namespace kachel::io {

using Task = UniqueFunction<void()>;

class Loop {
 public:
  using TimerId = std::uint64_t;
  virtual ~Loop() = default;

  /// This loop's queue. Loop thread only.
  virtual IoQueue& io() = 0;
  /// Runs `task` on the loop's thread, later. Any thread. Tasks run in posting order.
  virtual void post(Task task) = 0;
  /// Runs `task` on the loop's thread once `delay` has passed. Loop thread only.
  virtual TimerId schedule_after(std::chrono::milliseconds delay, Task task) = 0;
  /// The task will not run after this returns; unknown ids are ignored. Loop thread only.
  virtual void cancel(TimerId id) = 0;
  virtual bool in_loop_thread() const = 0;
};

/// A few threads for what may wait on a disk and is not worth a state machine of its
/// own: index lookups that miss memory, creation of files.
class BlockingPool {
 public:
  virtual ~BlockingPool() = default;
  /// Runs `work` on some pool thread, and destroys it there, maybe after what it has posted has
  /// run: a handler that belongs to a loop is moved into what is posted, never shared with it.
  /// Any thread. Unordered.
  virtual void run(Task work) = 0;
};

}  // namespace kachel::io
