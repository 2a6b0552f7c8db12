// What all workers of one server share: facts for INFO and HELLO, counters, the clients.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/options.h"
#include "engine/stats.h"
#include "server/authenticator.h"
#include "server/client_registry.h"
#include "server/cpus.h"
#include "server/meter.h"
#include "server/policy_source.h"
#include "server/request_quota.h"
#include "server/resp_parser.h"
#include "server/slow_log.h"
#include "server/tls.h"

namespace kachel::server {

/// The Redis whose replies and fields we give, as clients ask before using a feature.
inline constexpr std::string_view kRedisVersion = "7.2.0";

/// Bounds of what one client may take.
struct SessionLimits {
  ParserLimits parser;
  /// Replies not yet sent: past the soft bound no command is started and nothing read until
  /// half of it has drained; past the hard one the client is cut off.
  std::size_t output_soft_bytes = std::size_t{1} << 20;
  std::size_t output_hard_bytes = std::size_t{256} << 20;
  /// Commands started and not yet answered.
  std::size_t max_pending = 256;
  /// Work done for one client before the others get their turn.
  std::size_t turn_commands = 256;
  std::size_t turn_input_bytes = std::size_t{256} << 10;
  std::chrono::microseconds turn_time{30};  // looked at now and then
};

/// Written by one worker, read by all.
struct WorkerCounters {
  std::atomic<std::uint64_t> commands{0};
  std::atomic<std::uint64_t> errors{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> tls_handshakes{0};
  std::atomic<std::uint64_t> tls_handshakes_failed{0};
  std::atomic<std::uint64_t> input_bytes{0};
  std::atomic<std::uint64_t> output_bytes{0};
  // What the tenant's policy made of writes: see PolicyTotals.
  std::atomic<std::uint64_t> ttl_clamped{0};
  std::atomic<std::uint64_t> erase_by_clamped{0};
  std::atomic<std::uint64_t> sets_without_subject{0};
  std::atomic<std::uint64_t> kachel_sets_refused{0};
  Meter meter;

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
    add_own(counter, amount);
  }
};

struct CounterTotals {
  std::uint64_t commands = 0;
  std::uint64_t errors = 0;
  std::uint64_t connections = 0;
  std::uint64_t rejected = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
};

/// Since the start.
struct PolicyTotals {
  std::uint64_t ttl_clamped = 0;           // writes whose expiry was too late, or none
  std::uint64_t erase_by_clamped = 0;      // KACHEL.SETs whose ERASEBY was too late
  std::uint64_t sets_without_subject = 0;  // SETs accepted, and not stored for that reason
  std::uint64_t kachel_sets_refused = 0;   // KACHEL.SETs refused for the same
};

/// Since the start, of all ports with TLS.
struct TlsTotals {
  std::uint64_t handshakes = 0;
  std::uint64_t failed = 0;
};

struct ServerState {
  // Set before the first worker starts.
  std::string run_id;  // 40 hexadecimal digits
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 0;
  std::string data_directory;
  std::string config_file;
  Durability durability = Durability::kGroup;
  unsigned threads = 1;
  CpuList worker_cpus;  // empty: any
  std::size_t max_clients = 10'000;
  std::int64_t idle_timeout_s = 0;  // 0: never
  std::int64_t started_ms = 0;      // monotonic
  SessionLimits limits;
  std::vector<std::unique_ptr<WorkerCounters>> counters;  // one a worker

  std::atomic<std::int64_t> device_sync_us{0};  // as found by the start; 0: not known yet
  std::atomic<bool> io_uring{false};            // reads go through it; known once a worker runs
  std::atomic<std::uint64_t> rejected_connections{0};
  std::atomic<std::uint64_t> memory_bytes{0};  // the bound, as CONFIG GET maxmemory shows it
  ClientRegistry clients;
  ModelRegistry models;

  PolicySource policy;
  RequestQuotas quotas;
  SlowLog slow_log;
  Authenticator authenticator;
  const TlsSource* tls = nullptr;  // set before the first worker starts
  std::atomic<std::uint64_t> policy_reloads{0};
  std::atomic<std::uint64_t> policy_reloads_refused{0};

  /// Since the start, or the last CONFIG RESETSTAT.
  CounterTotals totals() const;
  /// Since the start, whatever was reset.
  CounterTotals all_totals() const { return sum(); }
  Latencies latencies(Operation operation) const;
  ModelTotals model_totals(ModelSlot slot) const;
  /// Writes that waited for the write buffers; those that do now.
  std::uint64_t throttled() const;
  std::uint64_t throttled_now() const;
  /// `stats` less what CONFIG RESETSTAT has put aside (hits, misses).
  Stats since_reset(Stats stats) const;
  PolicyTotals policy_totals() const;
  TlsTotals tls_totals() const;
  void reset_counters(const Stats& stats);

 private:
  CounterTotals sum() const;

  mutable std::mutex reset_mutex_;
  CounterTotals reset_totals_;  // guarded by reset_mutex_
  Stats reset_stats_;           // guarded by reset_mutex_
};

std::string_view durability_name(Durability durability);

}  // namespace kachel::server
