// `kachel verify [quick|full|index|segments|erasure]`: checks a store that nobody runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/inspect/verify.h"

namespace kachel::tools {

struct StoreCheck {
  inspect::VerifyScope scope = inspect::VerifyScope::kFull;
  std::string data;          // the data directory
  std::string rate;          // a size a second; empty: as fast as it goes
  std::string max_duration;  // empty: to the end
  std::string resume;        // a file
  std::string sample;        // "5%" or "n/t"
  std::string since, until;  // moments
  std::uint64_t seed = 0;
  std::string tenant;          // a name or a number; empty: all, but for keys and subjects 0
  std::uint32_t database = 0;  // of the keys
  std::vector<std::string> receipts, keys, subjects;
  std::vector<std::string> checkpoints;  // as AuditCheck's
  bool json = false;
};

/// The exit code.
int run_verify_store(const StoreCheck& check);

/// Exposed for tests. "5%", "0.5%"; "2/10": the second of ten parts. kInvalidArgument.
Result<inspect::Selection> parse_sample(const std::string& text);
/// "2026-11-29", "2026-11-29T08:00:00Z", or milliseconds since the epoch. kInvalidArgument.
Result<std::int64_t> parse_moment_ms(const std::string& text);

}  // namespace kachel::tools
