// What a run tells: intervals while it runs, each phase, and a summary. As tables for people, or as
// JSON Lines. All on stdout; warnings of the tables on stderr.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/error.h"
#include "tools/bench/plan.h"
#include "tools/bench/stats.h"

namespace kachel::bench {

struct Interval {
  double end_s = 0;  // since the phase began
  double seconds = 0;
  const Stats* stats = nullptr;
  double busiest_thread = 0;  // share of a core: on one, or waiting for one
};

/// What the load generator itself took.
struct OwnCost {
  std::int64_t user_ns = 0;
  std::int64_t system_ns = 0;
  std::vector<double> threads;  // CPU of each, as a share of a core, over the phase
  double busiest_thread = 0;    // in the busiest interval; waiting for a CPU included
  double waiting = 0;           // of that, the share of the time waited for a CPU
  bool may_be_bottleneck() const;
};

struct Recovery {
  double away_s = 0;        // from the connection's end to the first answer
  double before_ratio = 0;  // hit ratio
  std::optional<double>
      back_s;  // from the first answer until 95 % of that; nothing: not within the limit
};

struct PhaseResult {
  PhaseKind kind = PhaseKind::kRun;
  std::optional<double> rate;
  std::optional<double> speed_up;
  double seconds = 0;
  Stats stats;
  OwnCost own;
  std::optional<std::int64_t> server_cpu_ns;
  double late_hit_ratio = -1;  // of the last intervals
  std::optional<Recovery> recovery;
  std::optional<Error> failure;  // what cut it off

  double operations_per_s() const;
};

class Report {
 public:
  virtual ~Report() = default;
  virtual void begin(const PhasePlan& phase) = 0;
  virtual void note(const std::string& text) = 0;
  virtual void interval(const PhasePlan& phase, const Interval& interval) = 0;
  virtual void end(const PhaseResult& result) = 0;
  virtual void summary(const std::vector<PhaseResult>& results) = 0;
};

std::unique_ptr<Report> table_report(const Plan& plan);
std::unique_ptr<Report> json_report(const Plan& plan);

/// "84 us", "1.23 ms".
std::string latency_text(std::uint64_t ns);
/// "12,345".
std::string count_text(std::uint64_t count);
/// Sentences about what the figures do not show by themselves.
std::vector<std::string> warnings_of(const PhaseResult& result);

}  // namespace kachel::bench
