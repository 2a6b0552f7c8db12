// Commands on all keys of a database: iteration, size, flushing.
#include <algorithm>
#include <charconv>
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

struct ScanArguments {
  std::uint64_t cursor = 0;
  std::size_t count = 10;
  ZeroizingString pattern;
  bool matches_strings = true;  // TYPE given, and not ours: nothing matches
};

// COUNT is a hint; one page never costs more than this.
constexpr std::int64_t kMaxScanCount = 4096;

bool parse_cursor(std::string_view text, std::uint64_t& cursor) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  return code == std::errc{} && end == text.data() + text.size();
}

bool parse_scan_option(Session& session, std::string_view name, std::string_view value,
                       ScanArguments& scan) {
  if (equals_ignoring_case(name, "COUNT")) {
    const auto count = integer_argument(session, value);
    if (!count) return false;
    if (*count < 1) {
      session.reply().error(kSyntaxError);
      return false;
    }
    scan.count = static_cast<std::size_t>(std::min(*count, kMaxScanCount));
  } else if (equals_ignoring_case(name, "MATCH")) {
    scan.pattern = value;
  } else if (equals_ignoring_case(name, "TYPE")) {
    scan.matches_strings = equals_ignoring_case(value, "string");
  } else {
    session.reply().error(kSyntaxError);
    return false;
  }
  return true;
}

bool parse_scan(Session& session, Arguments arguments, ScanArguments& scan) {
  if (!parse_cursor(arguments[1], scan.cursor)) {
    session.reply().error("ERR invalid cursor");
    return false;
  }
  for (std::size_t at = 2; at < arguments.size(); at += 2) {
    if (at + 1 == arguments.size()) {
      session.reply().error(kSyntaxError);
      return false;
    }
    if (!parse_scan_option(session, arguments[at], arguments[at + 1], scan)) return false;
  }
  return true;
}

void write_page(ReplyWriter reply, ScanPage page, const ScanArguments& scan) {
  const auto unwanted = [&](const ZeroizingString& key) {
    return !scan.matches_strings || (!scan.pattern.empty() && !glob_matches(scan.pattern, key));
  };
  std::erase_if(page.keys, unwanted);
  reply.array(2);
  reply.bulk(std::to_string(page.cursor));
  reply.array(page.keys.size());
  for (const ZeroizingString& key : page.keys)
    reply.bulk(key);
}

void scan(Session& session, Arguments arguments) {
  ScanArguments scan;
  if (!parse_scan(session, arguments, scan)) return;
  PendingReply reply = session.defer();
  // A page is a reading of many keys: what comes later waits, whatever it is.
  session.hold_for(reply.slot());
  const std::uint64_t cursor = scan.cursor;
  const std::size_t count = scan.count;
  session.worker().scan(
      session.space(), cursor, count,
      [reply = std::move(reply), scan = std::move(scan)](Result<ScanPage> page) mutable {
        if (page) {
          write_page(reply.writer(), std::move(*page), scan);
        } else {
          reply.writer().error(page.error());
        }
        reply.finish();
      });
}

void dbsize(Session& session, Arguments) {
  session.reply().integer_unsigned(session.store().count(session.space()));
}

/// [ASYNC|SYNC], which make no difference here: a fence is written either way.
bool parse_flush(Session& session, Arguments arguments) {
  if (arguments.size() == 1) return true;
  const bool known = arguments.size() == 2 && (equals_ignoring_case(arguments[1], "ASYNC") ||
                                               equals_ignoring_case(arguments[1], "SYNC"));
  if (!known) session.reply().error(kSyntaxError);
  return known;
}

class EraseNamespaces final : public FanOut {
 public:
  explicit EraseNamespaces(std::optional<std::uint8_t> only)
      : FanOut(Order::kInOrder), only_(only) {}

 private:
  bool issue(std::size_t element) override {
    const auto database = only_ ? *only_ : static_cast<std::uint8_t>(element);
    return worker().erase_all({space().tenant, database}, [keep = self(), this](Result<void> done) {
      if (!done) fail("ERR " + done.error().message);
      completed();
    });
  }
  void write(ReplyWriter reply) override { reply.ok(); }
  std::optional<std::uint8_t> only_;
};

void flushdb(Session& session, Arguments arguments) {
  if (!parse_flush(session, arguments)) return;
  const boost::intrusive_ptr<EraseNamespaces> operation(
      new EraseNamespaces(session.space().database));
  operation->start(session, arguments, 1);
}

void flushall(Session& session, Arguments arguments) {
  if (!parse_flush(session, arguments)) return;
  const boost::intrusive_ptr<EraseNamespaces> operation(new EraseNamespaces(std::nullopt));
  operation->start(session, arguments, kDatabases);
}

constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "generic";

constexpr CommandSpec kCommands[] = {
    {"scan", -2, kReadOnly, kNoKey, scan, kGroup, "Iterates over the keys of the database."},
    {"dbsize", 1, kReadOnly | kFast, kNoKey, dbsize, "server",
     "Returns the number of keys in the database."},
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
