#include "tools/bench/phase_runner.h"

#include <algorithm>
#include <ctime>

#include "tools/bench/interrupt.h"

namespace kachel::bench {
namespace {

constexpr std::int64_t kPollNs = 5'000'000;
constexpr std::int64_t kHeadStartNs = 2'000'000;
constexpr double kSecondNs = 1e9;
// So many intervals say what the hit ratio was in the end.
constexpr std::size_t kLastIntervals = 5;
// What is shorter is too short to say that a thread was busy in it.
constexpr double kShortestJudgedS = 0.05;

double seconds_of(std::int64_t ns) {
  return static_cast<double>(ns) / kSecondNs;
}

void sleep_ns(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

}  // namespace

Result<void> PhaseRunner::connect(const PhasePlan& phase) {
  gathering_ = std::make_unique<Gathering>();
  workers_.clear();
  for (std::uint64_t part = 0; part < plan_.threads; ++part) {
    workers_.push_back(std::make_unique<Worker>(plan_, phase, part, *gathering_));
    if (auto connected = workers_.back()->connect(); !connected) return connected.error();
  }
  return {};
}

/// The busiest thread since the last call, as a share of a core.
double PhaseRunner::busiest_since_last(double seconds) {
  double busiest = 0;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const ThreadMeter::Reading now = workers_[i]->cpu();
    const double cpu = seconds_of(now.cpu_ns - readings_[i].cpu_ns) / seconds;
    const double waiting = seconds_of(now.waiting_ns - readings_[i].waiting_ns) / seconds;
    readings_[i] = now;
    if (cpu + waiting <= busiest) continue;
    busiest = cpu + waiting;
    if (seconds < kShortestJudgedS || busiest <= result_.own.busiest_thread) continue;
    result_.own.busiest_thread = busiest;
    result_.own.waiting = waiting;
  }
  return busiest;
}

void PhaseRunner::close_interval(const PhasePlan& phase, std::int64_t now_ns,
                                 const std::function<bool(const Interval&)>& is_enough) {
  interval_stats_.clear();
  for (const auto& worker : workers_)
    worker->take(interval_stats_);
  Interval interval;
  interval.end_s = seconds_of(now_ns - begin_ns_);
  interval.seconds = seconds_of(now_ns - interval_begin_ns_);
  interval.stats = &interval_stats_;
  interval.busiest_thread = busiest_since_last(interval.seconds);
  result_.stats.add(interval_stats_);
  result_.seconds = interval.end_s;
  interval_begin_ns_ = now_ns;
  last_reads_.emplace_back(interval_stats_.hits, interval_stats_.hits + interval_stats_.misses);
  if (last_reads_.size() > kLastIntervals) last_reads_.pop_front();
  report_.interval(phase, interval);
  if (is_enough && is_enough(interval)) gathering_->stop = true;
}

void PhaseRunner::watch(const PhasePlan& phase,
                        const std::function<bool(const Interval&)>& is_enough) {
  std::int64_t next_ns = begin_ns_ + plan_.interval_ns;
  while (gathering_->running > 0) {
    if (is_interrupted()) gathering_->stop = true;
    const std::int64_t now_ns = monotonic_ns();
    if (now_ns >= next_ns) {
      close_interval(phase, now_ns, is_enough);
      next_ns += plan_.interval_ns;
      continue;
    }
    sleep_ns(std::min(kPollNs, next_ns - now_ns));
  }
  for (const auto& worker : workers_)
    worker->join();
  close_interval(phase, std::max(gathering_->ended_ns.load(), interval_begin_ns_ + 1), {});
}

void PhaseRunner::measure_own(const ProcessCpu& before) {
  const ProcessCpu after = ProcessCpu::now();
  result_.own.user_ns = after.user_ns - before.user_ns;
  result_.own.system_ns = after.system_ns - before.system_ns;
  for (const auto& worker : workers_)
    result_.own.threads.push_back(seconds_of(worker->cpu().cpu_ns) / result_.seconds);
}

Result<PhaseResult> PhaseRunner::run(const PhasePlan& phase,
                                     const std::function<bool(const Interval&)>& is_enough) {
  if (auto connected = connect(phase); !connected) return connected.error();
  std::optional<ServerMeter> server;
  if (plan_.server_pid != 0) {
    const auto meter = ServerMeter::of(plan_.server_pid);
    if (meter) server = *meter;
  }
  report_.begin(phase);
  result_ = PhaseResult{};
  result_.kind = phase.kind;
  result_.rate = phase.rate;
  result_.speed_up = phase.speed_up;
  readings_.assign(workers_.size(), {});
  last_reads_.clear();
  const ProcessCpu before = ProcessCpu::now();
  const auto server_before = server ? server->cpu_ns() : std::nullopt;
  begin_ns_ = interval_begin_ns_ = monotonic_ns() + kHeadStartNs;
  for (const auto& worker : workers_)
    worker->start(begin_ns_);
  watch(phase, is_enough);
  measure_own(before);
  const auto server_after = server ? server->cpu_ns() : std::nullopt;
  if (server_before && server_after) result_.server_cpu_ns = *server_after - *server_before;
  std::uint64_t hits = 0;
  std::uint64_t reads = 0;
  for (const auto& [some_hits, some_reads] : last_reads_) {
    hits += some_hits;
    reads += some_reads;
  }
  if (reads > 0) result_.late_hit_ratio = static_cast<double>(hits) / static_cast<double>(reads);
  for (const auto& worker : workers_) {
    if (worker->failure() && !result_.failure) result_.failure = worker->failure();
  }
  if (is_interrupted() && !result_.failure) {
    result_.failure = Error{ErrorCode::kShutdown, "interrupted"};
  }
  workers_.clear();
  return std::move(result_);
}

}  // namespace kachel::bench
