// kacheld: the server.
#include <cstdio>
#include <exception>

#include "server/daemon.h"

int main(int argc, char** argv) {
  using namespace kachel::server;
  try {
    const auto config = parse_command_line({argv + 1, argv + argc});
    return config ? run_daemon(*config) : kExitOk;
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "kacheld: %s\n", error.what());
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kacheld: %s\n", error.what());
    return kExitFailure;
  }
}
