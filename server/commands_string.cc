// Commands on values: GET, SET and their kin.
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "server/arguments.h"
#include "server/command.h"
#include "server/operations.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void write_found(ReplyWriter reply, const Result<std::optional<Found>>& found) {
  if (!found) return reply.error(found.error());
  if (!*found) return reply.null();
  reply.value((*found)->entry);
}

void get(Session& session, Arguments arguments) {
  if (const auto hot = session.worker().get_hot(session.space(), arguments[1])) {
    return session.reply().value(hot->entry);
  }
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled =
      session.worker().get(session.space(), arguments[1],
                           [reply = std::move(reply)](Result<std::optional<Found>> found) mutable {
                             write_found(reply.writer(), found);
                             reply.finish();
                           });
  session.settled(slot, settled);
}

/// What is said when a put took place, and when its condition did not hold.
enum class PutReply : std::uint8_t { kOkOrNull, kOneOrZero };

void write_put(ReplyWriter reply, PutReply form, const Result<PutOutcome>& outcome) {
  if (!outcome) return reply.error(outcome.error());
  // kNotStored: accepted and dropped under pressure, as a cache may (counted in INFO).
  const bool done = *outcome == PutOutcome::kStored || *outcome == PutOutcome::kNotStored;
  if (form == PutReply::kOneOrZero) return reply.integer(done ? 1 : 0);
  if (done) return reply.ok();
  reply.null();
}

void put(Session& session, std::string_view key, std::string_view value, PutOptions options,
         PutReply form) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled =
      session.worker().put(session.space(), key, value, std::move(options),
                           [reply = std::move(reply), form](Result<PutOutcome> outcome) mutable {
                             write_put(reply.writer(), form, outcome);
                             reply.finish();
                           });
  session.settled(slot, settled);
}

/// SET ... GET: the old value is the reply.
class SetGet final : public ReadModifyWrite {
 public:
  SetGet(std::string_view value, PutOptions options)
      : value_(value), options_(std::move(options)) {}

 private:
  void decide(const std::optional<Found>& found) override {
    const bool refused = (options_.condition == Condition::kIfAbsent && found) ||
                         (options_.condition == Condition::kIfPresent && !found);
    if (refused) return finish_with_value(found);
    PutOptions options = options_;
    options.if_version = found ? found->entry->version : 0;
    worker().put(space(), key(), value_, std::move(options),
                 [keep = self(), this, found](Result<PutOutcome> outcome) {
                   if (!outcome) return finish_with_error(outcome.error());
                   const bool changed = *outcome == PutOutcome::kVersionChanged ||
                                        *outcome == PutOutcome::kConditionFailed;
                   if (changed) return retry();
                   finish_with_value(found);
                 });
  }

  std::string value_;
  PutOptions options_;
};

struct SetArguments {
  PutOptions options;
  ExpiryOption expiry;
  bool get = false;
};

bool parse_set_options(Arguments arguments, SetArguments& set) {
  for (std::size_t at = 3; at < arguments.size(); ++at) {
    const std::string_view option = arguments[at];
    Condition& condition = set.options.condition;
    if (equals_ignoring_case(option, "NX") && condition != Condition::kIfPresent) {
      condition = Condition::kIfAbsent;
    } else if (equals_ignoring_case(option, "XX") && condition != Condition::kIfAbsent) {
      condition = Condition::kIfPresent;
    } else if (equals_ignoring_case(option, "GET")) {
      set.get = true;
    } else if (take_expiry(arguments, at, TimeForm::kKeep, set.expiry) != OptionMatch::kTaken) {
      return false;
    }
  }
  return true;
}

void set(Session& session, Arguments arguments) {
  SetArguments set;
  if (!parse_set_options(arguments, set)) return session.reply().error(kSyntaxError);
  const auto expires_at_ms = resolve_expiry(session, set.expiry);
  if (!expires_at_ms) return;
  set.options.expires_at_ms = *expires_at_ms;
  set.options.keep_ttl = set.expiry.form == TimeForm::kKeep;
  if (!set.get) {
    return put(session, arguments[1], arguments[2], std::move(set.options), PutReply::kOkOrNull);
  }
  const boost::intrusive_ptr<SetGet> operation(new SetGet(arguments[2], std::move(set.options)));
  operation->start(session, arguments[1]);
}

void set_with_time(Session& session, Arguments arguments, TimeForm form) {
  const auto expires_at_ms = resolve_time(session, form, arguments[2]);
  if (!expires_at_ms) return;
  PutOptions options;
  options.expires_at_ms = *expires_at_ms;
  put(session, arguments[1], arguments[3], std::move(options), PutReply::kOkOrNull);
}

void setex(Session& session, Arguments arguments) {
  set_with_time(session, arguments, TimeForm::kSeconds);
}

void psetex(Session& session, Arguments arguments) {
  set_with_time(session, arguments, TimeForm::kMilliseconds);
}

void setnx(Session& session, Arguments arguments) {
  PutOptions options;
  options.condition = Condition::kIfAbsent;
  put(session, arguments[1], arguments[2], std::move(options), PutReply::kOneOrZero);
}

class MultiGet final : public FanOut {
 public:
  explicit MultiGet(std::size_t keys) : FanOut(Order::kAny), found_(keys) {}

 private:
  bool issue(std::size_t element) override {
    const std::string_view key = argument(element + 1);
    if (auto hot = worker().get_hot(space(), key)) {
      take(element, std::move(hot->entry));
      completed();
      return true;
    }
    return worker().get(space(), key,
                        [keep = self(), this, element](Result<std::optional<Found>> found) {
                          if (!found) {
                            fail("ERR " + found.error().message);
                          } else if (*found) {
                            take(element, std::move((*found)->entry));
                          }
                          completed();
                        });
  }

  // The values are all held until the last is there: bounded like any output.
  void take(std::size_t element, Entry::Pointer entry) {
    const std::size_t limit = session().state().limits.output_hard_bytes;
    bytes_ += entry->value().size();
    if (bytes_ > limit) {
      return fail(fmt::format("ERR the reply would exceed {} bytes; ask for fewer keys", limit));
    }
    found_[element] = std::move(entry);
  }

  void write(ReplyWriter reply) override {
    reply.array(found_.size());
    for (const Entry::Pointer& entry : found_) {
      if (entry) {
        reply.value(entry);
      } else {
        reply.null();
      }
    }
  }

  std::vector<Entry::Pointer> found_;
  std::size_t bytes_ = 0;
};

void mget(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<MultiGet> operation(new MultiGet(arguments.size() - 1));
  operation->start(session, arguments, arguments.size() - 1);
}

class MultiSet final : public FanOut {
 public:
  MultiSet() : FanOut(Order::kInOrder) {}

 private:
  bool issue(std::size_t element) override {
    return worker().put(space(), argument(element * 2 + 1), argument(element * 2 + 2), {},
                        [keep = self(), this](Result<PutOutcome> outcome) {
                          if (!outcome) fail("ERR " + outcome.error().message);
                          completed();
                        });
  }
  void write(ReplyWriter reply) override { reply.ok(); }
};

void mset(Session& session, Arguments arguments) {
  if (arguments.size() % 2 == 0) {
    return session.reply().error("ERR wrong number of arguments for 'mset' command");
  }
  const boost::intrusive_ptr<MultiSet> operation(new MultiSet);
  operation->start(session, arguments, arguments.size() / 2);
}

void strlen_command(Session& session, Arguments arguments) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().glimpse(
      session.space(), arguments[1],
      [reply = std::move(reply)](Result<std::optional<Glimpse>> seen) mutable {
        if (!seen) {
          reply.writer().error(seen.error());
        } else {
          reply.writer().integer_unsigned(*seen ? (*seen)->raw_bytes : 0);
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

/// GETDEL.
class GetErase final : public ReadModifyWrite {
  void decide(const std::optional<Found>& found) override {
    if (!found) return finish_with_value(found);
    worker().erase(space(), key(), found->entry->version,
                   [keep = self(), this, found](Result<EraseOutcome> outcome) {
                     if (!outcome) return finish_with_error(outcome.error());
                     if (*outcome != EraseOutcome::kErased) return retry();
                     finish_with_value(found);
                   });
  }
};

void getdel(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<GetErase> operation(new GetErase);
  operation->start(session, arguments[1]);
}

/// GETEX with a time or PERSIST.
class GetExpire final : public ReadModifyWrite {
 public:
  explicit GetExpire(std::int64_t expires_at_ms) : expires_at_ms_(expires_at_ms) {}

 private:
  void decide(const std::optional<Found>& found) override {
    if (!found) return finish_with_value(found);
    ExpiryChange change;
    change.expires_at_ms = expires_at_ms_;
    change.if_version = found->entry->version;
    worker().change_expiry(
        space(), key(), change, [keep = self(), this, found](Result<ExpiryOutcome> outcome) {
          if (!outcome) return finish_with_error(outcome.error());
          const bool gone =
              *outcome == ExpiryOutcome::kAbsent || *outcome == ExpiryOutcome::kVersionChanged;
          if (gone) return retry();
          finish_with_value(found);
        });
  }
  std::int64_t expires_at_ms_;
};

void getex(Session& session, Arguments arguments) {
  ExpiryOption expiry;
  for (std::size_t at = 2; at < arguments.size(); ++at) {
    if (take_expiry(arguments, at, TimeForm::kPersist, expiry) != OptionMatch::kTaken) {
      return session.reply().error(kSyntaxError);
    }
  }
  if (expiry.form == TimeForm::kNone) return get(session, arguments);
  const auto expires_at_ms = resolve_expiry(session, expiry);
  if (!expires_at_ms) return;
  const boost::intrusive_ptr<GetExpire> operation(new GetExpire(*expires_at_ms));
  operation->start(session, arguments[1]);
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "string";

constexpr CommandSpec kCommands[] = {
    {"get", 2, kReadOnly | kFast, kOneKey, get, kGroup, "Returns the value of a key."},
    {"set", -3, kWrite | kDenyOom, kOneKey, set, kGroup, "Sets the value of a key."},
    {"setex", 4, kWrite | kDenyOom, kOneKey, setex, kGroup,
     "Sets the value of a key and its expiry in seconds."},
    {"psetex", 4, kWrite | kDenyOom, kOneKey, psetex, kGroup,
     "Sets the value of a key and its expiry in milliseconds."},
    {"setnx", 3, kWrite | kDenyOom | kFast, kOneKey, setnx, kGroup,
     "Sets the value of a key only if the key does not exist."},
    {"mget", -2, kReadOnly | kFast, {1, -1, 1}, mget, kGroup, "Returns the values of keys."},
    {"mset",
     -3,
     kWrite | kDenyOom,
     {1, -1, 2},
     mset,
     kGroup,
     "Sets the values of keys, one after the other."},
    {"strlen", 2, kReadOnly | kFast, kOneKey, strlen_command, kGroup,
     "Returns the length of a value."},
    {"getex", -2, kWrite | kFast, kOneKey, getex, kGroup,
     "Returns the value of a key and changes its expiry."},
    {"getdel", 2, kWrite | kFast, kOneKey, getdel, kGroup,
     "Returns the value of a key and deletes the key."},
};

}  // namespace

std::span<const CommandSpec> string_commands() {
  return kCommands;
}

}  // namespace kachel::server
