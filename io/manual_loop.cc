#include "io/manual_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace kachel::io {

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

std::size_t draw(SeededRandom* random, std::size_t count) {
  return random == nullptr ? 0 : static_cast<std::size_t>(random->next() % count);
}

template <typename List>
typename List::value_type take_at(List& from, std::size_t index) {
  const auto at = from.begin() + static_cast<std::ptrdiff_t>(index);
  auto taken = std::move(*at);
  from.erase(at);
  return taken;
}

}  // namespace

void ManualQueue::submit(IoRequest& request) {
  queued_.push_back(&request);
  ++in_flight_;
}

void ManualQueue::flush() {
  started_.insert(started_.end(), queued_.begin(), queued_.end());
  queued_.clear();
}

void ManualQueue::step(SeededRandom* random) {
  const std::size_t drawn = draw(random, started_.size() + executed_.size());
  if (drawn >= started_.size()) return complete(drawn - started_.size());
  IoRequest* request = take_at(started_, drawn);
  execute(*request, counters_);
  executed_.push_back(request);
  if (random == nullptr) complete(executed_.size() - 1);
}

void ManualQueue::complete(std::size_t index) {
  finish(*take_at(executed_, index));
}

void ManualQueue::finish(IoRequest& request) {
  --in_flight_;
  request.on_complete(request);
}

IoRequest* ManualQueue::take_any() {
  for (auto* list : {&queued_, &started_, &executed_}) {
    if (!list->empty()) return take_at(*list, 0);
  }
  return nullptr;
}

ManualLoop::ManualLoop(ManualClock& clock, const ManualLoopOptions& options)
    : clock_(clock), thread_(std::this_thread::get_id()), options_(options) {
  if (options.seed) random_.emplace(*options.seed);
}

ManualLoop::~ManualLoop() = default;

std::optional<ManualLoop::Step> ManualLoop::choose_step() {
  std::array<Step, 4> ready{};
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!tasks_.empty()) ready[count++] = Step::kTask;
    const bool due = !timers_.empty() && timers_.begin()->first.first <= clock_.monotonic_ns();
    if (due) ready[count++] = Step::kTimer;
    if (!work_.empty()) ready[count++] = Step::kWork;
  }
  if (queue_.ready()) ready[count++] = Step::kIo;
  if (count == 0) return std::nullopt;
  return ready[draw(random_ ? &*random_ : nullptr, count)];
}

bool ManualLoop::run_one() {
  start_io();
  const auto step = choose_step();
  if (!step) return false;
  switch (*step) {
    case Step::kTask:
      run_task();
      break;
    case Step::kTimer:
      run_timer();
      break;
    case Step::kWork:
      run_work();
      break;
    case Step::kIo:
      queue_.step(random_ ? &*random_ : nullptr);
      break;
  }
  return true;
}

std::size_t ManualLoop::run_until_idle(std::size_t steps_max) {
  std::size_t steps = 0;
  while (run_one()) {
    ++steps;
    if (steps == steps_max) throw std::runtime_error("the loop does not come to rest");
  }
  return steps;
}

void ManualLoop::advance_ms(std::int64_t ms) {
  const std::int64_t end_ns = clock_.monotonic_ns() + ms * kNsPerMs;
  run_until_idle();
  while (!timers_.empty() && timers_.begin()->first.first <= end_ns) {
    const std::int64_t wait_ns = timers_.begin()->first.first - clock_.monotonic_ns();
    clock_.advance_ms(std::max<std::int64_t>(wait_ns / kNsPerMs, 0));
    run_until_idle();
  }
  clock_.advance_ms(std::max<std::int64_t>((end_ns - clock_.monotonic_ns()) / kNsPerMs, 0));
  run_until_idle();
}

void ManualLoop::start_io() {
  for (IoRequest* request : queue_.take_queued()) {
    const bool slow =
        random_ && options_.slow_io_percent > 0 && random_->next() % 100 < options_.slow_io_percent;
    if (!slow) {
      queue_.start(*request);
      continue;
    }
    const std::uint64_t delay_ms =
        1 + random_->next() % std::max<std::uint64_t>(options_.slow_io_max_ms, 1);
    const TimerId id = last_timer_id_ + 1;
    schedule_after(std::chrono::milliseconds(delay_ms),
                   [this, id] { queue_.start(*slow_.extract(id).mapped()); });
    slow_.emplace(id, request);
  }
}

void ManualLoop::cancel_io() {
  for (auto& [id, request] : std::exchange(slow_, {})) {
    cancel(id);
    queue_.start(*request);
  }
  while (IoRequest* request = queue_.take_any()) {
    request->error = ECANCELED;
    request->transferred = 0;
    queue_.finish(*request);
  }
}

void ManualLoop::run_task() {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    task = take_at(tasks_, 0);
  }
  task();
}

void ManualLoop::run_timer() {
  // Out of the table first: the task may cancel itself or set others.
  Task task = std::move(timers_.extract(timers_.begin()).mapped());
  task();
}

void ManualLoop::run_work() {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    task = take_at(work_, draw(random_ ? &*random_ : nullptr, work_.size()));
  }
  task();
}

void ManualLoop::post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
}

void ManualLoop::add_work(Task work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
}

Loop::TimerId ManualLoop::schedule_after(std::chrono::milliseconds delay, Task task) {
  const TimerId id = ++last_timer_id_;
  const std::int64_t due_ns =
      clock_.monotonic_ns() + std::max<std::int64_t>(delay.count(), 0) * kNsPerMs;
  timers_.emplace(TimerKey{due_ns, id}, std::move(task));
  return id;
}

void ManualLoop::cancel(TimerId id) {
  std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
}

}  // namespace kachel::io
