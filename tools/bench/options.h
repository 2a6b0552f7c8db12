// What people write on the command line, and the plan that is made of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/error.h"
#include "tools/bench/plan.h"

namespace kachel::bench {

/// As written; empty: not given.
struct Request {
  std::string endpoint = "127.0.0.1:6380";
  std::string protocol = "redis";
  std::string user;
  std::string password;

  std::string phases = "run";
  std::uint64_t threads = 1;
  std::uint64_t connections = 50;
  std::uint64_t pipeline = 1;
  std::string operations;
  std::string duration;
  std::string interval = "1s";

  std::string rate;
  std::string rate_sweep;
  std::string speed_up;
  std::string arrivals = "poisson";

  std::string keys = "100000";
  std::string key_distribution = "uniform";
  std::string key_prefix = "key:";
  std::string trace;
  std::string trace_key = "hash_ids";
  std::string trace_time = "timestamp";
  std::string trace_time_unit = "ms";

  std::string values;
  std::string value_field;
  std::string value_size = "1KiB";
  std::string compressibility;

  std::string mix = "get=90,set=10";
  std::string ttl;
  std::uint64_t ttl_share = 100;
  bool fill_misses = false;
  bool check = false;

  std::string restart_wait = "10m";
  std::string recovery_limit = "2m";
  std::uint64_t seed = 0;
  std::int64_t server_pid = 0;
  bool json = false;
};

/// kInvalidArgument says what to write instead. Reads the files that the request names.
Result<Plan> make_plan(const Request& request);

// Exposed for tests.
/// "1KiB" or "256B..64KiB".
Result<Range> parse_size_range(std::string_view text);
/// "60s" or "10s..60s", ms; not 0.
Result<Range> parse_duration_range(std::string_view text);
/// "1000,2000,5000", or "FROM:TO:STEPS", that many rates evenly from one to the other.
Result<std::vector<double>> parse_rates(std::string_view text);
/// "load,run".
Result<std::vector<PhaseKind>> parse_phases(std::string_view text);

}  // namespace kachel::bench
