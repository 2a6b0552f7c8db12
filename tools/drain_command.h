// `kachel drain`: prepares a running server for being taken out of service.
#pragma once

#include <string>

namespace kachel::tools {

struct DrainRequest {
  bool off = false;
  bool only_asks = false;
};

/// The exit code; the state on stdout, what went wrong on stderr.
int run_drain(const std::string& endpoint, const DrainRequest& request);

}  // namespace kachel::tools
