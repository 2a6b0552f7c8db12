#include "tools/bench/cpu_meter.h"

#include <cinttypes>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <sys/resource.h>
#include <unistd.h>

namespace kachel::bench {
namespace {

struct StatFileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::int64_t ns_of(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_usec} * 1000;
}

}  // namespace

ProcessCpu ProcessCpu::now() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {ns_of(usage.ru_utime), ns_of(usage.ru_stime)};
}

ThreadMeter ThreadMeter::of_this_thread() {
  return ThreadMeter(::gettid());
}

/// Linux' schedstat: time on a CPU, time waiting for one, both in ns.
std::optional<ThreadMeter::Reading> ThreadMeter::read() const {
  const std::string path = fmt::format("/proc/self/task/{}/schedstat", thread_);
  const std::unique_ptr<std::FILE, StatFileCloser> file(std::fopen(path.c_str(), "re"));
  if (!file) return std::nullopt;
  char line[128];
  Reading reading;
  if (std::fgets(line, sizeof(line), file.get()) == nullptr) return std::nullopt;
  if (std::sscanf(line, "%" SCNd64 " %" SCNd64, &reading.cpu_ns, &reading.waiting_ns) != 2) {
    return std::nullopt;
  }
  return reading;
}

Result<ServerMeter> ServerMeter::of(pid_t process) {
  clockid_t clock{};
  if (const int error = ::clock_getcpuclockid(process, &clock); error != 0) {
    return os_error(error, fmt::format("CPU time of process {}", process));
  }
  const ServerMeter meter(clock);
  if (!meter.cpu_ns()) {
    return Error{ErrorCode::kNotFound, fmt::format("there is no process {} to be seen", process)};
  }
  return meter;
}

std::optional<std::int64_t> ServerMeter::cpu_ns() const {
  timespec time{};
  if (::clock_gettime(clock_, &time) != 0) return std::nullopt;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace kachel::bench
