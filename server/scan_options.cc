#include "server/scan_options.h"

#include <algorithm>
#include <charconv>

#include "server/session.h"

namespace kachel::server {
namespace {

// COUNT is a hint; one page never costs more than this.
constexpr std::int64_t kMaxScanCount = 4096;

bool parse_cursor(std::string_view text, std::uint64_t& cursor) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  return code == std::errc{} && end == text.data() + text.size();
}

bool parse_scan_option(Session& session, std::string_view name, std::string_view value,
                       ScanOptions& scan, ScanOf of) {
  if (equals_ignoring_case(name, "COUNT")) {
    const auto count = integer_argument(session, value);
    if (!count) return false;
    if (*count < 1) {
      session.reply().error(kSyntaxError);
      return false;
    }
    scan.count = static_cast<std::size_t>(std::min(*count, kMaxScanCount));
  } else if (equals_ignoring_case(name, "MATCH")) {
    scan.pattern = value;
  } else if (equals_ignoring_case(name, "TYPE") && of == ScanOf::kKeys) {
    scan.takes_strings = equals_ignoring_case(value, "string");
    scan.takes_hashes = equals_ignoring_case(value, "hash");
  } else {
    session.reply().error(kSyntaxError);
    return false;
  }
  return true;
}

}  // namespace

bool parse_scan(Session& session, Arguments arguments, ScanOptions& scan, ScanOf of) {
  if (!parse_cursor(arguments[1], scan.cursor)) {
    session.reply().error("ERR invalid cursor");
    return false;
  }
  for (std::size_t at = 2; at < arguments.size(); at += 2) {
    if (at + 1 == arguments.size()) {
      session.reply().error(kSyntaxError);
      return false;
    }
    if (!parse_scan_option(session, arguments[at], arguments[at + 1], scan, of)) return false;
  }
  return true;
}

}  // namespace kachel::server
