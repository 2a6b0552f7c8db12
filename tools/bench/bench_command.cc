#include "tools/bench/bench_command.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <sys/resource.h>

#include "tools/bench/bench_run.h"
#include "tools/bench/interrupt.h"
#include "tools/exit_codes.h"

namespace kachel::bench {
namespace {

using namespace kachel::tools;

void add_server_options(CLI::App& bench, Request& request) {
  bench.add_option("--connect", request.endpoint, "address of the server (127.0.0.1:6380)")
      ->type_name("HOST:PORT");
  bench.add_option("--protocol", request.protocol, "redis or memcached (redis)")->type_name("NAME");
  bench.add_option("--user", request.user, "for AUTH; KACHEL_AUTH=USER:PASSWORD hides it better");
  bench.add_option("--password", request.password, "for AUTH");
  bench
      .add_option("--server-pid", request.server_pid,
                  "its process on this host, to report its CPU time as well")
      ->type_name("PID");
}

void add_loop_options(CLI::App& bench, Request& request) {
  bench
      .add_option("--phase", request.phases,
                  "a list of load, run, cold and restart, one after the other (run)")
      ->type_name("LIST");
  bench.add_option("--threads", request.threads, "of this load generator (1)");
  bench.add_option("--connections", request.connections, "of all threads together (50)");
  bench.add_option("--pipeline", request.pipeline,
                   "requests of a connection that are under way at once (1)");
  bench.add_option("--ops", request.operations, "end after so many operations")->type_name("COUNT");
  bench.add_option("--duration", request.duration, "end after this time (10s)")->type_name("TIME");
  bench
      .add_option("--rate", request.rate,
                  "open loop: operations begin at this rate, whatever the server does")
      ->type_name("OPS/S");
  bench
      .add_option("--rate-sweep", request.rate_sweep,
                  "a run for each of these rates: 10000,20000 or FROM:TO:STEPS")
      ->type_name("RATES");
  bench.add_option("--arrivals", request.arrivals, "of an open loop: poisson or even (poisson)")
      ->type_name("KIND");
  bench.add_option("--interval", request.interval, "a line of figures each (1s)")
      ->type_name("TIME");
  bench
      .add_option("--restart-wait", request.restart_wait,
                  "how long the server may take to go, and to come back (10m)")
      ->type_name("TIME");
  bench
      .add_option("--recovery-limit", request.recovery_limit,
                  "how long its hit ratio may take to be back (2m)")
      ->type_name("TIME");
}

void add_key_options(CLI::App& bench, Request& request) {
  bench.add_option("--keys", request.keys, "how many there are (100000)")->type_name("COUNT");
  bench
      .add_option("--key-distribution", request.key_distribution,
                  "uniform, sequential, zipf or zipf:SKEW (uniform)")
      ->type_name("KIND");
  bench.add_option("--key-prefix", request.key_prefix, "before 12 digits (key:)");
  bench
      .add_option("--trace", request.trace, "keys in the order of this trace: JSON Lines, .zst too")
      ->type_name("FILE");
  bench
      .add_option("--trace-key", request.trace_key,
                  "its field that is the key, or an array of keys (hash_ids)")
      ->type_name("FIELD");
  bench.add_option("--trace-time", request.trace_time, "its field that is the time (timestamp)")
      ->type_name("FIELD");
  bench.add_option("--trace-time-unit", request.trace_time_unit, "s, ms, us or ns (ms)")
      ->type_name("UNIT");
  bench
      .add_option("--speed-up", request.speed_up,
                  "open loop: at the trace's own times, so many times as fast")
      ->type_name("FACTOR");
}

void add_operation_options(CLI::App& bench, Request& request) {
  bench.add_option("--values", request.values, "real ones: a line of this file each, .zst too")
      ->type_name("FILE");
  bench
      .add_option("--value-field", request.value_field,
                  "a field of those lines, which are JSON (the entire line)")
      ->type_name("FIELD");
  bench
      .add_option("--value-size", request.value_size,
                  "of generated ones: 1KiB, or 256B..64KiB (1KiB)")
      ->type_name("SIZE");
  bench
      .add_option("--compressibility", request.compressibility,
                  "zstd makes them so many times smaller (2, or 1 if they are too small)")
      ->type_name("FACTOR");
  bench
      .add_option("--mix", request.mix, "shares of get, set, del, expire and ping (get=90,set=10)")
      ->type_name("SHARES");
  bench.add_option("--ttl", request.ttl, "of sets: 60s, or 10s..60s (none)")->type_name("TIME");
  bench.add_option("--ttl-share", request.ttl_share, "of sets that have one (100)")
      ->type_name("PERCENT");
  bench.add_flag("--fill-misses", request.fill_misses,
                 "set what was missed, as a cache's user does");
  bench.add_flag("--check", request.check,
                 "compare what is read with what is written for that key");
  bench.add_option("--seed", request.seed, "of all chance (0)");
  bench.add_flag("--json", request.json, "JSON Lines: intervals, phases, summary");
}

/// Thousands of connections are more files than a shell gives us at first.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int fail(const Error& error) {
  fmt::print(stderr, "kachel bench: {}\n", error.message);
  const bool is_usage =
      error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kPermission;
  return is_usage ? kExitUsage : kExitIncomplete;
}

int exit_code_of(const std::vector<PhaseResult>& results) {
  int code = kExitClean;
  for (const PhaseResult& result : results) {
    if (result.failure) {
      return result.failure->code == ErrorCode::kPermission ? kExitUsage : kExitIncomplete;
    }
    const Stats& stats = result.stats;
    const bool is_recovered = !result.recovery || result.recovery->back_s;
    if (stats.operations() == 0 || stats.unanswered > 0 || !is_recovered) return kExitIncomplete;
    if (stats.mismatches > 0 || stats.error_count() > 0) code = kExitFindings;
  }
  return code;
}

}  // namespace

void add_bench(CLI::App& app, Request& request) {
  CLI::App* const bench = app.add_subcommand(
      "bench",
      "Puts load on a server that speaks the Redis protocol, and measures what it does. It writes "
      "and deletes keys: point it at a server that is there for that.");
  bench->footer(
      "Exit code: 0; 1 replies were errors, or --check found other values; 2 usage; 3 it could not "
      "be carried out\nto its end. How to read the figures: docs/benchmarking.md.");
  add_server_options(*bench, request);
  add_loop_options(*bench, request);
  add_key_options(*bench, request);
  add_operation_options(*bench, request);
}

int run_bench(const Request& request) {
  const auto plan = make_plan(request);
  if (!plan) return fail(plan.error());
  const std::unique_ptr<Report> report = plan->json ? json_report(*plan) : table_report(*plan);
  allow_many_files();
  catch_interrupts();
  std::vector<PhaseResult> results;
  const auto done = run_plan(*plan, *report, results);
  if (!results.empty()) report->summary(results);
  return done ? exit_code_of(results) : fail(done.error());
}

}  // namespace kachel::bench
