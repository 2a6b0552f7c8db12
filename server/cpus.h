// Which processors serve clients, and which do all else. On a host with few of them a worker that
// shares one with the log thread, with compression or compaction is off it for milliseconds at a
// time: the P99 of its clients.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"

namespace kachel::server {

/// Numbers, in order.
using CpuList = std::vector<unsigned>;

/// What an operator wants.
struct WorkerCpus {
  bool automatic = true;
  CpuList cpus;  // unless automatic; empty: any

  friend bool operator==(const WorkerCpus&, const WorkerCpus&) = default;
};
/// "auto", "any", or a list such as "0-3,8".
Result<WorkerCpus> parse_worker_cpus(std::string_view text);

/// An empty list: any.
struct CpuShares {
  CpuList workers;
  CpuList others;
};
/// Automatically the workers get the first of the CPUs that are allowed, as many as they are, on
/// hosts where that leaves some and where there are not so many that nobody gets into the way of
/// others. kInvalidArgument: one that is wanted is not allowed.
Result<CpuShares> share_cpus(const CpuList& allowed, unsigned workers, const WorkerCpus& wanted);

/// Of this process.
CpuList allowed_cpus();
/// The calling thread, and those that it will start. An empty list changes nothing.
Result<void> confine_this_thread(const CpuList& cpus);
/// All threads that there are by now.
Result<void> confine_all_threads(const CpuList& cpus);

/// "0-2,5"
std::string describe(const CpuList& cpus);

}  // namespace kachel::server
