// Holds: what they cover is not destroyed until they are released.
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::string_view kHoldForms =
    "ERR syntax error: write KACHEL.HOLD SUBJECT id REASON text, or KACHEL.HOLD TENANT REASON text";
constexpr std::string_view kReleaseForms =
    "ERR syntax error: write KACHEL.RELEASE hold-id [REASON text]";
constexpr std::string_view kIdForm = "ERR a hold's id is the UUID that KACHEL.HOLD answered";

void kachel_hold(Session& session, Arguments arguments) {
  HoldRequest request;
  request.tenant = session.space().tenant;
  std::size_t at = 2;
  if (equals_ignoring_case(arguments[1], "SUBJECT")) {
    if (at == arguments.size()) return session.reply().error(kHoldForms);
    request.subject = arguments[at++];
  } else if (!equals_ignoring_case(arguments[1], "TENANT")) {
    return session.reply().error(kHoldForms);
  }
  if (at + 2 != arguments.size() || !equals_ignoring_case(arguments[at], "REASON")) {
    return session.reply().error(kHoldForms);
  }
  request.reason = arguments[at + 1];
  PendingReply reply = session.defer();
  session.worker().place_hold(std::move(request),
                              [reply = std::move(reply)](Result<HoldId> id) mutable {
                                if (id) {
                                  reply.writer().bulk(text_of(*id));
                                } else {
                                  reply.writer().error(id.error());
                                }
                                reply.finish();
                              });
}

void kachel_release(Session& session, Arguments arguments) {
  std::string reason;
  if (arguments.size() != 2) {
    if (arguments.size() != 4 || !equals_ignoring_case(arguments[2], "REASON")) {
      return session.reply().error(kReleaseForms);
    }
    reason = arguments[3];
  }
  const auto id = parse_receipt_id(arguments[1]);
  if (!id) return session.reply().error(kIdForm);
  PendingReply reply = session.defer();
  session.worker().release_hold(session.space().tenant, *id, std::move(reason),
                                [reply = std::move(reply)](Result<void> released) mutable {
                                  if (released) {
                                    reply.writer().ok();
                                  } else {
                                    reply.writer().error(released.error());
                                  }
                                  reply.finish();
                                });
}

void write_hold(ReplyWriter reply, const HoldInfo& hold) {
  reply.map(5);
  for (const auto& [name, value] :
       {std::pair{"id", text_of(hold.id)}, std::pair{"scope", hold.scope},
        std::pair{"target", hold.target}, std::pair{"reason", hold.reason}}) {
    reply.bulk(name);
    reply.bulk(value);
  }
  reply.bulk("placed_ms");
  reply.integer(hold.placed_ms);
}

void kachel_holds(Session& session, Arguments) {
  PendingReply reply = session.defer();
  session.worker().list_holds(
      session.space().tenant,
      [reply = std::move(reply)](Result<std::vector<HoldInfo>> holds) mutable {
        if (holds) {
          reply.writer().array(holds->size());
          for (const HoldInfo& hold : *holds)
            write_hold(reply.writer(), hold);
        } else {
          reply.writer().error(holds.error());
        }
        reply.finish();
      });
}

constexpr CommandSpec kCommands[] = {
    {"kachel.hold",
     -2,
     kWrite | kAfterAll,
     {0, 0, 0},
     kachel_hold,
     "kachel",
     "Keeps the bytes of a subject's or of all entries from being destroyed, and answers the "
     "hold's id."},
    {"kachel.release",
     -2,
     kWrite | kAfterAll,
     {0, 0, 0},
     kachel_release,
     "kachel",
     "Releases a hold: what waited for it is destroyed."},
    {"kachel.holds", 1, kReadOnly, {0, 0, 0}, kachel_holds, "kachel", "Lists the holds in force."},
};

}  // namespace

std::span<const CommandSpec> hold_commands() {
  return kCommands;
}

}  // namespace kachel::server
