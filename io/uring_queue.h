// The IoQueue on io_uring: one ring, made and used by one thread only (SINGLE_ISSUER).
//
// Requests gather in a list and go to the kernel in one system call per flush(), at most
// `queue_depth` at a time; the rest wait in the list. Files are read through registered slots
// (file_slots.h) and, where the buffer is one of the pool's, through registered memory.
// Reads longer than kMaxIoBytes, and short ones, are continued one part after the other.
//
// With DEFER_TASKRUN the eventfd is signalled before a completion exists; reap() therefore
// asks the kernel each time instead of trusting the hint. While the loop is awake the eventfd
// is switched off, which saves a write and a read of it per completion.
//
// A File that is no PosixFile (tests) is read by its own read_at in flush(), blocking the
// thread, and completed by the next reap().
#pragma once

#include <memory>
#include <string>

#include "io/polled_queue.h"

namespace kachel::io {

struct UringQueueOptions {
  unsigned queue_depth = 256;  // I/Os with the kernel at once
  std::size_t registered_buffers = 64;
  std::size_t registered_buffer_bytes = std::size_t{64} * 1024;
  unsigned file_slots = 1024;
};

class UringQueue final : public PolledQueue {
 public:
  /// On the thread that will use it. Fails with kUnsupported or the kernel's own refusal
  /// (kPermission under a container's seccomp filter); then use a BlockingQueue.
  static Result<std::unique_ptr<UringQueue>> create(const UringQueueOptions& options = {});
  /// Waits until nothing is in flight, running the completions. With nothing in flight it may
  /// be destroyed on any thread.
  ~UringQueue() override;

  void submit(IoRequest& request) override;
  void flush() override;
  std::size_t in_flight() const override;
  PooledBuffer acquire_buffer(std::size_t bytes) override;
  IoCounters counters() const override;

  int wake_fd() const override;
  std::size_t reap() override;
  bool prepare_to_wait() override;
  void end_wait() override;

  /// Why reads copy through unregistered memory (a low RLIMIT_MEMLOCK); empty when they don't.
  const std::string& unregistered_reason() const;

 private:
  struct State;
  explicit UringQueue(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kachel::io
