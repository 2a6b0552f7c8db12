#include "tools/drain_command.h"

#include <fmt/format.h>
#include <vector>

#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {

int run_drain(const std::string& endpoint, const DrainRequest& request) {
  const auto fail = [&](const Error& error) {
    fmt::print(stderr, "kachel: {}: {}\n", endpoint, error.message);
    return error.code == ErrorCode::kInvalidArgument ? kExitUsage : kExitIncomplete;
  };
  auto client = RespClient::connect(endpoint);
  if (!client) return fail(client.error());
  if (!request.only_asks) {
    const auto done = client->ask({"KACHEL.DRAIN", request.off ? "OFF" : "ON"});
    if (!done) return fail(done.error());
  }
  const auto state = client->ask({"KACHEL.DRAIN"});
  if (!state) return fail(state.error());
  fmt::print("{}\n", *state == "on"
                         ? "draining: reads are served, values are accepted and not stored, and "
                           "/readyz says `draining`"
                         : "not draining: values are stored");
  return kExitClean;
}

}  // namespace kachel::tools
