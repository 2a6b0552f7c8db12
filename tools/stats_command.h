// `kachel stats`: the numbers of a running server, as a table or as JSON.
#pragma once

#include <string>
#include <string_view>

namespace kachel::tools {

/// The exit code; the table on stdout, what went wrong on stderr.
int run_stats(const std::string& endpoint, bool json);

// Exposed for tests: INFO's text rendered.
std::string stats_table(std::string_view info);
std::string stats_json(std::string_view info);

}  // namespace kachel::tools
