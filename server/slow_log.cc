#include "server/slow_log.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace kachel::server {

void SlowLog::note(SlowCommand slow) {
  const std::lock_guard lock(mutex_);
  slow.id = noted_.fetch_add(1, std::memory_order_relaxed);
  kept_.push_front(std::move(slow));
  if (kept_.size() > kMostKept) kept_.pop_back();
}

bool SlowLog::may_tell(std::int64_t now_ns) {
  constexpr std::int64_t kBetweenNs = 1'000'000'000;
  std::int64_t told_ns = told_ns_.load(std::memory_order_relaxed);
  if (told_ns != 0 && now_ns - told_ns < kBetweenNs) return false;
  return told_ns_.compare_exchange_strong(told_ns, now_ns);
}

std::vector<SlowCommand> SlowLog::newest(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  const auto most = static_cast<std::ptrdiff_t>(std::min(count, kept_.size()));
  return {kept_.begin(), kept_.begin() + most};
}

std::size_t SlowLog::size() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

void SlowLog::clear() {
  const std::lock_guard lock(mutex_);
  kept_.clear();
}

std::int64_t SlowLog::now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace kachel::server
