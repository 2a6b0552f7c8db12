// An assertion that stays on in release builds, for invariants of this program. Never for
// what came from a disk or a peer: that is input, and becomes an Error.
#pragma once

namespace kachel {

/// Prints the message with its place to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* message) noexcept;

}  // namespace kachel

#define KACHEL_CHECK(condition, message) \
  ((condition) ? static_cast<void>(0) : ::kachel::check_failed(__FILE__, __LINE__, message))
