// Starts, serves and stops: storage, log thread, store, workers, listener, in this order,
// and back.
#pragma once

#include "server/config.h"

namespace kachel::server {

// Exit codes of kacheld.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNoStore = 10;
inline constexpr int kExitLocked = 11;
inline constexpr int kExitKeyMissing = 12;

/// Serves until SIGTERM or SIGINT. Says on stderr in one line why it could not. The exit code.
int run_daemon(const Config& config);

int exit_code_of(ErrorCode code);

}  // namespace kachel::server
