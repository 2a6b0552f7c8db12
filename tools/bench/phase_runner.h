// Runs one phase: starts its workers, gathers their counts once an interval, adds up what it cost.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "tools/bench/report.h"
#include "tools/bench/worker.h"

namespace kachel::bench {

class PhaseRunner {
 public:
  PhaseRunner(const Plan& plan, Report& report) : plan_(plan), report_(report) {}

  /// Ends early once `is_enough` says so of an interval. An error if it could not begin; what cuts
  /// it off later is in the result.
  Result<PhaseResult> run(const PhasePlan& phase,
                          const std::function<bool(const Interval&)>& is_enough = {});

 private:
  using Workers = std::vector<std::unique_ptr<Worker>>;

  Result<void> connect(const PhasePlan& phase);
  void watch(const PhasePlan& phase, const std::function<bool(const Interval&)>& is_enough);
  void close_interval(const PhasePlan& phase, std::int64_t now_ns,
                      const std::function<bool(const Interval&)>& is_enough);
  double busiest_since_last(double seconds);
  void measure_own(const ProcessCpu& before);

  const Plan& plan_;
  Report& report_;
  std::unique_ptr<Gathering> gathering_;
  Workers workers_;
  PhaseResult result_;
  Stats interval_stats_;
  std::vector<ThreadMeter::Reading> readings_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> last_reads_;  // hits and reads of intervals
  std::int64_t begin_ns_ = 0;
  std::int64_t interval_begin_ns_ = 0;
};

}  // namespace kachel::bench
