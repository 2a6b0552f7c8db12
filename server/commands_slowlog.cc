// SLOWLOG: see slow_log.h.
#include <fmt/format.h>
#include <limits>

#include "server/arguments.h"
#include "server/command.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::int64_t kUsualCount = 10;

void slowlog_get(Session& session, Arguments arguments) {
  std::int64_t count = kUsualCount;
  if (arguments.size() > 3) {
    return session.reply().error("ERR wrong number of arguments for 'slowlog|get' command");
  }
  if (arguments.size() == 3) {
    const auto asked = integer_argument(session, arguments[2]);
    if (!asked) return;
    if (*asked < -1) {
      return session.reply().error("ERR count should be greater than or equal to -1");
    }
    count = *asked == -1 ? std::numeric_limits<std::int64_t>::max() : *asked;
  }
  const auto slow = session.state().slow_log.newest(static_cast<std::size_t>(count));
  ReplyWriter reply = session.reply();
  reply.array(slow.size());
  for (const SlowCommand& each : slow) {
    reply.array(6);
    reply.integer_unsigned(each.id);
    reply.integer(each.at_ms / 1000);
    reply.integer(each.duration_us);
    reply.array(2);
    reply.bulk(each.command);
    reply.bulk(fmt::format("({} arguments, {} bytes)", each.arguments, each.request_bytes));
    reply.bulk(each.client_address);
    reply.bulk(each.client_name);
  }
}

void slowlog_len(Session& session, Arguments) {
  session.reply().integer_unsigned(session.state().slow_log.size());
}

void slowlog_reset(Session& session, Arguments) {
  session.state().slow_log.clear();
  session.reply().ok();
}

constexpr std::uint32_t kFlags = kAdmin | kLoading | kStale;
constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "server";

constexpr CommandSpec kCommands[] = {
    {"slowlog", -2, kFlags, kNoKey, nullptr, kGroup, "A container for slowlog commands."},
    {"slowlog|get", -2, kFlags, kNoKey, slowlog_get, kGroup, "Returns the last slow commands."},
    {"slowlog|len", 2, kFlags, kNoKey, slowlog_len, kGroup, "Returns how many are kept."},
    {"slowlog|reset", 2, kFlags, kNoKey, slowlog_reset, kGroup, "Forgets the slow commands."},
};

}  // namespace

std::span<const CommandSpec> slowlog_commands() {
  return kCommands;
}

}  // namespace kachel::server
