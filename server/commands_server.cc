// Commands about the server: INFO, CONFIG, TIME.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "io/units.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/info.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void info(Session& session, Arguments arguments) {
  const std::vector<std::string_view> sections(arguments.begin() + 1, arguments.end());
  const InfoScope scope{session.space().tenant, session.principal()->is_admin};
  session.reply().verbatim("txt", render_info(session.state(), session.store(), scope, sections));
}

void time(Session& session, Arguments) {
  const std::int64_t now = session.store().now_ms();
  ReplyWriter reply = session.reply();
  reply.array(2);
  reply.bulk(std::to_string(now / 1000));
  reply.bulk(std::to_string(now % 1000 * 1000));
}

void lolwut(Session& session, Arguments) {
  session.reply().verbatim("txt", fmt::format("Redis ver. {}\n", kRedisVersion));
}

/// There are no replicas to wait for.
void wait(Session& session, Arguments arguments) {
  if (!integer_argument(session, arguments[1])) return;
  const auto timeout_ms = integer_argument(session, arguments[2]);
  if (!timeout_ms) return;
  if (*timeout_ms < 0) return session.reply().error("ERR timeout is negative");
  session.reply().integer(0);
}

void module_list(Session& session, Arguments) {
  session.reply().array(0);
}

using Parameters = std::vector<std::pair<std::string_view, std::string>>;

/// What clients and monitors read; Redis' names, our values.
Parameters parameters(const ServerState& state) {
  return {
      {"maxmemory", std::to_string(state.memory_bytes.load())},
      {"maxmemory-policy", "allkeys-lfu"},
      {"maxmemory-samples", "5"},
      {"maxclients", std::to_string(state.max_clients)},
      {"timeout", std::to_string(state.idle_timeout_s)},
      {"databases", std::to_string(kDatabases)},
      {"port", std::to_string(state.listen_port)},
      {"bind", state.listen_host},
      {"dir", state.data_directory},
      {"io-threads", std::to_string(state.threads)},
      {"proto-max-bulk-len", std::to_string(state.limits.parser.max_bulk_bytes)},
      {"save", ""},
      {"appendonly", "no"},
      {"appendfsync", state.durability == Durability::kStrict ? "always" : "everysec"},
      {"tcp-keepalive", "300"},
      {"notify-keyspace-events", ""},
      {"requirepass", ""},
      {"slowlog-log-slower-than", std::to_string(state.slow_log.slower_than_us())},
      {"slowlog-max-len", std::to_string(SlowLog::kMostKept)},
  };
}

void config_get(Session& session, Arguments arguments) {
  Parameters found;
  for (auto& [name, value] : parameters(session.state())) {
    for (const std::string_view pattern : arguments.subspan(2)) {
      if (!glob_matches(pattern, name, true)) continue;
      found.emplace_back(name, std::move(value));
      break;
    }
  }
  ReplyWriter reply = session.reply();
  reply.map(found.size());
  for (const auto& [name, value] : found) {
    reply.bulk(name);
    reply.bulk(value);
  }
}

std::string set_failed(std::string_view name, std::string_view why) {
  return fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why);
}

bool is_parameter(const ServerState& state, std::string_view name) {
  for (const auto& [known, value] : parameters(state)) {
    if (equals_ignoring_case(known, name)) return true;
  }
  return false;
}

/// The error, or nothing.
std::string set_parameter(Session& session, std::string_view name, std::string_view value) {
  if (equals_ignoring_case(name, "slowlog-log-slower-than")) {
    const auto us = parse_integer(value);
    if (!us) return set_failed(name, "argument couldn't be parsed into an integer");
    session.state().slow_log.set_slower_than_us(std::max<std::int64_t>(*us, 0));
    return {};
  }
  if (!equals_ignoring_case(name, "maxmemory")) {
    if (is_parameter(session.state(), name)) {
      return set_failed(name, "can't set immutable config");
    }
    return fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'", name);
  }
  const auto bytes = parse_size(value);
  if (!bytes) return set_failed(name, "argument must be a memory value");
  if (const auto done = session.store().set_memory(*bytes); !done) {
    return set_failed(name, done.error().message);
  }
  session.state().memory_bytes.store(*bytes);
  return {};
}

void config_set(Session& session, Arguments arguments) {
  if (arguments.size() % 2 != 0) {
    return session.reply().error("ERR wrong number of arguments for 'config|set' command");
  }
  for (std::size_t at = 2; at < arguments.size(); at += 2) {
    const std::string error = set_parameter(session, arguments[at], arguments[at + 1]);
    if (!error.empty()) return session.reply().error(error);
  }
  session.reply().ok();
}

void config_resetstat(Session& session, Arguments) {
  session.state().reset_counters(session.store().stats());
  session.reply().ok();
}

constexpr std::uint32_t kFlags = kLoading | kStale;
constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "server";

constexpr CommandSpec kCommands[] = {
    {"info", -1, kFlags, kNoKey, info, kGroup, "Returns the server's numbers."},
    {"time", 1, kFlags | kFast, kNoKey, time, kGroup, "Returns the store's clock."},
    {"lolwut", -1, kFlags | kFast, kNoKey, lolwut, kGroup, "Returns the version."},
    {"wait", 3, kFlags, kNoKey, wait, "generic", "Returns 0: there are no replicas."},
    {"module", -2, kFlags | kAdmin, kNoKey, nullptr, kGroup, "A container for module commands."},
    {"module|list", 2, kFlags | kAdmin, kNoKey, module_list, kGroup, "Returns an empty list."},
    {"config", -2, kFlags | kAdmin, kNoKey, nullptr, kGroup, "A container for config commands."},
    {"config|get", -3, kFlags | kAdmin, kNoKey, config_get, kGroup, "Returns parameters."},
    {"config|set", -4, kFlags | kAdmin, kNoKey, config_set, kGroup,
     "Sets maxmemory, or slowlog-log-slower-than."},
    {"config|resetstat", 2, kFlags | kAdmin, kNoKey, config_resetstat, kGroup,
     "Starts the counters of INFO again."},
};

}  // namespace

std::span<const CommandSpec> server_commands() {
  return kCommands;
}

}  // namespace kachel::server
