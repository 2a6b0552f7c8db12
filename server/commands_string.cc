// Commands on values: GET, SET and their kin.
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/operations.h"
#include "server/policy_enforcement.h"
#include "server/session.h"
#include "server/set_command.h"

namespace kachel::server {
namespace {

using namespace command_flag;

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

void set(Session& session, Arguments arguments) {
  SetRequest request;
  for (std::size_t at = 3; at < arguments.size(); ++at) {
    if (equals_ignoring_case(arguments[at], "GET")) {
      request.get = true;
    } else if (take_set_option(arguments, at, request) != OptionMatch::kTaken) {
      return session.reply().error(kSyntaxError);
    }
  }
  run_set(session, arguments[1], arguments[2], std::move(request));
}

void set_with_time(Session& session, Arguments arguments, TimeForm form) {
  SetRequest request;
  request.expiry = {form, arguments[2]};
  run_set(session, arguments[1], arguments[3], std::move(request));
}

void setex(Session& session, Arguments arguments) {
  set_with_time(session, arguments, TimeForm::kSeconds);
}

void psetex(Session& session, Arguments arguments) {
  set_with_time(session, arguments, TimeForm::kMilliseconds);
}

void setnx(Session& session, Arguments arguments) {
  SetRequest request;
  request.options.condition = Condition::kIfAbsent;
  request.reply = PutReply::kOneOrZero;
  run_set(session, arguments[1], arguments[2], std::move(request));
}

class MultiGet final : public GetMany {
 public:
  explicit MultiGet(std::size_t keys) : GetMany(keys) {}

 private:
  std::string_view key_of(std::size_t element, ZeroizingString&) const override {
    return argument(element + 1);
  }
};

void mget(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<MultiGet> operation(new MultiGet(arguments.size() - 1));
  operation->start(session, arguments, arguments.size() - 1);
}

class MultiSet final : public FanOut {
 public:
  MultiSet(PutOptions options, KeyTypes types)
      : FanOut(Order::kInOrder), options_(std::move(options)), types_(std::move(types)) {}

 private:
  bool issue(std::size_t element) override {
    const std::string_view key = argument(element * 2 + 1);
    const std::string_view value = argument(element * 2 + 2);
    if (!types_.hash_at(element)) return put(key, value);
    erase_hash(worker(), space(), key,
               [keep = self(), this, text = ZeroizingString(key),
                kept = ZeroizingString(value)](Result<bool> erased) {
                 if (erased) return static_cast<void>(put(text, kept));
                 fail("ERR " + erased.error().message);
                 completed();
               });
    return false;
  }
  bool put(std::string_view key, std::string_view value) {
    return worker().put(space(), key, value, options_,
                        [keep = self(), this](Result<PutOutcome> outcome) {
                          if (!outcome) fail("ERR " + outcome.error().message);
                          completed();
                        });
  }
  void write(ReplyWriter reply) override { reply.ok(); }

  PutOptions options_;
  KeyTypes types_;
};

/// MSET of values that the tenant's policy keeps from being stored: as SET, it is answered as
/// if they were, and what they would have replaced goes.
class MultiDrop final : public FanOut {
 public:
  explicit MultiDrop(KeyTypes types) : FanOut(Order::kInOrder), types_(std::move(types)) {}

 private:
  bool issue(std::size_t element) override {
    WorkerCounters::add(session().counters().sets_without_subject, 1);
    if (types_.hash_at(element)) {
      erase_hash(worker(), space(), argument(element * 2 + 1),
                 [keep = self(), this](Result<bool> erased) {
                   if (!erased) fail("ERR " + erased.error().message);
                   completed();
                 });
      return false;
    }
    return worker().erase(space(), argument(element * 2 + 1), std::nullopt,
                          [keep = self(), this](Result<EraseOutcome> outcome) {
                            if (!outcome) fail("ERR " + outcome.error().message);
                            completed();
                          });
  }
  void write(ReplyWriter reply) override { reply.ok(); }

  KeyTypes types_;
};

void mset(Session& session, Arguments arguments) {
  if (arguments.size() % 2 == 0) {
    return session.reply().error("ERR wrong number of arguments for 'mset' command");
  }
  PutOptions options;
  boost::intrusive_ptr<FanOut> operation;
  if (lacks_subject(session, options.metadata)) {
    operation.reset(new MultiDrop(session.key_types()));
  } else {
    enforce_on_put(session, options);
    operation.reset(new MultiSet(std::move(options), session.key_types()));
  }
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
  const boost::intrusive_ptr<GetExpire> operation(
      new GetExpire(enforce_on_expiry(session, *expires_at_ms)));
  operation->start(session, arguments[1]);
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "string";

constexpr CommandSpec kCommands[] = {
    {"get", 2, kReadOnly | kFast | kStringKeys, kOneKey, get, kGroup,
     "Returns the value of a key."},
    {"set", -3, kWrite | kDenyOom | kAnyKeys, kOneKey, set, kGroup, "Sets the value of a key."},
    {"setex", 4, kWrite | kDenyOom | kAnyKeys, kOneKey, setex, kGroup,
     "Sets the value of a key and its expiry in seconds."},
    {"psetex", 4, kWrite | kDenyOom | kAnyKeys, kOneKey, psetex, kGroup,
     "Sets the value of a key and its expiry in milliseconds."},
    {"setnx", 3, kWrite | kDenyOom | kFast | kAnyKeys, kOneKey, setnx, kGroup,
     "Sets the value of a key only if the key does not exist."},
    {"mget", -2, kReadOnly | kFast, {1, -1, 1}, mget, kGroup, "Returns the values of keys."},
    {"mset",
     -3,
     kWrite | kDenyOom | kAnyKeys,
     {1, -1, 2},
     mset,
     kGroup,
     "Sets the values of keys, one after the other."},
    {"strlen", 2, kReadOnly | kFast | kStringKeys, kOneKey, strlen_command, kGroup,
     "Returns the length of a value."},
    {"getex", -2, kWrite | kFast | kStringKeys, kOneKey, getex, kGroup,
     "Returns the value of a key and changes its expiry."},
    {"getdel", 2, kWrite | kFast | kStringKeys, kOneKey, getdel, kGroup,
     "Returns the value of a key and deletes the key."},
};

}  // namespace

std::span<const CommandSpec> string_commands() {
  return kCommands;
}

}  // namespace kachel::server
