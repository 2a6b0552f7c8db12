// Exit codes of the tools.
#pragma once

namespace kachel::tools {

inline constexpr int kExitClean = 0;
inline constexpr int kExitFindings = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitIncomplete = 3;
inline constexpr int kExitOverdue = 4;  // an erasure
inline constexpr int kExitNoStore = 10;
inline constexpr int kExitLocked = 11;
inline constexpr int kExitKeyMissing = 12;

}  // namespace kachel::tools
