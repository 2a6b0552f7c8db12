// The arguments of SCAN and HSCAN.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/arguments.h"
#include "server/command.h"

namespace kachel::server {

class Session;

struct ScanOptions {
  std::uint64_t cursor = 0;
  std::size_t count = 10;
  ZeroizingString pattern;
  bool takes_strings = true;  // TYPE
  bool takes_hashes = true;

  bool takes(std::string_view name) const { return pattern.empty() || glob_matches(pattern, name); }
};

enum class ScanOf : std::uint8_t { kKeys, kFields };
/// `arguments[1]` is the cursor. False once an error has been replied.
bool parse_scan(Session& session, Arguments arguments, ScanOptions& scan, ScanOf of);

}  // namespace kachel::server
