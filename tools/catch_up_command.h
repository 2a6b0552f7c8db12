// `kachel catch-up`: a store that is a copy learns what was erased since it was made.
#pragma once

#include <string>

namespace kachel::tools {

struct CatchUpRequest {
  std::string from;       // HOST:PORT of a node that knows
  std::string from_copy;  // the directory of a newer snapshot, or of a store that nobody runs
  bool accept_doubt = false;
  std::string reason;  // of that
  bool json = false;
};

/// `endpoint`: of the copy. Without a source it says what is in doubt. The exit code: 0 nothing is
/// in doubt any more, 1 it is, when only asked.
int run_catch_up(const std::string& endpoint, const CatchUpRequest& request);

}  // namespace kachel::tools
