// IoCounters that one thread counts in and any thread reads. Internal to io/.
#pragma once

#include <atomic>

#include "io/file.h"

namespace kachel::io {

class AtomicIoCounters {
 public:
  void count_read(std::uint64_t bytes) {
    add(reads_, 1);
    add(read_bytes_, bytes);
  }
  void count_sync() { add(syncs_, 1); }
  void count_error() { add(errors_, 1); }

  IoCounters load() const {
    return {reads_.load(std::memory_order_relaxed),
            read_bytes_.load(std::memory_order_relaxed),
            syncs_.load(std::memory_order_relaxed),
            errors_.load(std::memory_order_relaxed),
            0,
            0};
  }

 private:
  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t value) {
    counter.fetch_add(value, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> reads_{0};
  std::atomic<std::uint64_t> read_bytes_{0};
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<std::uint64_t> errors_{0};
};

}  // namespace kachel::io
