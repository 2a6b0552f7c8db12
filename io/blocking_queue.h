// The IoQueue where io_uring is refused: a few threads with pread and fdatasync. It takes any
// kind of File (one that is no PosixFile is read by its own read_at), and so is also how
// in-memory and faulty files are read under a real loop.
//
// Owning thread only, counters() excepted.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "io/buffer_pool.h"
#include "io/io_request.h"
#include "io/polled_queue.h"
#include "io/thread_pool.h"

namespace kachel::io {

struct BlockingQueueOptions {
  std::size_t threads = 8;  // I/Os with the device at once
  std::size_t pooled_buffers = 64;
  std::size_t pooled_buffer_bytes = std::size_t{64} * 1024;
};

class BlockingQueue final : public PolledQueue {
 public:
  explicit BlockingQueue(const BlockingQueueOptions& options = {});
  /// Waits until nothing is in flight, running the completions.
  ~BlockingQueue() override;

  void submit(IoRequest& request) override;
  void flush() override;
  std::size_t in_flight() const override { return in_flight_; }
  PooledBuffer acquire_buffer(std::size_t bytes) override { return buffers_.acquire(bytes); }
  IoCounters counters() const override {
    IoCounters counters = counters_.load();
    counters.in_flight = in_flight_;
    return counters;
  }

  int wake_fd() const override { return wake_fd_; }
  std::size_t reap() override;
  bool prepare_to_wait() override;
  void end_wait() override;

 private:
  void run_on_pool(IoRequest& request);

  BufferPool buffers_;
  AtomicIoCounters counters_;
  RequestList queued_;  // submitted, not flushed
  std::atomic<std::size_t> in_flight_{0};
  int wake_fd_ = -1;

  std::mutex mutex_;
  RequestList done_;      // guarded by mutex_
  bool waiting_ = false;  // guarded by mutex_: the owner sleeps on wake_fd_

  std::unique_ptr<ThreadPool> pool_;  // last: its threads use all of the above
};

}  // namespace kachel::io
