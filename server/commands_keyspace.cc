// FLUSHDB and FLUSHALL.
#include <optional>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/operations.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

/// [ASYNC|SYNC], which make no difference here: a fence is written either way.
bool parse_flush(Session& session, Arguments arguments) {
  if (arguments.size() == 1) return true;
  const bool known = arguments.size() == 2 && (equals_ignoring_case(arguments[1], "ASYNC") ||
                                               equals_ignoring_case(arguments[1], "SYNC"));
  if (!known) session.reply().error(kSyntaxError);
  return known;
}

/// The fields of the hashes after their database's strings.
class EraseDatabases final : public FanOut {
 public:
  explicit EraseDatabases(std::optional<std::uint8_t> only)
      : FanOut(Order::kInOrder), only_(only) {}

 private:
  bool issue(std::size_t element) override {
    const auto database = only_ ? *only_ : static_cast<std::uint8_t>(element / 2);
    const Namespace strings{space().tenant, database};
    const bool is_of_fields = element % 2 == 1;
    if (is_of_fields && !session().store().may_have_hashes(strings)) {
      completed();
      return true;
    }
    return worker().erase_all(is_of_fields ? fields_of(strings) : strings,
                              [keep = self(), this](Result<void> done) {
                                if (!done) fail("ERR " + done.error().message);
                                completed();
                              });
  }
  void write(ReplyWriter reply) override { reply.ok(); }
  std::optional<std::uint8_t> only_;
};

void flushdb(Session& session, Arguments arguments) {
  if (!parse_flush(session, arguments)) return;
  const boost::intrusive_ptr<EraseDatabases> operation(
      new EraseDatabases(session.space().database));
  operation->start(session, arguments, 2);
}

void flushall(Session& session, Arguments arguments) {
  if (!parse_flush(session, arguments)) return;
  const boost::intrusive_ptr<EraseDatabases> operation(new EraseDatabases(std::nullopt));
  operation->start(session, arguments, std::size_t{2} * kDatabases);
}

constexpr KeyPositions kNoKey{0, 0, 0};

constexpr CommandSpec kCommands[] = {
    {"flushdb", -1, kWrite | kAfterAll, kNoKey, flushdb, "server",
     "Erases all keys of the database."},
    {"flushall", -1, kWrite | kAfterAll, kNoKey, flushall, "server",
     "Erases all keys of all databases."},
};

}  // namespace

std::span<const CommandSpec> keyspace_commands() {
  return kCommands;
}

}  // namespace kachel::server
