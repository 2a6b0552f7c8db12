// What is to be done, checked and complete. options.h makes it of what people write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tools/bench/key_source.h"
#include "tools/bench/mix.h"
#include "tools/bench/operation.h"
#include "tools/bench/protocol.h"
#include "tools/bench/schedule.h"
#include "tools/bench/trace.h"
#include "tools/bench/values.h"

namespace kachel::bench {

enum class PhaseKind : std::uint8_t {
  kLoad,     // sets each key once
  kRun,      // the mix
  kCold,     // gets of keys that were never stored
  kRestart,  // waits for a restart, then the mix until the hit ratio is back
};
std::string_view phase_name(PhaseKind kind);

struct ServerAddress {
  std::string endpoint;  // HOST:PORT
  std::string user;      // empty: without
  std::string password;  // empty: no authentication
};

struct Plan {
  ServerAddress server;
  std::unique_ptr<Protocol> protocol;
  std::unique_ptr<ValueSource> values;
  std::optional<Trace> trace;

  std::uint64_t threads = 1;
  std::uint64_t connections = 1;  // of all threads
  std::uint64_t pipeline = 1;     // requests of a connection that are unanswered, at most

  std::vector<PhaseKind> phases;
  std::vector<double> rates;       // operations/s of an open loop, one run each; empty: closed loop
  std::optional<double> speed_up;  // the open loop follows the trace's times
  Arrivals arrivals = Arrivals::kPoisson;
  std::uint64_t operations = 0;  // 0: no bound but
  std::int64_t duration_ns = 0;  // 0: no bound but the above

  std::uint64_t keys = 0;
  std::string key_prefix;
  KeyDistribution key_distribution;
  Mix mix{OperationKind::kGet};
  Range ttl_ms;                   // 0: sets are for good
  std::uint64_t ttl_share = 100;  // of the sets, percent
  bool fill_misses = false;
  bool check = false;

  std::int64_t interval_ns = 0;
  std::int64_t restart_wait_ns = 0;    // for the server to go and come, each
  std::int64_t recovery_limit_ns = 0;  // for the hit ratio
  std::uint64_t seed = 0;
  pid_t server_pid = 0;  // 0: not known
  bool json = false;
};

/// One phase of a plan.
struct PhasePlan {
  PhaseKind kind = PhaseKind::kRun;
  std::optional<double> rate;      // operations/s: open loop
  std::optional<double> speed_up;  // of the trace's times: open loop
  std::uint64_t operations = 0;    // 0: no bound
  std::int64_t duration_ns = 0;    // 0: no bound

  bool is_open() const { return rate || speed_up; }
};

}  // namespace kachel::bench
