#include "tools/bench/bench_run.h"

#include <fmt/format.h>
#include <utility>

#include "tools/bench/phase_runner.h"
#include "tools/bench/restart.h"

namespace kachel::bench {
namespace {

// That much of the hit ratio is all of it.
constexpr double kRecovered = 0.95;

/// One for each rate, where there are several.
std::vector<PhasePlan> phases_of(const Plan& plan, PhaseKind kind) {
  PhasePlan phase;
  phase.kind = kind;
  if (kind == PhaseKind::kLoad) {
    phase.operations = plan.keys;
    return {phase};
  }
  phase.operations = plan.operations;
  phase.duration_ns = plan.duration_ns;
  phase.speed_up = plan.speed_up;
  if (plan.rates.empty()) return {phase};
  std::vector<PhasePlan> phases;
  for (const double rate : plan.rates) {
    phase.rate = rate;
    phases.push_back(phase);
    if (kind != PhaseKind::kRun) break;
  }
  return phases;
}

Result<PhaseResult> run_restart(const Plan& plan, double before_ratio, Report& report) {
  if (before_ratio <= 0) return invalid("the phase restart needs a run before it that has hits");
  auto held = Connection::open(plan.server, *plan.protocol, 1);
  if (!held) return held.error();
  report.note(fmt::format("restart: the hit ratio is {:.1f} %; waiting for {} to be restarted",
                          before_ratio * 100, plan.server.endpoint));
  if (auto gone = wait_until_gone(plan, *held); !gone) return gone.error();
  const std::int64_t gone_ns = monotonic_ns();
  if (auto back = wait_until_back(plan); !back) return back.error();
  Recovery recovery;
  recovery.away_s = static_cast<double>(monotonic_ns() - gone_ns) / 1e9;
  recovery.before_ratio = before_ratio;
  report.note(fmt::format("restart: the first answer after {:.3f} s", recovery.away_s));
  PhasePlan phase = phases_of(plan, PhaseKind::kRestart).front();
  phase.operations = 0;
  phase.duration_ns = plan.recovery_limit_ns;
  auto result = PhaseRunner(plan, report).run(phase, [&](const Interval& interval) {
    if (interval.stats->hit_ratio() < kRecovered * before_ratio) return false;
    if (!recovery.back_s) recovery.back_s = interval.end_s;
    return true;
  });
  if (result) result->recovery = recovery;
  return result;
}

}  // namespace

Result<void> run_plan(const Plan& plan, Report& report, std::vector<PhaseResult>& results) {
  double hit_ratio = -1;
  for (const PhaseKind kind : plan.phases) {
    for (const PhasePlan& phase : phases_of(plan, kind)) {
      auto result = kind == PhaseKind::kRestart ? run_restart(plan, hit_ratio, report)
                                                : PhaseRunner(plan, report).run(phase);
      if (!result) return result.error();
      if (kind == PhaseKind::kRun) hit_ratio = result->late_hit_ratio;
      report.end(*result);
      results.push_back(std::move(*result));
      if (results.back().failure) return {};
    }
  }
  return {};
}

}  // namespace kachel::bench
