// How many requests a tenant may make: requests_per_second of its policy.
//
// A bucket holds a second's worth, so that what comes in bursts is not slowed down. Who finds it
// empty waits (Redis protocol, which has no word for it that all clients know) or is told when to
// come again (HTTP). All workers draw from the same bucket.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace kachel::server {

inline constexpr std::uint64_t kMaxRequestsPerSecond = 1'000'000'000;

/// One tenant's. Thread-safe.
class RequestQuota {
 public:
  /// Takes a request out of the bucket, as `per_second` (above 0) fills it; false when there is
  /// none.
  bool try_take(std::uint64_t per_second, std::int64_t now_ns);
  /// How long somebody who found it empty may best wait before he tries again: the more who wait,
  /// the longer. He counts himself among them until then.
  std::chrono::milliseconds patience(std::uint64_t per_second) const;

  std::atomic<std::uint64_t> waiting{0};  // now
  std::atomic<std::uint64_t> delayed{0};  // requests that had to wait
  std::atomic<std::uint64_t> refused{0};  // and those that were told to come again

 private:
  // Until when the bucket is empty, were it filled from now on only: its content is the time that
  // this lies behind the present.
  std::atomic<std::int64_t> empty_until_ns_{0};
};

/// Of all tenants that have had one. Thread-safe.
class RequestQuotas {
 public:
  using Pointer = std::shared_ptr<RequestQuota>;
  using Clock = std::function<std::int64_t()>;

  RequestQuotas();
  /// Another one than the system's, in ns. Before anybody asks.
  void set_clock(Clock clock) { clock_ = std::move(clock); }

  Pointer of(std::string_view tenant);
  std::map<std::string, Pointer, std::less<>> all() const;
  std::int64_t now_ns() const { return clock_(); }

 private:
  Clock clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Pointer, std::less<>> quotas_;  // guarded by mutex_
};

}  // namespace kachel::server
