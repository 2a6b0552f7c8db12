#include "engine/compactor.h"

#include <algorithm>
#include <utility>

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kCompactorTick{500};
// When somebody waits: from the end of one to the beginning of the next, and as a multiple of what
// the last one took, so that erases in a row share them.
constexpr std::int64_t kBetweenHurriedMs = 1'000;
constexpr std::int64_t kRestShare = 10;
}  // namespace

void Compactor::start() {
  ended_ns_ = now_ns();
  schedule_tick();
}

void Compactor::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kCompactorTick, [this] {
    if (stopping_) return;
    schedule_tick();
    look();
  });
}

void Compactor::hurry(std::int64_t deadline_ms) {
  waited_for_ms_ = earlier(waited_for_ms_, deadline_ms);
}

void Compactor::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!running_) return done();
  stopped_ = std::move(done);
  log_.abort_compaction();
}

void Compactor::look() {
  if (running_ || !core_.writable || log_.index_is_full()) return;
  if (is_time()) begin();
}

bool Compactor::is_time() const {
  const IndexDebt& debt = core_.index_debt;
  const std::int64_t begin_by_ms = debt.begin_by_ms();
  const std::int64_t due_ms = earlier(debt.uncovered_due_ms(), waited_for_ms_);
  if (due_ms == 0) return false;
  const std::int64_t now_ms = core_.clock.now_ms();
  const std::int64_t rest_ms = (now_ns() - ended_ns_) / 1'000'000;
  const bool is_pressing = due_ms - debt.margin_ms() <= now_ms;
  if (is_pressing || (begin_by_ms != 0 && begin_by_ms <= now_ms)) {
    if (rest_ms >= IndexDebt::kBetweenMs) return true;
  }
  return waited_for_ms_ != 0 &&
         rest_ms >= std::max(kBetweenHurriedMs, kRestShare * debt.duration_ms());
}

void Compactor::begin() {
  running_ = true;
  waited_for_ms_ = 0;
  began_ns_ = now_ns();
  core_.index_debt.begin_compaction();
  log_.compact([this](const Result<void>& result) { end(result); });
}

void Compactor::end(const Result<void>& result) {
  running_ = false;
  waited_for_ms_ = 0;  // who waits for another one says so again
  ended_ns_ = now_ns();
  core_.index_debt.end_compaction(result.has_value(), (ended_ns_ - began_ns_) / 1'000'000);
  if (!result && !stopping_) bump(core_.counters.io_errors);
  if (stopped_) std::exchange(stopped_, nullptr)();
}

}  // namespace kachel
