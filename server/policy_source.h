// Where the workers get the policies in force, and how a new set takes the old one's place.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "server/policy.h"

namespace kachel::server {

/// The set in force. Any thread.
class PolicySource {
 public:
  // Shared: a worker may still read the set that another thread has just replaced.
  using Snapshot = std::shared_ptr<const PolicySet>;

  Snapshot current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void publish(Snapshot next) {
    const std::lock_guard lock(mutex_);
    current_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
  }
  /// Changes with the set.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  Snapshot current_ = std::make_shared<const PolicySet>();  // guarded by mutex_
  std::atomic<std::uint64_t> generation_{1};
};

/// One thread's view: a command costs a load of a number that hardly ever changes, no lock
/// and no reference count that all workers would write.
class PolicyReader {
 public:
  explicit PolicyReader(const PolicySource& source) : source_(source) {}

  /// Of the set that current() gives.
  std::uint64_t generation() const { return source_.generation(); }
  /// Valid until the next call.
  const PolicySet& current() {
    const std::uint64_t generation = source_.generation();
    if (generation != seen_) {
      snapshot_ = source_.current();
      seen_ = generation;
    }
    return *snapshot_;
  }

 private:
  const PolicySource& source_;
  PolicySource::Snapshot snapshot_;
  std::uint64_t seen_ = 0;  // none yet
};

}  // namespace kachel::server
