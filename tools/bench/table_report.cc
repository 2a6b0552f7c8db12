#include <cmath>
#include <cstdio>
#include <fmt/format.h>

#include "io/units.h"
#include "tools/bench/report.h"

namespace kachel::bench {
namespace {

// Of an interval: what is shorter is not shown.
constexpr double kShownPart = 0.2;

std::string ratio_text(double ratio) {
  return ratio < 0 ? "-" : fmt::format("{:.1f} %", ratio * 100);
}

std::string rate_text(double per_s) {
  return count_text(static_cast<std::uint64_t>(std::llround(per_s)));
}

std::string bytes_per_s_text(std::uint64_t bytes, double seconds) {
  return format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)) + "/s";
}

double us_per(std::int64_t ns, std::uint64_t operations) {
  return operations == 0 ? 0 : static_cast<double>(ns) / 1e3 / static_cast<double>(operations);
}

std::string loop_text(const PhasePlan& phase) {
  if (phase.rate) return fmt::format("open loop, {} operations/s", rate_text(*phase.rate));
  if (phase.speed_up) return fmt::format("open loop, the trace's times {}x", *phase.speed_up);
  return "closed loop";
}

std::string numbered(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count_text(count), noun, count == 1 ? "" : "s");
}

class TableReport final : public Report {
 public:
  explicit TableReport(const Plan& plan) : plan_(plan) {
    fmt::print("values: {}\n", plan.values->text());
  }

  void note(const std::string& text) override {
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

  void begin(const PhasePlan& phase) override {
    fmt::print("\n{}: {}, {}, {}, up to {} each under way\n", phase_name(phase.kind),
               loop_text(phase), numbered(plan_.threads, "thread"),
               numbered(plan_.connections, "connection"), numbered(plan_.pipeline, "request"));
    fmt::print("{:>9} {:>11} {:>8} {:>9} {:>9} {:>9} {:>12} {:>12} {:>9} {:>8}\n", "time", "ops/s",
               "hits", "p50", "p99", "p99.9", "sent", "received", "late", "busiest");
    std::fflush(stdout);
  }

  void interval(const PhasePlan&, const Interval& interval) override {
    const Stats& stats = *interval.stats;
    // The rest at the end is too short for rates, unless there is nothing else.
    const double whole_s = static_cast<double>(plan_.interval_ns) / 1e9;
    if (interval.end_s > interval.seconds && interval.seconds < kShownPart * whole_s) return;
    const Histogram all = stats.all_latencies();
    fmt::print("{:>7.2f} s {:>11} {:>8} {:>9} {:>9} {:>9} {:>12} {:>12} {:>9} {:>6.0f} %\n",
               interval.end_s,
               rate_text(static_cast<double>(stats.operations()) / interval.seconds),
               ratio_text(stats.hit_ratio()), latency_text(all.percentile_ns(0.5)),
               latency_text(all.percentile_ns(0.99)), latency_text(all.percentile_ns(0.999)),
               bytes_per_s_text(stats.bytes_sent, interval.seconds),
               bytes_per_s_text(stats.bytes_received, interval.seconds), count_text(stats.late()),
               interval.busiest_thread * 100);
    std::fflush(stdout);
  }

  void end(const PhaseResult& result) override {
    const Stats& stats = result.stats;
    fmt::print("{}: {} in {:.2f} s, {} operations/s\n", phase_name(result.kind),
               numbered(stats.operations(), "operation"), result.seconds,
               rate_text(result.operations_per_s()));
    print_latencies(stats);
    print_counts(result);
    print_costs(result);
    if (result.recovery) print_recovery(*result.recovery, result.seconds);
    std::fflush(stdout);
    for (const std::string& warning : warnings_of(result))
      fmt::print(stderr, "kachel bench: {}\n", warning);
  }

  void summary(const std::vector<PhaseResult>& results) override {
    if (plan_.rates.size() < 2) return;
    fmt::print("\nlatency against load\n{:>11} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}\n",
               "wanted/s", "answered/s", "p50", "p99", "p99.9", "max", "late", "not sent");
    for (const PhaseResult& result : results) {
      if (!result.rate || result.kind != PhaseKind::kRun) continue;
      const Histogram all = result.stats.all_latencies();
      fmt::print("{:>11} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}\n", rate_text(*result.rate),
                 rate_text(result.operations_per_s()), latency_text(all.percentile_ns(0.5)),
                 latency_text(all.percentile_ns(0.99)), latency_text(all.percentile_ns(0.999)),
                 latency_text(all.max_ns()), count_text(result.stats.late()),
                 count_text(result.stats.not_sent));
    }
  }

 private:
  static void print_latencies(const Stats& stats) {
    fmt::print("  {:<10} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "latency", "count",
               "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max");
    print_latency("get", stats.gets);
    print_latency("set", stats.sets);
    print_latency("others", stats.others);
  }

  static void print_latency(const char* name, const Histogram& histogram) {
    if (histogram.count() == 0) return;
    fmt::print("  {:<10} {:>12}", name, count_text(histogram.count()));
    fmt::print(" {:>9}", latency_text(static_cast<std::uint64_t>(histogram.mean_ns())));
    for (const double share : {0.5, 0.9, 0.99, 0.999, 0.9999})
      fmt::print(" {:>9}", latency_text(histogram.percentile_ns(share)));
    fmt::print(" {:>9}\n", latency_text(histogram.max_ns()));
  }

  static void print_counts(const PhaseResult& result) {
    const Stats& stats = result.stats;
    if (stats.hit_ratio() >= 0) {
      fmt::print("  hits       {} of {} gets, {}", count_text(stats.hits),
                 count_text(stats.hits + stats.misses), ratio_text(stats.hit_ratio()));
      if (stats.fills > 0) fmt::print("; {} misses filled", count_text(stats.fills));
      fmt::print("\n");
    }
    fmt::print("  bytes      {} sent, {} received\n", format_size(stats.bytes_sent),
               format_size(stats.bytes_received));
    if (result.rate || result.speed_up) {
      fmt::print(
          "  late       {} began more than 1 ms late: {} waited for the server, {} for this "
          "generator\n",
          count_text(stats.late()), count_text(stats.late_by_server),
          count_text(stats.late_by_generator));
    }
  }

  static void print_costs(const PhaseResult& result) {
    const OwnCost& own = result.own;
    const std::uint64_t operations = result.stats.operations();
    fmt::print("  own cost   {:.2f} us of CPU an operation ({:.2f} user, {:.2f} system); threads",
               us_per(own.user_ns + own.system_ns, operations), us_per(own.user_ns, operations),
               us_per(own.system_ns, operations));
    for (const double share : own.threads)
      fmt::print(" {:.0f} %", share * 100);
    fmt::print(" of a core each");
    if (own.busiest_thread > 0) fmt::print(", at most {:.0f} %", own.busiest_thread * 100);
    if (own.waiting >= 0.01) fmt::print(" ({:.0f} % waiting for one)", own.waiting * 100);
    fmt::print("\n");
    if (!result.server_cpu_ns) return;
    fmt::print("  server     {:.2f} us of CPU an operation, {:.0f} % of a core\n",
               us_per(*result.server_cpu_ns, operations),
               static_cast<double>(*result.server_cpu_ns) / 1e7 / result.seconds);
  }

  static void print_recovery(const Recovery& recovery, double seconds) {
    fmt::print("  restart    first answer {:.3f} s after the server had gone; ", recovery.away_s);
    if (recovery.back_s) {
      fmt::print("95 % of the hit ratio of before ({}) {:.1f} s after that\n",
                 ratio_text(recovery.before_ratio), *recovery.back_s);
    } else {
      fmt::print("95 % of the hit ratio of before ({}) was not reached in {:.0f} s\n",
                 ratio_text(recovery.before_ratio), seconds);
    }
  }

  const Plan& plan_;
};

}  // namespace

std::unique_ptr<Report> table_report(const Plan& plan) {
  return std::make_unique<TableReport>(plan);
}

}  // namespace kachel::bench
