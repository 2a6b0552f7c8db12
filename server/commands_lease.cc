// KACHEL.LEASE: one caller computes what is missing, the others wait for it.
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::int64_t kMostMs = std::chrono::milliseconds(kLongestLease).count();

void write_answer(ReplyWriter reply, const LeaseAnswer& answer) {
  reply.array(2);
  if (answer.found) {
    reply.bulk("value");
    reply.value(answer.found->entry);
  } else if (answer.token != 0) {
    reply.bulk("token");
    reply.bulk(lease_token_text(answer.token));
  } else {
    reply.bulk("retry");
    reply.null();
  }
}

void kachel_lease(Session& session, Arguments arguments) {
  const auto ms = parse_integer(arguments[2]);
  if (!ms || *ms < kShortestLease.count() || *ms > kMostMs) {
    return session.reply().error(fmt::format("ERR ms must be a whole number from {} to {}",
                                             kShortestLease.count(), kMostMs));
  }
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().lease(
      session.space(), arguments[1], std::chrono::milliseconds(*ms),
      [reply = std::move(reply), space = session.space(),
       key = ZeroizingString(arguments[1])](Result<LeaseAnswer> answer) mutable {
        if (answer && answer->token != 0 && reply.session().has_left()) {
          // Or the others would wait for nobody.
          reply.session().worker().give_up_lease(space, key, std::exchange(answer->token, 0));
        }
        if (answer) {
          write_answer(reply.writer(), *answer);
        } else {
          reply.writer().error(answer.error());
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

constexpr CommandSpec kCommands[] = {
    {"kachel.lease",
     3,
     kReadOnly | kStringKeys | kNoMulti | kWaits,
     {1, 1, 1},
     kachel_lease,
     "kachel",
     "Returns the value of a key, or a token for the one caller who is to compute it."},
};

}  // namespace

std::span<const CommandSpec> lease_commands() {
  return kCommands;
}

}  // namespace kachel::server
