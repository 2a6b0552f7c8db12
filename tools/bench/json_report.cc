// JSON Lines: "interval" and "phase" lines as they come, one "summary" in the end. Times are in the
// unit that ends their name; ratios and shares are 0 to 1.
#include <boost/json.hpp>
#include <cstdio>
#include <fmt/format.h>

#include "tools/bench/report.h"

namespace kachel::bench {
namespace {

namespace json = boost::json;

double us_of(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

json::object latency_json(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"mean_us", histogram.mean_ns() / 1e3},
          {"p50_us", us_of(histogram.percentile_ns(0.5))},
          {"p90_us", us_of(histogram.percentile_ns(0.9))},
          {"p99_us", us_of(histogram.percentile_ns(0.99))},
          {"p999_us", us_of(histogram.percentile_ns(0.999))},
          {"p9999_us", us_of(histogram.percentile_ns(0.9999))},
          {"max_us", us_of(histogram.max_ns())}};
}

json::value ratio_json(double ratio) {
  return ratio < 0 ? json::value(nullptr) : json::value(ratio);
}

void add_loop(json::object& to, const std::optional<double>& rate,
              const std::optional<double>& speed_up) {
  to["loop"] = rate || speed_up ? "open" : "closed";
  if (rate) to["wanted_ops_per_s"] = *rate;
  if (speed_up) to["speed_up"] = *speed_up;
}

void add_stats(json::object& to, const Stats& stats, double seconds) {
  to["seconds"] = seconds;
  to["operations"] = stats.operations();
  to["ops_per_s"] = static_cast<double>(stats.operations()) / seconds;
  json::object by_kind;
  for (std::size_t kind = 0; kind < kOperationKinds; ++kind)
    by_kind[kOperationNames[kind]] = stats.answered[kind];
  to["by_kind"] = std::move(by_kind);
  to["hits"] = stats.hits;
  to["misses"] = stats.misses;
  to["hit_ratio"] = ratio_json(stats.hit_ratio());
  to["fills"] = stats.fills;
  to["mismatches"] = stats.mismatches;
  json::object errors;
  for (const auto& [word, count] : stats.errors)
    errors[word] = count;
  to["errors"] = std::move(errors);
  to["late_by_server"] = stats.late_by_server;
  to["late_by_generator"] = stats.late_by_generator;
  to["not_sent"] = stats.not_sent;
  to["unanswered"] = stats.unanswered;
  to["sent_bytes"] = stats.bytes_sent;
  to["received_bytes"] = stats.bytes_received;
  to["latency"] = {{"all", latency_json(stats.all_latencies())},
                   {"get", latency_json(stats.gets)},
                   {"set", latency_json(stats.sets)},
                   {"others", latency_json(stats.others)}};
}

json::value us_per_operation(std::int64_t ns, std::uint64_t operations) {
  if (operations == 0) return nullptr;
  return static_cast<double>(ns) / 1e3 / static_cast<double>(operations);
}

void add_costs(json::object& to, const PhaseResult& result) {
  const OwnCost& own = result.own;
  const std::uint64_t operations = result.stats.operations();
  json::array threads;
  for (const double share : own.threads)
    threads.emplace_back(share);
  to["own"] = {{"cpu_us_per_op", us_per_operation(own.user_ns + own.system_ns, operations)},
               {"user_us_per_op", us_per_operation(own.user_ns, operations)},
               {"system_us_per_op", us_per_operation(own.system_ns, operations)},
               {"threads_core_share", std::move(threads)},
               {"busiest_core_share", own.busiest_thread},
               {"waiting_core_share", own.waiting},
               {"may_be_bottleneck", own.may_be_bottleneck()}};
  if (!result.server_cpu_ns) return;
  to["server"] = {
      {"cpu_us_per_op", us_per_operation(*result.server_cpu_ns, operations)},
      {"core_share", static_cast<double>(*result.server_cpu_ns) / 1e9 / result.seconds}};
}

json::object result_json(const PhaseResult& result) {
  json::object out{{"phase", phase_name(result.kind)}};
  add_loop(out, result.rate, result.speed_up);
  add_stats(out, result.stats, result.seconds);
  add_costs(out, result);
  if (result.recovery) {
    json::value back = nullptr;
    if (result.recovery->back_s) back = *result.recovery->back_s;
    out["restart"] = {{"first_answer_s", result.recovery->away_s},
                      {"hit_ratio_before", result.recovery->before_ratio},
                      {"hit_ratio_back_s", std::move(back)}};
  }
  json::array warnings;
  for (const std::string& warning : warnings_of(result))
    warnings.emplace_back(warning);
  out["warnings"] = std::move(warnings);
  return out;
}

json::object plan_json(const Plan& plan) {
  return {{"endpoint", plan.server.endpoint},
          {"threads", plan.threads},
          {"connections", plan.connections},
          {"pipeline", plan.pipeline},
          {"keys", plan.keys},
          {"mix", plan.mix.text()},
          {"values", plan.values->text()},
          {"seed", plan.seed}};
}

class JsonReport final : public Report {
 public:
  explicit JsonReport(const Plan& plan) : plan_(plan) {}

  void begin(const PhasePlan&) override {}
  void note(const std::string& text) override { fmt::print(stderr, "kachel bench: {}\n", text); }

  void interval(const PhasePlan& phase, const Interval& interval) override {
    json::object line{{"type", "interval"},
                      {"phase", phase_name(phase.kind)},
                      {"end_s", interval.end_s},
                      {"busiest_core_share", interval.busiest_thread}};
    add_loop(line, phase.rate, phase.speed_up);
    add_stats(line, *interval.stats, interval.seconds);
    print(line);
  }

  void end(const PhaseResult& result) override {
    json::object line{{"type", "phase"}};
    for (auto& [name, value] : result_json(result))
      line[name] = std::move(value);
    print(line);
  }

  void summary(const std::vector<PhaseResult>& results) override {
    json::array phases;
    for (const PhaseResult& result : results)
      phases.emplace_back(result_json(result));
    print({{"type", "summary"}, {"plan", plan_json(plan_)}, {"phases", std::move(phases)}});
  }

 private:
  static void print(const json::object& line) {
    fmt::print("{}\n", json::serialize(line));
    std::fflush(stdout);
  }

  const Plan& plan_;
};

}  // namespace

std::unique_ptr<Report> json_report(const Plan& plan) {
  return std::make_unique<JsonReport>(plan);
}

}  // namespace kachel::bench
