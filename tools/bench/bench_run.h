// A plan carried out, phase after phase.
#pragma once

#include "tools/bench/plan.h"
#include "tools/bench/report.h"

namespace kachel::bench {

/// Adds those that were carried out to `results`. An error if one could not be begun.
Result<void> run_plan(const Plan& plan, Report& report, std::vector<PhaseResult>& results);

}  // namespace kachel::bench
