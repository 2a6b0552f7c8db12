// A plan carried out, phase after phase.
#pragma once

#include "tools/bench/plan.h"
#include "tools/bench/report.h"

namespace kachel::bench {

/// All phases that were begun. An error if one could not be.
Result<std::vector<PhaseResult>> run_plan(const Plan& plan, Report& report);

}  // namespace kachel::bench
