#include "io/asio_loop.h"

#include <array>
#include <atomic>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include "io/blocking_queue.h"
#include "io/check.h"
#include "io/uring_queue.h"

namespace kachel::io {

namespace asio = boost::asio;

namespace {

// Handlers run before the loop looks at I/O again, so that neither starves the other, and what the
// first of them have answered does not wait for the last.
constexpr std::size_t kMaxHandlersPerTurn = 512;

}  // namespace

struct AsioLoop::State {
  explicit State(const AsioLoopOptions& loop_options) : options(loop_options) {}

  void make_queue();
  void listen_to_queue();
  void turn();
  std::size_t run_handlers();
  void run_turn_end_tasks();
  bool is_drained();
  void run_posted();
  void schedule_posted();
  bool is_turn_over() const {
    return std::chrono::steady_clock::now() - turn_started >= options.turn_time;
  }

  const AsioLoopOptions options;
  std::unique_ptr<PolledQueue> queue;  // first: buffers held by what follows go back to it

  asio::io_context context{1};  // one thread runs it: Asio may skip waking others
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::posix::stream_descriptor wake{context};
  std::array<std::byte, sizeof(std::uint64_t)> wake_count{};  // read from the eventfd, unused

  std::atomic<std::thread::id> thread{};
  std::atomic<bool> stopping{false};
  std::atomic<bool> started{false};
  bool draining = false;
  bool is_uring = false;        // written before `started`
  std::string fallback_reason;  // written before `started`

  std::mutex mutex;
  std::vector<Task> posted;     // guarded by mutex; whoever posts bounds it
  bool post_scheduled = false;  // guarded by mutex: run_posted() is on its way

  std::vector<Task> running;  // the batch of `posted` that is being run
  std::chrono::steady_clock::time_point turn_started;
  std::vector<Task> turn_end;
  std::vector<Task> turn_end_running;
  struct Timer {
    asio::steady_timer timer;
    Task task;
  };
  std::unordered_map<TimerId, std::unique_ptr<Timer>> timers;
  TimerId last_timer_id = 0;
};

void AsioLoop::State::make_queue() {
  if (!options.allow_io_uring) {
    fallback_reason = "io_uring is switched off";
  } else {
    auto made = UringQueue::create({.queue_depth = options.queue_depth,
                                    .registered_buffers = options.registered_buffers,
                                    .registered_buffer_bytes = options.registered_buffer_bytes});
    if (made) {
      queue = std::move(*made);
      is_uring = true;
    } else {
      fallback_reason = made.error().message;
    }
  }
  if (queue == nullptr) {
    queue = std::make_unique<BlockingQueue>(
        BlockingQueueOptions{.pooled_buffers = options.registered_buffers,
                             .pooled_buffer_bytes = options.registered_buffer_bytes});
  }
  // A copy of the descriptor: Asio closes the one it is given.
  wake.assign(::dup(queue->wake_fd()));
  started.store(true, std::memory_order_release);
}

/// Its only purpose is to end the sleep in run_one(); reap() looks for itself.
void AsioLoop::State::listen_to_queue() {
  wake.async_read_some(asio::buffer(wake_count),
                       [this](const boost::system::error_code& error, std::size_t) {
                         if (error != asio::error::operation_aborted) listen_to_queue();
                       });
}

std::size_t AsioLoop::State::run_handlers() {
  std::size_t count = 0;
  turn_started = std::chrono::steady_clock::now();
  while (count < kMaxHandlersPerTurn && context.poll_one() > 0) {
    ++count;
    if (is_turn_over()) break;
  }
  return count;
}

void AsioLoop::State::run_turn_end_tasks() {
  turn_end_running.swap(turn_end);
  for (Task& task : turn_end_running)
    task();
  turn_end_running.clear();
}

void AsioLoop::State::turn() {
  run_handlers();
  run_turn_end_tasks();
  queue->flush();
  if (queue->reap() > 0)
    return run_turn_end_tasks();  // what has come is not to wait for what is new
  if (!turn_end.empty()) return;
  // While draining only an I/O is worth waiting for: its completion ends the sleep.
  if (draining && queue->in_flight() == 0) return;
  // The handler by which stop() ends the sleep may have run above.
  if (!draining && stopping.load(std::memory_order_acquire)) return;
  // Nothing is left to do here; a handler that is ready by now ends the wait at once.
  if (queue->prepare_to_wait()) context.run_one();
  queue->end_wait();
}

bool AsioLoop::State::is_drained() {
  const std::lock_guard lock(mutex);
  return posted.empty() && !post_scheduled && turn_end.empty() && queue->in_flight() == 0;
}

void AsioLoop::State::run_posted() {
  {
    const std::lock_guard lock(mutex);
    post_scheduled = false;
    running.swap(posted);
  }
  std::size_t next = 0;
  while (next < running.size()) {
    running[next++]();
    if (is_turn_over()) break;
  }
  if (next < running.size()) {
    // Before what was posted meanwhile.
    const auto rest = running.begin() + static_cast<std::ptrdiff_t>(next);
    const std::lock_guard lock(mutex);
    posted.insert(posted.begin(), std::make_move_iterator(rest),
                  std::make_move_iterator(running.end()));
    if (!std::exchange(post_scheduled, true)) schedule_posted();
  }
  running.clear();
}

void AsioLoop::State::schedule_posted() {
  asio::post(context, [this] { run_posted(); });
}

AsioLoop::AsioLoop(const AsioLoopOptions& options) : state_(std::make_unique<State>(options)) {}

AsioLoop::~AsioLoop() = default;

void AsioLoop::run() {
  State& state = *state_;
  KACHEL_CHECK(!state.started.load(), "a loop runs once");
  state.thread.store(std::this_thread::get_id());
  state.make_queue();
  state.listen_to_queue();
  while (!state.stopping.load(std::memory_order_acquire))
    state.turn();

  // Timers fire no more; what was posted runs, and what it submits completes.
  state.draining = true;
  state.timers.clear();
  while (state.run_handlers() > 0 || !state.is_drained())
    state.turn();
  state.timers.clear();
  state.thread.store(std::thread::id{});
}

void AsioLoop::stop() {
  state_->stopping.store(true, std::memory_order_release);
  asio::post(state_->context, [] {});  // wakes run()
}

IoQueue& AsioLoop::io() {
  KACHEL_CHECK(state_->queue != nullptr, "the loop has no queue before run()");
  return *state_->queue;
}

void AsioLoop::post(Task task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->posted.push_back(std::move(task));
    if (std::exchange(state_->post_scheduled, true)) return;
  }
  state_->schedule_posted();
}

Loop::TimerId AsioLoop::schedule_after(std::chrono::milliseconds delay, Task task) {
  State* state = state_.get();
  const TimerId id = ++state->last_timer_id;
  auto timer = std::make_unique<State::Timer>(
      State::Timer{asio::steady_timer(state->context, delay), std::move(task)});
  timer->timer.async_wait([state, id](const boost::system::error_code&) {
    // Cancelled timers are out of the table, also those whose handler was on its way.
    const auto found = state->timers.find(id);
    if (found == state->timers.end()) return;
    const auto due = std::move(found->second);
    state->timers.erase(found);
    due->task();
  });
  state->timers.emplace(id, std::move(timer));
  return id;
}

void AsioLoop::cancel(TimerId id) {
  state_->timers.erase(id);
}

bool AsioLoop::in_loop_thread() const {
  return state_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void AsioLoop::at_turn_end(Task task) {
  state_->turn_end.push_back(std::move(task));
}

boost::asio::io_context& AsioLoop::context() {
  return state_->context;
}

bool AsioLoop::uses_io_uring() const {
  return state_->started.load(std::memory_order_acquire) && state_->is_uring;
}

std::string AsioLoop::fallback_reason() const {
  return state_->started.load(std::memory_order_acquire) ? state_->fallback_reason : std::string();
}

}  // namespace kachel::io
