#include "server/request_quota.h"

#include <algorithm>

namespace kachel::server {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::chrono::milliseconds kShortestPatience{5};
constexpr std::chrono::milliseconds kLongestPatience{1000};

}  // namespace

bool RequestQuota::try_take(std::uint64_t per_second, std::int64_t now_ns) {
  const std::int64_t interval_ns = kSecondNs / static_cast<std::int64_t>(per_second);
  std::int64_t until_ns = empty_until_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t next_ns = std::max(until_ns, now_ns - kSecondNs) + interval_ns;
    if (next_ns > now_ns) return false;
    if (empty_until_ns_.compare_exchange_weak(until_ns, next_ns, std::memory_order_relaxed)) {
      return true;
    }
  }
}

std::chrono::milliseconds RequestQuota::patience(std::uint64_t per_second) const {
  const std::uint64_t ahead = waiting.load(std::memory_order_relaxed);
  const std::chrono::milliseconds turns(static_cast<std::int64_t>(ahead * 1000 / per_second));
  return std::clamp(turns, kShortestPatience, kLongestPatience);
}

RequestQuotas::RequestQuotas()
    : clock_([] {
        return static_cast<std::int64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                         std::chrono::nanoseconds(1));
      }) {}

RequestQuotas::Pointer RequestQuotas::of(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  const auto found = quotas_.find(tenant);
  if (found != quotas_.end()) return found->second;
  return quotas_.emplace(std::string(tenant), std::make_shared<RequestQuota>()).first->second;
}

std::map<std::string, RequestQuotas::Pointer, std::less<>> RequestQuotas::all() const {
  const std::lock_guard lock(mutex_);
  return quotas_;
}

}  // namespace kachel::server
