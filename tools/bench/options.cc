#include "tools/bench/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <utility>

#include "io/units.h"
#include "tools/bench/cpu_meter.h"
#include "tools/bench/key_text.h"

namespace kachel::bench {
namespace {

constexpr const char* kAuthVariable = "KACHEL_AUTH";
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kUsualDurationNs = 10'000'000'000;
constexpr std::uint64_t kMaxThreads = 256;
constexpr std::uint64_t kMaxConnections = 20'000;
constexpr std::uint64_t kMaxPipeline = 4096;
constexpr std::uint64_t kMaxMemcachedTtlMs = std::uint64_t{30} * 24 * 3600 * 1000;
constexpr double kMaxCompressibility = 100;
constexpr double kUsualCompressibility = 2;  // real completions: 2.1x, without a dictionary

Error about(std::string_view option, const Error& error) {
  return {error.code, fmt::format("{}: {}", option, error.message)};
}

Result<double> parse_factor(std::string_view option, std::string_view text, double low,
                            double high) {
  double factor = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (code != std::errc{} || end != text.data() + text.size() ||
      !(factor >= low && factor <= high)) {
    return invalid(fmt::format("{}: \"{}\" is no number from {} to {}", option, text, low, high));
  }
  return factor;
}

Result<std::int64_t> parse_ns(std::string_view option, std::string_view text) {
  const auto ms = parse_duration_ms(text);
  if (!ms) return about(option, ms.error());
  if (*ms <= 0 || *ms > INT64_MAX / kNsPerMs) {
    return invalid(fmt::format("{}: \"{}\" is no time to wait for", option, text));
  }
  return *ms * kNsPerMs;
}

Result<void> plan_server(const Request& request, Plan& plan) {
  plan.server = {request.endpoint, request.user, request.password};
  const char* const who = std::getenv(kAuthVariable);
  if (request.password.empty() && who != nullptr && *who != '\0') {
    const std::string_view text = who;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
      return invalid(fmt::format("{} must be USER:PASSWORD", kAuthVariable));
    }
    plan.server.user = text.substr(0, colon);
    plan.server.password = text.substr(colon + 1);
  }
  if (!plan.server.user.empty() && plan.server.password.empty()) {
    return invalid("--user needs --password");
  }
  auto protocol = make_protocol(request.protocol);
  if (!protocol) return about("--protocol", protocol.error());
  plan.protocol = std::move(*protocol);
  plan.server_pid = static_cast<pid_t>(request.server_pid);
  if (plan.server_pid == 0) return {};
  if (const auto meter = ServerMeter::of(plan.server_pid); !meter) {
    return invalid("--server-pid: " + meter.error().message);
  }
  return {};
}

Result<void> plan_loop(const Request& request, Plan& plan) {
  plan.threads = request.threads;
  plan.connections = request.connections;
  plan.pipeline = request.pipeline;
  if (plan.threads == 0 || plan.threads > kMaxThreads) {
    return invalid(fmt::format("--threads: 1 to {}", kMaxThreads));
  }
  if (plan.connections < plan.threads || plan.connections > kMaxConnections) {
    return invalid(fmt::format("--connections: {} to {}, at least one for each thread",
                               plan.threads, kMaxConnections));
  }
  if (plan.pipeline == 0 || plan.pipeline > kMaxPipeline) {
    return invalid(fmt::format("--pipeline: 1 to {}", kMaxPipeline));
  }
  const auto arrivals = parse_arrivals(request.arrivals);
  if (!arrivals) return about("--arrivals", arrivals.error());
  plan.arrivals = *arrivals;
  const int loops = int{!request.rate.empty()} + int{!request.rate_sweep.empty()} +
                    int{!request.speed_up.empty()};
  if (loops > 1) return invalid("choose one of --rate, --rate-sweep and --speed-up");
  if (!request.rate.empty() || !request.rate_sweep.empty()) {
    auto rates = parse_rates(request.rate.empty() ? request.rate_sweep : request.rate);
    if (!rates) return about(request.rate.empty() ? "--rate-sweep" : "--rate", rates.error());
    if (!request.rate.empty() && rates->size() != 1) {
      return invalid("--rate: one rate; --rate-sweep takes several");
    }
    plan.rates = std::move(*rates);
  }
  return {};
}

Result<void> plan_trace(const Request& request, Plan& plan) {
  if (request.trace.empty()) {
    if (!request.speed_up.empty()) return invalid("--speed-up: of what? Give a --trace, too");
    return {};
  }
  TraceOptions options{request.trace, request.trace_key, request.trace_time, 0};
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ns", 1}, {"us", 1000}, {"ms", kNsPerMs}, {"s", 1000 * kNsPerMs}};
  for (const auto& [name, ns] : kUnits) {
    if (name == request.trace_time_unit) options.time_unit_ns = ns;
  }
  if (options.time_unit_ns == 0) {
    return invalid(fmt::format("--trace-time-unit: \"{}\" is none of s, ms, us and ns",
                               request.trace_time_unit));
  }
  // Without it the order counts, not the times.
  if (request.speed_up.empty()) options.time.clear();
  auto trace = read_trace(options);
  if (!trace) return about("--trace", trace.error());
  plan.trace = std::move(*trace);
  if (request.speed_up.empty()) return {};
  const auto factor = parse_factor("--speed-up", request.speed_up, 0.001, 1e6);
  if (!factor) return factor.error();
  plan.speed_up = *factor;
  return {};
}

Result<void> plan_keys(const Request& request, Plan& plan) {
  const auto keys = parse_count(request.keys, 1, kMaxKeys);
  if (!keys) return about("--keys", keys.error());
  plan.keys = plan.trace ? plan.trace->keys : *keys;
  const auto distribution = KeyDistribution::parse(request.key_distribution);
  if (!distribution) return about("--key-distribution", distribution.error());
  plan.key_distribution = *distribution;
  plan.key_prefix = request.key_prefix;
  const bool is_plain = std::all_of(request.key_prefix.begin(), request.key_prefix.end(),
                                    [](char c) { return c > ' ' && c <= '~'; });
  if (!is_plain || request.key_prefix.size() > 200) {
    return invalid("--key-prefix: up to 200 visible ASCII characters, without blanks");
  }
  return {};
}

Result<void> plan_values(const Request& request, Plan& plan) {
  if (!request.values.empty()) {
    auto values = corpus_values({request.values, request.value_field, request.seed});
    if (!values) return about("--values", values.error());
    plan.values = std::move(*values);
    return {};
  }
  if (!request.value_field.empty()) return invalid("--value-field: of what? Give --values, too");
  const auto size = parse_size_range(request.value_size);
  if (!size) return about("--value-size", size.error());
  GeneratedOptions options{*size, kUsualCompressibility, request.seed};
  if (!request.compressibility.empty()) {
    const auto factor =
        parse_factor("--compressibility", request.compressibility, 1, kMaxCompressibility);
    if (!factor) return factor.error();
    options.compressibility = *factor;
  }
  auto values = generated_values(options);
  if (!values && request.compressibility.empty()) {
    options.compressibility = 1;  // they are too small for the usual one
    values = generated_values(options);
  }
  if (!values) return about("--compressibility", values.error());
  plan.values = std::move(*values);
  return {};
}

Result<void> plan_operations(const Request& request, Plan& plan) {
  auto mix = Mix::parse(request.mix);
  if (!mix) return about("--mix", mix.error());
  plan.mix = *mix;
  if (!request.ttl.empty()) {
    const auto ttl = parse_duration_range(request.ttl);
    if (!ttl) return about("--ttl", ttl.error());
    if (request.protocol == "memcached" && ttl->high > kMaxMemcachedTtlMs) {
      return invalid("--ttl: memcached takes more than 30d for a point in time");
    }
    plan.ttl_ms = *ttl;
  } else if (plan.mix.weight(OperationKind::kExpire) > 0) {
    return invalid("--mix: expire needs a --ttl");
  }
  if (request.ttl_share > 100) return invalid("--ttl-share: 0 to 100 percent");
  plan.ttl_share = request.ttl_share;
  plan.fill_misses = request.fill_misses;
  plan.check = request.check;
  return {};
}

Result<void> plan_phases(const Request& request, Plan& plan) {
  auto phases = parse_phases(request.phases);
  if (!phases) return about("--phase", phases.error());
  plan.phases = std::move(*phases);
  if (!request.operations.empty()) {
    const auto count = parse_count(request.operations, 1, UINT64_MAX / 2);
    if (!count) return about("--ops", count.error());
    plan.operations = *count;
  }
  if (!request.duration.empty()) {
    const auto ns = parse_ns("--duration", request.duration);
    if (!ns) return ns.error();
    plan.duration_ns = *ns;
  }
  if (plan.operations == 0 && plan.duration_ns == 0) {
    if (plan.trace) {
      plan.operations = plan.trace->requests.size();
    } else {
      plan.duration_ns = kUsualDurationNs;
    }
  }
  const auto interval = parse_ns("--interval", request.interval);
  if (!interval) return interval.error();
  plan.interval_ns = *interval;
  const auto wait = parse_ns("--restart-wait", request.restart_wait);
  if (!wait) return wait.error();
  plan.restart_wait_ns = *wait;
  const auto limit = parse_ns("--recovery-limit", request.recovery_limit);
  if (!limit) return limit.error();
  plan.recovery_limit_ns = *limit;
  return {};
}

}  // namespace

Result<Plan> make_plan(const Request& request) {
  Plan plan;
  plan.seed = request.seed;
  plan.json = request.json;
  for (const auto part :
       {plan_server, plan_loop, plan_trace, plan_keys, plan_values, plan_operations, plan_phases}) {
    if (const auto done = part(request, plan); !done) return done.error();
  }
  return plan;
}

}  // namespace kachel::bench
