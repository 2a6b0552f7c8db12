// The real Loop: one thread, one io_context, one io_uring ring (or the blocking fallback).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <memory>

#include "io/loop.h"

namespace kachel::io {

struct AsioLoopOptions {
  unsigned queue_depth = 256;           // I/Os with the kernel at once
  std::size_t registered_buffers = 64;  // of registered_buffer_bytes each
  std::size_t registered_buffer_bytes = std::size_t{64} * 1024;
  /// false: the blocking fallback even where io_uring works.
  bool allow_io_uring = true;
  /// Handlers run for so long, or a little longer, before the turn ends.
  std::chrono::microseconds turn_time{40};
};

class AsioLoop final : public Loop {
 public:
  explicit AsioLoop(const AsioLoopOptions& options = {});
  ~AsioLoop() override;

  /// Runs until stop(). The calling thread becomes the loop's thread; the ring is made here,
  /// on it. Returns with nothing in flight and nothing posted left to run.
  void run();
  /// Any thread.
  void stop();

  IoQueue& io() override;
  void post(Task task) override;
  TimerId schedule_after(std::chrono::milliseconds delay, Task task) override;
  void cancel(TimerId id) override;
  bool in_loop_thread() const override;

  /// Runs `task` once, at the end of this turn: after the handlers that are ready, or as many of
  /// them as fit into turn_time, before the loop submits I/O and sleeps. Loop thread only. For
  /// gathering what a turn produced.
  void at_turn_end(Task task);

  boost::asio::io_context& context();
  /// Whether the ring is io_uring; known once run() has begun.
  bool uses_io_uring() const;
  /// Why not, for the log; empty when it does.
  std::string fallback_reason() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kachel::io
