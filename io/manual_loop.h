// A Loop that does one thing at a time and only when told, on a clock that moves only when
// told: for tests and the simulator. The same calls give the same run, byte for byte.
//
// Without a seed: posted tasks first, then timers that are due, then pool work, then I/O, each
// first in, first out. With a seed the kind of the next step is drawn, and so is which I/O or
// piece of pool work goes next; posted tasks keep their order and timers theirs, as on a real
// loop. An I/O is then two steps, carrying it out and completing it, with anything between.
//
// The thread that makes the loop is its thread. Only post() and InlinePool::run() may be
// called from others, at the price of repeatability. I/O works on any kind of File.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "io/buffer_pool.h"
#include "io/clock.h"
#include "io/io_request.h"
#include "io/loop.h"
#include "io/random.h"

namespace kachel::io {

/// The loop's queue. Requests are carried out by ManualLoop::run_one().
class ManualQueue final : public IoQueue {
 public:
  ManualQueue() : buffers_(8, std::size_t{64} * 1024) {}
  void submit(IoRequest& request) override;
  void flush() override;
  std::vector<IoRequest*> take_queued() { return std::exchange(queued_, {}); }
  void start(IoRequest& request) { started_.push_back(&request); }
  std::size_t in_flight() const override { return in_flight_; }
  PooledBuffer acquire_buffer(std::size_t bytes) override { return buffers_.acquire(bytes); }
  IoCounters counters() const override { return counters_.load(); }

  /// The oldest of all in flight, queued or started; null when there is none.
  IoRequest* take_any();
  void finish(IoRequest& request);

  bool ready() const { return !started_.empty() || !executed_.empty(); }
  /// Carries out and completes the oldest, or with `random` does one step of any.
  void step(SeededRandom* random);

 private:
  void complete(std::size_t index);

  BufferPool buffers_;
  AtomicIoCounters counters_;
  std::vector<IoRequest*> queued_;    // submitted, not flushed
  std::vector<IoRequest*> started_;   // flushed
  std::vector<IoRequest*> executed_;  // carried out, not completed
  std::size_t in_flight_ = 0;
};

struct ManualLoopOptions {
  std::optional<std::uint64_t> seed;  // none: first in, first out
  // With a seed: how many I/Os in a hundred are slow, and how slow at most.
  std::uint64_t slow_io_percent = 0;
  std::uint64_t slow_io_max_ms = 0;
};

class ManualLoop final : public Loop {
 public:
  /// `clock` must outlive the loop; advance it through the loop, or timers run late.
  explicit ManualLoop(ManualClock& clock, const ManualLoopOptions& options = {});
  /// Forgets what has not run: tasks, timers and requests, without completing them.
  ~ManualLoop() override;

  /// Does one step; false when there is nothing to do at this time.
  bool run_one();
  /// Steps until there is nothing to do at this time; returns how many. Throws after
  /// `steps_max`: something keeps itself busy.
  std::size_t run_until_idle(std::size_t steps_max = 1'000'000);
  /// Moves the clock on by `ms`, stopping at every timer on the way to run it and all that
  /// follows from it.
  void advance_ms(std::int64_t ms);
  /// Ends every I/O under way with ECANCELED, those submitted in answer to that too: what
  /// belongs to one may hold itself until then.
  void cancel_io();
  bool has_timers() const { return !timers_.empty(); }

  IoQueue& io() override { return queue_; }
  void post(Task task) override;
  TimerId schedule_after(std::chrono::milliseconds delay, Task task) override;
  void cancel(TimerId id) override;
  bool in_loop_thread() const override { return std::this_thread::get_id() == thread_; }

 private:
  friend class InlinePool;
  enum class Step { kTask, kTimer, kWork, kIo };

  void add_work(Task work);
  std::optional<Step> choose_step();
  void start_io();
  void run_task();
  void run_timer();
  void run_work();

  ManualClock& clock_;
  const std::thread::id thread_;
  const ManualLoopOptions options_;
  std::optional<SeededRandom> random_;
  ManualQueue queue_;  // before the tasks, which may hold its buffers

  mutable std::mutex mutex_;
  std::deque<Task> tasks_;  // guarded by mutex_; whoever posts bounds it
  std::vector<Task> work_;  // guarded by mutex_

  using TimerKey = std::pair<std::int64_t, TimerId>;  // when due, on the monotonic clock
  std::map<TimerKey, Task> timers_;
  TimerId last_timer_id_ = 0;
  std::map<TimerId, IoRequest*> slow_;  // by the timer that starts it
};

/// A BlockingPool whose work is steps of a ManualLoop, on its thread.
class InlinePool final : public BlockingPool {
 public:
  explicit InlinePool(ManualLoop& loop) : loop_(loop) {}
  void run(Task work) override {
    if (!keeps_work_) return loop_.add_work(std::move(work));
    kept_.push_back(std::move(work));
    loop_.add_work([&kept = kept_.back()] { kept(); });
  }
  /// What has run is destroyed with the pool only: a thread may be as late as that.
  void keep_work() { keeps_work_ = true; }

 private:
  ManualLoop& loop_;
  bool keeps_work_ = false;
  std::deque<Task> kept_;
};

}  // namespace kachel::io
