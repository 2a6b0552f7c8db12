// `kachel repair`: has the index rebuilt and sets segments aside that can't be trusted. Says what
// is lost by it first, and does it only when told so.
#pragma once

#include <string>

namespace kachel::tools {

struct RepairRequest {
  std::string data;            // the data directory
  bool rebuild_index = false;  // even where nothing is wrong with it
  bool yes = false;            // do it
};

/// The exit code: 0 nothing to do, or done; 1 something is to be done and --yes was not given, or
/// something is left that no tool can mend.
int run_repair(const RepairRequest& request);

}  // namespace kachel::tools
