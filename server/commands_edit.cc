// Commands that change a value, or read a part of it: INCR, APPEND, SETRANGE, GETRANGE and kin.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/operations.h"
#include "server/policy_enforcement.h"
#include "server/session.h"
#include "server/set_command.h"
#include "server/value_edit.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::string_view kNotAFloat = "ERR value is not a valid float";

void reply_length(ReplyWriter reply, const Edited& edited) {
  reply.integer_unsigned(edited.value.size());
}

void add_to(Session& session, std::string_view key, std::int64_t by) {
  edit_string(
      session, key,
      [by](std::optional<std::string_view> old) { return add_integer(old, by, kNotAnInteger); },
      reply_edited_integer);
}

void incr(Session& session, Arguments arguments) {
  add_to(session, arguments[1], 1);
}
void decr(Session& session, Arguments arguments) {
  add_to(session, arguments[1], -1);
}
void incrby(Session& session, Arguments arguments) {
  if (const auto by = integer_argument(session, arguments[2])) add_to(session, arguments[1], *by);
}
void decrby(Session& session, Arguments arguments) {
  const auto by = integer_argument(session, arguments[2]);
  if (!by) return;
  if (*by == std::numeric_limits<std::int64_t>::min()) {
    return session.reply().error("ERR decrement would overflow");
  }
  add_to(session, arguments[1], -*by);
}

void incrbyfloat(Session& session, Arguments arguments) {
  const auto by = parse_real(arguments[2]);
  if (!by) return session.reply().error(kNotAFloat);
  edit_string(
      session, arguments[1],
      [by](std::optional<std::string_view> old) { return add_real(old, *by, kNotAFloat); },
      [](ReplyWriter reply, const Edited& edited) { reply.bulk(edited.value); });
}

std::string too_long(Session& session) {
  return fmt::format("ERR string exceeds maximum allowed size ({} bytes)",
                     session.state().limits.parser.max_bulk_bytes);
}

void append(Session& session, Arguments arguments) {
  const std::size_t limit = session.state().limits.parser.max_bulk_bytes;
  edit_string(
      session, arguments[1],
      [tail = ZeroizingString(arguments[2]), limit,
       error = too_long(session)](std::optional<std::string_view> old) {
        Edited edited;
        if (old.value_or("").size() + tail.size() > limit) {
          edited.error = error;
        } else {
          edited.value.append(old.value_or("")).append(tail);
        }
        return edited;
      },
      reply_length);
}

void setrange(Session& session, Arguments arguments) {
  const auto offset = integer_argument(session, arguments[2]);
  if (!offset) return;
  if (*offset < 0) return session.reply().error("ERR offset is out of range");
  const std::size_t limit = session.state().limits.parser.max_bulk_bytes;
  const auto at = static_cast<std::size_t>(*offset);
  if (at > limit || at + arguments[3].size() > limit) {
    return session.reply().error(too_long(session));
  }
  edit_string(
      session, arguments[1],
      [at, piece = ZeroizingString(arguments[3])](std::optional<std::string_view> old) {
        Edited edited;
        edited.is_changed = !piece.empty();
        edited.value = old.value_or("");
        if (piece.empty()) return edited;
        if (edited.value.size() < at + piece.size()) edited.value.resize(at + piece.size());
        std::copy(piece.begin(), piece.end(),
                  edited.value.begin() + static_cast<std::ptrdiff_t>(at));
        return edited;
      },
      reply_length);
}

/// As Redis: negative positions count from the end, what lies outside is cut off.
std::string_view part_of(std::string_view value, std::int64_t first, std::int64_t last) {
  const auto size = static_cast<std::int64_t>(value.size());
  if (first < 0 && last < 0 && first > last) return {};
  const auto place = [size](std::int64_t at) {
    return at < 0 ? std::max<std::int64_t>(0, std::max(at, -size) + size) : at;
  };
  first = place(first);
  last = std::min(place(last), size - 1);
  if (first > last || size == 0) return {};
  return value.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
}

void getrange(Session& session, Arguments arguments) {
  const auto first = integer_argument(session, arguments[2]);
  if (!first) return;
  const auto last = integer_argument(session, arguments[3]);
  if (!last) return;
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().get(
      session.space(), arguments[1],
      [reply = std::move(reply), first = *first,
       last = *last](Result<std::optional<Found>> found) mutable {
        if (!found) {
          reply.writer().error(found.error());
        } else {
          reply.writer().bulk(*found ? part_of((*found)->entry->value(), first, last)
                                     : std::string_view());
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

void getset(Session& session, Arguments arguments) {
  SetRequest request;
  request.get = true;
  run_set(session, arguments[1], arguments[2], std::move(request));
}

/// All keys are looked at before the first is put.
class MultiSetIfAbsent final : public FanOut {
 public:
  explicit MultiSetIfAbsent(PutOptions options, std::size_t keys)
      : FanOut(Order::kInOrder), options_(std::move(options)), keys_(keys) {}

 private:
  bool issue(std::size_t element) override {
    // An element for each look, then one for each put.
    if (element < keys_) return look(argument(element * 2 + 1));
    if (exists_) {
      completed();
      return true;
    }
    const std::size_t pair = element - keys_;
    return worker().put(space(), argument(pair * 2 + 1), argument(pair * 2 + 2), options_,
                        [keep = self(), this](Result<PutOutcome> outcome) {
                          if (!outcome) fail("ERR " + outcome.error().message);
                          completed();
                        });
  }
  bool look(std::string_view key) {
    worker().glimpse(space(), key, [keep = self(), this](Result<std::optional<Glimpse>> seen) {
      if (!seen) {
        fail("ERR " + seen.error().message);
      } else if (*seen) {
        exists_ = true;
      }
      completed();
    });
    return false;
  }
  void write(ReplyWriter reply) override { reply.integer(exists_ ? 0 : 1); }

  PutOptions options_;
  std::size_t keys_;
  bool exists_ = false;
};

bool has_hash(Session& session, std::size_t keys) {
  for (std::size_t key = 0; key < keys; ++key)
    if (session.hash_at(key)) return true;
  return false;
}

void msetnx(Session& session, Arguments arguments) {
  if (arguments.size() % 2 == 0) {
    return session.reply().error("ERR wrong number of arguments for 'msetnx' command");
  }
  const std::size_t keys = arguments.size() / 2;
  if (has_hash(session, keys)) return session.reply().integer(0);
  PutOptions options;
  if (lacks_subject(session, options.metadata)) {
    WorkerCounters::add(session.counters().sets_without_subject, keys);
    return session.reply().integer(1);
  }
  enforce_on_put(session, options);
  const boost::intrusive_ptr<MultiSetIfAbsent> operation(
      new MultiSetIfAbsent(std::move(options), keys));
  operation->start(session, arguments, 2 * keys);
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "string";
constexpr std::uint32_t kEdits = kWrite | kDenyOom | kStringKeys;
constexpr std::uint32_t kReads = kReadOnly | kStringKeys;

constexpr CommandSpec kCommands[] = {
    {"incr", 2, kEdits | kFast, kOneKey, incr, kGroup, "Adds one to the number in a key."},
    {"decr", 2, kEdits | kFast, kOneKey, decr, kGroup, "Takes one from the number in a key."},
    {"incrby", 3, kEdits | kFast, kOneKey, incrby, kGroup, "Adds to the number in a key."},
    {"decrby", 3, kEdits | kFast, kOneKey, decrby, kGroup, "Takes from the number in a key."},
    {"incrbyfloat", 3, kEdits | kFast, kOneKey, incrbyfloat, kGroup,
     "Adds a floating-point number to the one in a key."},
    {"append", 3, kEdits | kFast, kOneKey, append, kGroup, "Appends to the value of a key."},
    {"setrange", 4, kEdits, kOneKey, setrange, kGroup, "Overwrites a part of a value."},
    {"getrange", 4, kReads, kOneKey, getrange, kGroup, "Returns a part of a value."},
    {"substr", 4, kReads, kOneKey, getrange, kGroup, "Returns a part of a value, as GETRANGE."},
    {"getset", 3, kEdits | kFast, kOneKey, getset, kGroup,
     "Sets the value of a key and returns the old one."},
    {"msetnx",
     -3,
     kWrite | kDenyOom | kAnyKeys,
     {1, -1, 2},
     msetnx,
     kGroup,
     "Sets the values of keys if none of them exists."},
};

}  // namespace

std::span<const CommandSpec> edit_commands() {
  return kCommands;
}

}  // namespace kachel::server
