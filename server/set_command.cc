#include "server/set_command.h"

#include <string>
#include <utility>

#include "server/hash_walk.h"
#include "server/operations.h"
#include "server/policy_enforcement.h"
#include "server/session.h"

namespace kachel::server {
namespace {

void write_outcome(ReplyWriter reply, PutReply form, const Result<PutOutcome>& outcome) {
  if (!outcome) return reply.error(outcome.error());
  // kNotStored: accepted and dropped, as a cache may (counted in INFO).
  const bool done = *outcome == PutOutcome::kStored || *outcome == PutOutcome::kNotStored;
  if (form == PutReply::kOneOrZero) return reply.integer(done ? 1 : 0);
  if (done) return reply.ok();
  reply.null();
}

bool refuses(Condition condition, bool exists) {
  return (condition == Condition::kIfAbsent && exists) ||
         (condition == Condition::kIfPresent && !exists);
}

void put(Session& session, std::string_view key, std::string_view value, SetRequest request) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().put(
      session.space(), key, value, std::move(request.options),
      [reply = std::move(reply), form = request.reply](Result<PutOutcome> outcome) mutable {
        write_outcome(reply.writer(), form, outcome);
        reply.finish();
      });
  session.settled(slot, settled);
}

/// A SET that must see the entry it replaces: to reply its value (GET), or to bound the
/// expiry it keeps (KEEPTTL). An expiry that another client changes between the two calls is
/// not noticed.
class SetAfterRead final : public ReadModifyWrite {
 public:
  SetAfterRead(std::string_view value, SetRequest request)
      : value_(value), request_(std::move(request)) {}

 private:
  void decide(const std::optional<Found>& found) override {
    if (refuses(request_.options.condition, found.has_value())) {
      return answer(found, PutOutcome::kConditionFailed);
    }
    PutOptions options = request_.options;
    options.if_version = found ? found->entry->version : 0;
    if (options.keep_ttl && bounds_kept_expiry(session())) {
      enforce_on_kept_expiry(session(), options, found);
    }
    worker().put(space(), key(), value_, std::move(options),
                 [keep = self(), this, found](Result<PutOutcome> outcome) {
                   if (!outcome) return finish_with_error(outcome.error());
                   const bool changed = *outcome == PutOutcome::kVersionChanged ||
                                        *outcome == PutOutcome::kConditionFailed;
                   if (changed) return retry();
                   answer(found, *outcome);
                 });
  }

  void answer(const std::optional<Found>& found, PutOutcome outcome) {
    if (request_.get) return finish_with_value(found);
    finish_with([&](ReplyWriter reply) { write_outcome(reply, request_.reply, outcome); });
  }

  ZeroizingString value_;
  SetRequest request_;
};

/// A SET of what is a hash: that goes first.
void put_over_hash(Session& session, const Glimpse& hash, std::string_view key,
                   std::string_view value, SetRequest request) {
  PutOptions& options = request.options;
  if (options.condition == Condition::kIfAbsent) {
    return write_outcome(session.reply(), request.reply, PutOutcome::kConditionFailed);
  }
  if (request.get) return session.reply().error(kWrongType);
  options.condition = Condition::kAlways;
  if (std::exchange(options.keep_ttl, false)) {
    options.expires_at_ms = enforce_on_expiry(session, hash.expires_at_ms);
  }
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  Worker& worker = session.worker();
  const Namespace space = session.space();
  erase_hash(worker, space, key,
             [&worker, space, text = ZeroizingString(key), kept = ZeroizingString(value),
              options = std::move(options), form = request.reply,
              reply = std::move(reply)](Result<bool> erased) mutable {
               if (!erased) {
                 reply.writer().error(erased.error());
                 return reply.finish();
               }
               worker.put(space, text, kept, std::move(options),
                          [reply = std::move(reply), form](Result<PutOutcome> outcome) mutable {
                            write_outcome(reply.writer(), form, outcome);
                            reply.finish();
                          });
             });
}

/// SET ... GET of a value that is not stored: the old one is the reply, and goes.
class EraseAfterRead final : public ReadModifyWrite {
 public:
  explicit EraseAfterRead(Condition condition) : condition_(condition) {}

 private:
  void decide(const std::optional<Found>& found) override {
    if (!found || refuses(condition_, true)) return finish_with_value(found);
    worker().erase(space(), key(), found->entry->version,
                   [keep = self(), this, found](Result<EraseOutcome> outcome) {
                     if (!outcome) return finish_with_error(outcome.error());
                     if (*outcome != EraseOutcome::kErased) return retry();
                     finish_with_value(found);
                   });
  }

  Condition condition_;
};

/// SET ... NX of a value that is not stored.
void reply_whether_absent(Session& session, std::string_view key, PutReply form) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().glimpse(
      session.space(), key,
      [reply = std::move(reply), form](Result<std::optional<Glimpse>> seen) mutable {
        if (!seen) {
          reply.writer().error(seen.error());
        } else {
          write_outcome(reply.writer(), form,
                        *seen ? PutOutcome::kConditionFailed : PutOutcome::kNotStored);
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

/// SET of a value that is not stored, unless it is one of the above.
void erase_replaced(Session& session, std::string_view key, const SetRequest& request) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool must_exist = request.options.condition == Condition::kIfPresent;
  const bool settled = session.worker().erase(
      session.space(), key, std::nullopt,
      [reply = std::move(reply), form = request.reply,
       must_exist](Result<EraseOutcome> outcome) mutable {
        if (!outcome) {
          reply.writer().error(outcome.error());
        } else {
          const bool failed = must_exist && *outcome == EraseOutcome::kAbsent;
          write_outcome(reply.writer(), form,
                        failed ? PutOutcome::kConditionFailed : PutOutcome::kNotStored);
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

/// The same of a value that is not stored.
void drop_over_hash(Session& session, std::string_view key, const SetRequest& request) {
  if (request.options.condition == Condition::kIfAbsent) {
    return write_outcome(session.reply(), request.reply, PutOutcome::kConditionFailed);
  }
  if (request.get) return session.reply().error(kWrongType);
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  erase_hash(session.worker(), session.space(), key,
             [form = request.reply, reply = std::move(reply)](Result<bool> erased) mutable {
               if (erased) {
                 write_outcome(reply.writer(), form, PutOutcome::kNotStored);
               } else {
                 reply.writer().error(erased.error());
               }
               reply.finish();
             });
}

/// Answers as if the value were stored, and does not store it. What it would have replaced
/// goes: nothing stale is read.
void accept_and_drop(Session& session, std::string_view key, const SetRequest& request) {
  WorkerCounters::add(session.counters().sets_without_subject, 1);
  if (session.hash_at(0)) return drop_over_hash(session, key, request);
  if (request.get) {
    const boost::intrusive_ptr<EraseAfterRead> operation(
        new EraseAfterRead(request.options.condition));
    return operation->start(session, key);
  }
  if (request.options.condition == Condition::kIfAbsent) {
    return reply_whether_absent(session, key, request.reply);
  }
  erase_replaced(session, key, request);
}

}  // namespace

OptionMatch take_set_option(Arguments arguments, std::size_t& at, SetRequest& request) {
  Condition named = Condition::kAlways;
  if (equals_ignoring_case(arguments[at], "NX")) named = Condition::kIfAbsent;
  if (equals_ignoring_case(arguments[at], "XX")) named = Condition::kIfPresent;
  if (named == Condition::kAlways) {
    return take_expiry(arguments, at, TimeForm::kKeep, request.expiry);
  }
  Condition& condition = request.options.condition;
  if (condition != Condition::kAlways && condition != named) return OptionMatch::kBad;
  condition = named;
  return OptionMatch::kTaken;
}

void run_set(Session& session, std::string_view key, std::string_view value, SetRequest request) {
  const auto expires_at_ms = resolve_expiry(session, request.expiry);
  if (!expires_at_ms) return;
  if (lacks_subject(session, request.options.metadata)) {
    return accept_and_drop(session, key, request);
  }
  request.options.expires_at_ms = *expires_at_ms;
  request.options.keep_ttl = request.expiry.form == TimeForm::kKeep;
  enforce_on_put(session, request.options);
  if (const auto hash = session.hash_at(0)) {
    return put_over_hash(session, *hash, key, value, std::move(request));
  }
  const bool reads = request.get || (request.options.keep_ttl && bounds_kept_expiry(session));
  if (!reads) return put(session, key, value, std::move(request));
  const boost::intrusive_ptr<SetAfterRead> operation(new SetAfterRead(value, std::move(request)));
  operation->start(session, key);
}

}  // namespace kachel::server
