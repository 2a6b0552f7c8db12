// kachel: the tool beside kacheld. One subcommand a file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "tools/exit_codes.h"
#include "tools/stats_command.h"

int main(int argc, char** argv) {
  using namespace kachel::tools;
  CLI::App app("The tool of Kachel, a persistent tiered cache.", "kachel");
  app.set_version_flag("--version", std::string("kachel ") + KACHEL_VERSION);
  app.require_subcommand(1);

  std::string endpoint = "127.0.0.1:6380";
  bool json = false;
  CLI::App* const stats = app.add_subcommand("stats", "Shows the numbers of a running kacheld.");
  stats->add_option("--connect", endpoint, "address of the server (127.0.0.1:6380)")
      ->type_name("HOST:PORT");
  stats->add_flag("--json", json, "as JSON instead of a table");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "kachel: %s (see kachel --help)\n", error.what());
    return kExitUsage;
  }
  if (stats->parsed()) return run_stats(endpoint, json);
  return kExitUsage;
}
