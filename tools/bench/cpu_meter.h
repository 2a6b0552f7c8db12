// What CPU time was spent: by the load generator, by each of its threads, by the server.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <sys/types.h>

#include "io/error.h"

namespace kachel::bench {

/// User and system time of this process.
struct ProcessCpu {
  std::int64_t user_ns = 0;
  std::int64_t system_ns = 0;

  static ProcessCpu now();
};

/// A thread of this process, read from any other.
class ThreadMeter {
 public:
  struct Reading {
    std::int64_t cpu_ns = 0;
    std::int64_t waiting_ns = 0;  // ready to run, without a CPU
  };
  /// Of the calling thread.
  static ThreadMeter of_this_thread();
  /// Nothing once the thread has ended.
  std::optional<Reading> read() const;

 private:
  explicit ThreadMeter(pid_t thread) : thread_(thread) {}
  pid_t thread_;
};

/// CPU time of another process, all its threads together, since it began.
class ServerMeter {
 public:
  /// kNotFound if there is no such process, or none that we may look at.
  static Result<ServerMeter> of(pid_t process);
  /// Nothing once it has ended.
  std::optional<std::int64_t> cpu_ns() const;

 private:
  explicit ServerMeter(clockid_t clock) : clock_(clock) {}
  clockid_t clock_;
};

}  // namespace kachel::bench
