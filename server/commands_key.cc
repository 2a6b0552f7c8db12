// Commands on keys: existence, expiry, deletion.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/operations.h"
#include "server/policy_enforcement.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

class EraseMany final : public FanOut {
 public:
  explicit EraseMany(KeyTypes types) : FanOut(Order::kInOrder), types_(std::move(types)) {}

 private:
  bool issue(std::size_t element) override {
    if (types_.hash_at(element)) return erase_as_hash(argument(element + 1));
    return worker().erase(space(), argument(element + 1), std::nullopt,
                          [keep = self(), this](Result<EraseOutcome> outcome) {
                            if (!outcome) {
                              fail("ERR " + outcome.error().message);
                            } else if (*outcome == EraseOutcome::kErased) {
                              ++erased_;
                            }
                            completed();
                          });
  }
  bool erase_as_hash(std::string_view key) {
    erase_hash(worker(), space(), key, [keep = self(), this](Result<bool> erased) {
      if (!erased) {
        fail("ERR " + erased.error().message);
      } else if (*erased) {
        ++erased_;
      }
      completed();
    });
    return false;
  }
  void write(ReplyWriter reply) override { reply.integer(erased_); }

  KeyTypes types_;
  std::int64_t erased_ = 0;
};

void del(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<EraseMany> operation(new EraseMany(session.key_types()));
  operation->start(session, arguments, arguments.size() - 1);
}

class CountExisting final : public FanOut {
 public:
  explicit CountExisting(KeyTypes types) : FanOut(Order::kAny), types_(std::move(types)) {}

 private:
  bool issue(std::size_t element) override {
    if (types_.hash_at(element)) {
      ++existing_;
      completed();
      return true;
    }
    return worker().glimpse(space(), argument(element + 1),
                            [keep = self(), this](Result<std::optional<Glimpse>> seen) {
                              if (!seen) {
                                fail("ERR " + seen.error().message);
                              } else if (*seen) {
                                ++existing_;
                              }
                              completed();
                            });
  }
  void write(ReplyWriter reply) override { reply.integer(existing_); }

  KeyTypes types_;
  std::int64_t existing_ = 0;
};

void exists(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<CountExisting> operation(new CountExisting(session.key_types()));
  operation->start(session, arguments, arguments.size() - 1);
}

/// Replies with `write(reply, std::optional<Glimpse>)`.
template <typename Write>
void with_glimpse(Session& session, std::string_view key, Write write) {
  if (const auto hash = session.hash_at(0)) return write(session.reply(), hash);
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().glimpse(
      session.space(), key,
      [reply = std::move(reply), write](Result<std::optional<Glimpse>> seen) mutable {
        if (!seen) {
          reply.writer().error(seen.error());
        } else {
          write(reply.writer(), *seen);
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

void type(Session& session, Arguments arguments) {
  if (session.hash_at(0)) return session.reply().simple("hash");
  with_glimpse(session, arguments[1], [](ReplyWriter reply, const std::optional<Glimpse>& seen) {
    reply.simple(seen ? "string" : "none");
  });
}

constexpr std::int64_t kReplyNoKey = -2;
constexpr std::int64_t kReplyNoExpiry = -1;

/// TTL and EXPIRETIME: what is left until the expiry seen from `base_ms`, in units of
/// `unit_ms`, seconds rounded to the nearest.
void reply_expiry(Session& session, std::string_view key, std::int64_t base_ms,
                  std::int64_t unit_ms) {
  with_glimpse(session, key,
               [base_ms, unit_ms](ReplyWriter reply, const std::optional<Glimpse>& seen) {
                 if (!seen) return reply.integer(kReplyNoKey);
                 if (seen->expires_at_ms == 0) return reply.integer(kReplyNoExpiry);
                 const std::int64_t left = std::max<std::int64_t>(0, seen->expires_at_ms - base_ms);
                 reply.integer(left / unit_ms + (left % unit_ms >= (unit_ms + 1) / 2 ? 1 : 0));
               });
}

void ttl(Session& session, Arguments arguments) {
  reply_expiry(session, arguments[1], session.store().now_ms(), 1000);
}
void pttl(Session& session, Arguments arguments) {
  reply_expiry(session, arguments[1], session.store().now_ms(), 1);
}
void expiretime(Session& session, Arguments arguments) {
  reply_expiry(session, arguments[1], 0, 1000);
}
void pexpiretime(Session& session, Arguments arguments) {
  reply_expiry(session, arguments[1], 0, 1);
}

void write_expiry_outcome(ReplyWriter reply, const Result<ExpiryOutcome>& outcome) {
  if (!outcome) return reply.error(outcome.error());
  const bool changed = *outcome == ExpiryOutcome::kChanged || *outcome == ExpiryOutcome::kErased;
  reply.integer(changed ? 1 : 0);
}

bool allows(const ExpiryChange& change, std::int64_t now_has) {
  switch (change.condition) {
    case ExpiryCondition::kIfNone:
      return now_has == 0;
    case ExpiryCondition::kIfSome:
      return now_has != 0;
    case ExpiryCondition::kIfLater:
      return now_has != 0 && change.expires_at_ms > now_has;
    case ExpiryCondition::kIfSooner:
      return now_has == 0 || change.expires_at_ms < now_has;
    case ExpiryCondition::kAlways:
      break;
  }
  return change.expires_at_ms != 0 || now_has != 0;  // nothing to persist
}

/// Of all the hash's fields, one after the other.
void change_expiry_of_hash(Session& session, const Glimpse& hash, std::string_view key,
                           const ExpiryChange& change) {
  if (!allows(change, hash.expires_at_ms)) return session.reply().integer(0);
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  change_hash_expiry(session.worker(), session.space(), key, change.expires_at_ms,
                     [reply = std::move(reply)](Result<bool> changed) mutable {
                       if (changed) {
                         reply.writer().integer(*changed ? 1 : 0);
                       } else {
                         reply.writer().error(changed.error());
                       }
                       reply.finish();
                     });
}

void change_expiry(Session& session, std::string_view key, const ExpiryChange& change) {
  if (const auto hash = session.hash_at(0)) {
    return change_expiry_of_hash(session, *hash, key, change);
  }
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().change_expiry(
      session.space(), key, change,
      [reply = std::move(reply)](Result<ExpiryOutcome> outcome) mutable {
        write_expiry_outcome(reply.writer(), outcome);
        reply.finish();
      });
  session.settled(slot, settled);
}

/// EXPIRE ... XX LT: sooner, and only if there is an expiry already. The engine knows one
/// condition; an expiry removed by another client between the two calls is not noticed.
void expire_sooner_if_some(Session& session, std::string_view key, ExpiryChange change) {
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  Worker& worker = session.worker();
  const Namespace space = session.space();
  worker.glimpse(space, key,
                 [&worker, space, change, text = ZeroizingString(key),
                  reply = std::move(reply)](Result<std::optional<Glimpse>> seen) mutable {
                   if (!seen || !*seen || (*seen)->expires_at_ms == 0) {
                     if (seen) {
                       reply.writer().integer(0);
                     } else {
                       reply.writer().error(seen.error());
                     }
                     return reply.finish();
                   }
                   worker.change_expiry(
                       space, text, change,
                       [reply = std::move(reply)](Result<ExpiryOutcome> outcome) mutable {
                         write_expiry_outcome(reply.writer(), outcome);
                         reply.finish();
                       });
                 });
}

struct ExpireFlags {
  bool none = false;    // NX
  bool some = false;    // XX
  bool later = false;   // GT
  bool sooner = false;  // LT
};

bool parse_expire_flags(Session& session, Arguments arguments, ExpireFlags& flags) {
  for (std::size_t at = 3; at < arguments.size(); ++at) {
    if (equals_ignoring_case(arguments[at], "NX")) {
      flags.none = true;
    } else if (equals_ignoring_case(arguments[at], "XX")) {
      flags.some = true;
    } else if (equals_ignoring_case(arguments[at], "GT")) {
      flags.later = true;
    } else if (equals_ignoring_case(arguments[at], "LT")) {
      flags.sooner = true;
    } else {
      session.reply().error(fmt::format("ERR Unsupported option {}", arguments[at]));
      return false;
    }
  }
  if (flags.none && (flags.some || flags.later || flags.sooner)) {
    session.reply().error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (flags.later && flags.sooner) {
    session.reply().error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

ExpiryCondition condition_of(const ExpireFlags& flags) {
  // XX GT is GT: without an expiry nothing is later.
  if (flags.later) return ExpiryCondition::kIfLater;
  if (flags.sooner) return ExpiryCondition::kIfSooner;
  if (flags.none) return ExpiryCondition::kIfNone;
  if (flags.some) return ExpiryCondition::kIfSome;
  return ExpiryCondition::kAlways;
}

void expire(Session& session, Arguments arguments, TimeForm form) {
  ExpireFlags flags;
  if (!parse_expire_flags(session, arguments, flags)) return;
  const auto expires_at_ms = resolve_time_or_past(session, form, arguments[2]);
  if (!expires_at_ms) return;
  const ExpiryChange change{enforce_on_expiry(session, *expires_at_ms), condition_of(flags),
                            std::nullopt};
  const auto hash = session.hash_at(0);
  if (hash && flags.some && hash->expires_at_ms == 0) return session.reply().integer(0);
  if (!hash && flags.some && flags.sooner)
    return expire_sooner_if_some(session, arguments[1], change);
  change_expiry(session, arguments[1], change);
}

void expire_in_seconds(Session& session, Arguments arguments) {
  expire(session, arguments, TimeForm::kSeconds);
}
void pexpire(Session& session, Arguments arguments) {
  expire(session, arguments, TimeForm::kMilliseconds);
}
void expireat(Session& session, Arguments arguments) {
  expire(session, arguments, TimeForm::kSecondsAt);
}
void pexpireat(Session& session, Arguments arguments) {
  expire(session, arguments, TimeForm::kMillisecondsAt);
}

void persist(Session& session, Arguments arguments) {
  // Where the policy bounds it, it becomes an expiry like any other; as PERSIST does, only
  // where there is one.
  const std::int64_t expires_at_ms = enforce_on_expiry(session, 0);
  change_expiry(
      session, arguments[1],
      {expires_at_ms, expires_at_ms == 0 ? ExpiryCondition::kAlways : ExpiryCondition::kIfSome,
       std::nullopt});
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr KeyPositions kAllKeys{1, -1, 1};
constexpr std::string_view kGroup = "generic";

constexpr CommandSpec kCommands[] = {
    {"del", -2, kWrite | kAnyKeys, kAllKeys, del, kGroup, "Deletes keys."},
    {"unlink", -2, kWrite | kFast | kAnyKeys, kAllKeys, del, kGroup, "Deletes keys, as DEL does."},
    {"touch", -2, kReadOnly | kFast | kAnyKeys, kAllKeys, exists, kGroup,
     "Counts the keys that exist."},
    {"exists", -2, kReadOnly | kFast | kAnyKeys, kAllKeys, exists, kGroup,
     "Counts the keys that exist."},
    {"expire", -3, kWrite | kFast | kAnyKeys, kOneKey, expire_in_seconds, kGroup,
     "Sets the expiry of a key in seconds."},
    {"pexpire", -3, kWrite | kFast | kAnyKeys, kOneKey, pexpire, kGroup,
     "Sets the expiry of a key in milliseconds."},
    {"expireat", -3, kWrite | kFast | kAnyKeys, kOneKey, expireat, kGroup,
     "Sets the expiry of a key to a Unix time in seconds."},
    {"pexpireat", -3, kWrite | kFast | kAnyKeys, kOneKey, pexpireat, kGroup,
     "Sets the expiry of a key to a Unix time in milliseconds."},
    {"ttl", 2, kReadOnly | kFast | kAnyKeys, kOneKey, ttl, kGroup,
     "Returns the seconds left of a key."},
    {"pttl", 2, kReadOnly | kFast | kAnyKeys, kOneKey, pttl, kGroup,
     "Returns the milliseconds left of a key."},
    {"expiretime", 2, kReadOnly | kFast | kAnyKeys, kOneKey, expiretime, kGroup,
     "Returns the Unix time, in seconds, at which a key expires."},
    {"pexpiretime", 2, kReadOnly | kFast | kAnyKeys, kOneKey, pexpiretime, kGroup,
     "Returns the Unix time, in milliseconds, at which a key expires."},
    {"persist", 2, kWrite | kFast | kAnyKeys, kOneKey, persist, kGroup,
     "Removes the expiry of a key."},
    {"type", 2, kReadOnly | kFast | kAnyKeys, kOneKey, type, kGroup,
     "Returns the type of a key: string or hash."},
};

}  // namespace

std::span<const CommandSpec> key_commands() {
  return kCommands;
}

}  // namespace kachel::server
