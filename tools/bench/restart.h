// Waiting for a server that is restarted by somebody else.
#pragma once

#include <cstdint>

#include "io/error.h"
#include "tools/bench/connection.h"
#include "tools/bench/plan.h"

namespace kachel::bench {

/// Returns once the server has closed this connection, which is held for that.
Result<void> wait_until_gone(const Plan& plan, Connection& held);
/// Then, once it answers again.
Result<void> wait_until_back(const Plan& plan);

}  // namespace kachel::bench
