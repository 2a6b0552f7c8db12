// SIGHUP: the configuration file is read again, and its policies take the place of those in
// force. All or nothing.
#pragma once

#include <string>
#include <vector>

#include "server/config.h"
#include "server/policy_source.h"

namespace kachel::server {

struct PolicyReload {
  bool done = false;
  /// For the log: what changed, what waits for the next start; why it was refused otherwise.
  std::vector<std::string> lines;
};
/// `started` is what the server was started with: settings are compared with it, as they
/// change at a start only.
PolicyReload reload_policy(const Config& started, PolicySource& source);

}  // namespace kachel::server
