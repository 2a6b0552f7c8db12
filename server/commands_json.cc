// JSON.SET and JSON.GET of whole documents: a string that is known to be JSON.
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/json_text.h"
#include "server/session.h"
#include "server/set_command.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::string_view kRootOnly =
    "ERR only the root of a document can be read and written here: use the path $";

bool is_root(std::string_view path) {
  return path == "$" || path == ".";
}

void json_set(Session& session, Arguments arguments) {
  if (!is_root(arguments[2])) return session.reply().error(kRootOnly);
  SetRequest request;
  for (std::size_t at = 4; at < arguments.size(); ++at) {
    const bool is_condition =
        equals_ignoring_case(arguments[at], "NX") || equals_ignoring_case(arguments[at], "XX");
    if (!is_condition || take_set_option(arguments, at, request) != OptionMatch::kTaken) {
      return session.reply().error(kSyntaxError);
    }
  }
  const std::string fault = json_fault(arguments[3]);
  if (!fault.empty()) return session.reply().error("ERR the value is not JSON: " + fault);
  run_set(session, arguments[1], arguments[3], std::move(request));
}

/// With the path $ the reply is an array of what matches, which is the one document.
void write_document(ReplyWriter reply, const Found& found, bool in_array) {
  const std::string_view value = found.entry->value();
  if (!json_fault(value).empty()) {
    return reply.error("WRONGTYPE the key holds a string that is not JSON");
  }
  if (!in_array) return reply.value(found.entry);
  ZeroizingString array = "[";
  array.append(value).append("]");
  reply.bulk(array);
}

void json_get(Session& session, Arguments arguments) {
  if (arguments.size() > 3) {
    return session.reply().error(
        "ERR JSON.GET takes one path here, and no INDENT, NEWLINE or SPACE");
  }
  if (arguments.size() == 3 && !is_root(arguments[2])) return session.reply().error(kRootOnly);
  const bool in_array = arguments.size() == 3 && arguments[2] == "$";
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().get(
      session.space(), arguments[1],
      [reply = std::move(reply), in_array](Result<std::optional<Found>> found) mutable {
        if (!found) {
          reply.writer().error(found.error());
        } else if (*found) {
          write_document(reply.writer(), **found, in_array);
        } else {
          reply.writer().null();
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "module";

constexpr CommandSpec kCommands[] = {
    {"json.set", -4, kWrite | kDenyOom | kAnyKeys, kOneKey, json_set, kGroup,
     "Sets a whole JSON document."},
    {"json.get", -2, kReadOnly | kStringKeys, kOneKey, json_get, kGroup,
     "Returns a whole JSON document."},
};

}  // namespace

std::span<const CommandSpec> json_commands() {
  return kCommands;
}

}  // namespace kachel::server
