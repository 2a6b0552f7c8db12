// `kachel bench`: load for any server that speaks the Redis protocol, or memcached's.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/bench/options.h"

namespace kachel::bench {

/// The subcommand and its options, which write into `request`.
void add_bench(CLI::App& app, Request& request);
/// The exit code; results on stdout, what went wrong on stderr.
int run_bench(const Request& request);

}  // namespace kachel::bench
