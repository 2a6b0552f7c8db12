// Exit codes of the tools.
#pragma once

#include "io/error.h"

namespace kachel::tools {

inline constexpr int kExitClean = 0;
inline constexpr int kExitFindings = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitIncomplete = 3;
inline constexpr int kExitOverdue = 4;  // an erasure
inline constexpr int kExitNoStore = 10;
inline constexpr int kExitLocked = 11;
inline constexpr int kExitKeyMissing = 12;

/// Of an error that ends a tool which looks at a data directory.
inline int exit_code_for(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
    case ErrorCode::kForeign:
      return kExitNoStore;
    case ErrorCode::kLocked:
      return kExitLocked;
    case ErrorCode::kKeyMissing:
      return kExitKeyMissing;
    case ErrorCode::kCorrupt:
      return kExitFindings;
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    default:
      return kExitIncomplete;
  }
}

}  // namespace kachel::tools
