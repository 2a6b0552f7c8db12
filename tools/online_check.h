// A running store as a check of it needs it: standing still. The server makes a snapshot, the check
// reads that, on the same host, and it is deleted.
#pragma once

#include <functional>
#include <string>

namespace kachel::tools {

/// Calls `check` with the snapshot's directory; what it says is the exit code, or why there was
/// none. `what` begins the snapshot's name and the errors: "verify".
int run_on_snapshot(const std::string& endpoint, const std::string& what,
                    const std::function<int(const std::string& directory)>& check);

}  // namespace kachel::tools
