// Waiting for a server that is restarted by somebody else.
#pragma once

#include <cstdint>

#include "io/error.h"
#include "tools/bench/plan.h"

namespace kachel::bench {

/// Returns once the server has closed a connection that is held for that.
Result<void> wait_until_gone(const Plan& plan);
/// Then, once it answers again.
Result<void> wait_until_back(const Plan& plan);

}  // namespace kachel::bench
