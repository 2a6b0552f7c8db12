#include "tools/catch_up_command.h"

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <memory>
#include <unistd.h>

#include "tools/catch_up.h"
#include "tools/exit_codes.h"
#include "tools/resp_client.h"

namespace kachel::tools {
namespace {

namespace json = boost::json;
void show(const Learnt& learnt, bool json_lines) {
  if (json_lines) {
    fmt::print("{}\n",
               json::serialize(json::object{
                   {"type", "status"}, {"alive", learnt.alive}, {"erased", learnt.erased}}));
    std::fflush(stdout);
  } else if (::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "\r\x1b[K{} entries are alive, {} erased", learnt.alive, learnt.erased);
    std::fflush(stderr);
  }
}

int fail(const Error& error) {
  fmt::print(stderr, "kachel catch-up: {}\n", error.message);
  return exit_code_for(error);
}

int say_state(const std::string& endpoint, const Described& described, bool as_json) {
  const bool in_doubt = described.doubtful_through != 0;
  if (as_json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "doubt"},
                                                    {"in_doubt", in_doubt},
                                                    {"through", described.doubtful_through},
                                                    {"copied_ms", described.copied_ms}}));
  } else if (in_doubt) {
    fmt::print(
        "{} is a copy made {:%Y-%m-%d %H:%M:%S}Z. What it came with (through sequence {}) is not "
        "served\nbefore it knows what was erased since: give --from HOST:PORT of a node that "
        "knows, "
        "--from-copy DIR\nof a newer copy, or --accept-doubt with a --reason\n",
        endpoint, fmt::gmtime(static_cast<std::time_t>(described.copied_ms / 1000)),
        described.doubtful_through);
  } else {
    fmt::print("nothing is in doubt on {}\n", endpoint);
  }
  return in_doubt ? kExitFindings : kExitClean;
}

Result<std::unique_ptr<Knowledge>> open_source(const CatchUpRequest& request) {
  return request.from.empty() ? open_copy(request.from_copy) : open_node(request.from);
}

}  // namespace

int run_catch_up(const std::string& endpoint, const CatchUpRequest& request) {
  auto copy = RespClient::connect(endpoint, kLongPatience);
  if (!copy) return fail(copy.error());
  const auto described = ask_what(*copy);
  if (!described) return fail(described.error());
  const bool only_asks = request.from.empty() && request.from_copy.empty() && !request.accept_doubt;
  if (only_asks || described->doubtful_through == 0) {
    return say_state(endpoint, *described, request.json);
  }
  if (request.accept_doubt) {
    if (request.reason.empty()) {
      return fail({ErrorCode::kInvalidArgument,
                   "--accept-doubt needs --reason TEXT, which goes into the audit log: what was "
                   "erased since the copy was made will be served again"});
    }
    const auto accepted = copy->ask({"KACHEL.DOUBT", "ACCEPT", "REASON", request.reason});
    if (!accepted) return fail(accepted.error());
    fmt::print("nothing is in doubt any more: you answer for it, and the audit log says so\n");
    return kExitClean;
  }
  auto source = open_source(request);
  if (!source) return fail(source.error());
  if (auto knows = check_knows(**source, *described); !knows) return fail(knows.error());
  const auto learnt =
      learn(*copy, *described, **source, [&](const Learnt& so_far) { show(so_far, request.json); });
  if (!request.json && ::isatty(STDERR_FILENO) == 1) fmt::print(stderr, "\r\x1b[K");
  if (!learnt) return fail(learnt.error());
  const auto ended =
      copy->ask({"KACHEL.DOUBT", "CAUGHTUP", (*source)->name, std::to_string((*source)->through),
                 std::to_string(learnt->erased)});
  if (!ended) return fail(ended.error());
  if (request.json) {
    fmt::print("{}\n", json::serialize(json::object{{"type", "caught_up"},
                                                    {"source", (*source)->name},
                                                    {"source_through", (*source)->through},
                                                    {"erased", learnt->erased}}));
  } else {
    fmt::print("caught up with {} (sequence {}): {} entries erased, the rest is served\n",
               (*source)->name, (*source)->through, learnt->erased);
  }
  return kExitClean;
}

}  // namespace kachel::tools
