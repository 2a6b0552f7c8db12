// COPY, RENAME, RENAMENX: a value, or a hash field by field, under another key.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/field_key.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/policy_enforcement.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

struct CopyRequest {
  ZeroizingString from;
  ZeroizingString to;
  Namespace to_space;
  bool moves = false;     // RENAME
  bool replaces = false;  // what is there
  bool says_ok = false;   // and an error when there is no such key; otherwise 1 or 0
};

/// The steps: find what is to be copied, look whether something is in its place, take that away,
/// copy, and when it is a move take the old one away. Other clients see it in between.
class CopyKey final : public boost::intrusive_ref_counter<CopyKey, boost::thread_unsafe_counter> {
 public:
  explicit CopyKey(CopyRequest request) : request_(std::move(request)) {}

  void start(Session& session) {
    reply_ = session.defer();
    session.hold_for(reply_.slot());
    space_ = session.space();
    worker().get(space_, request_.from, [keep = self(), this](Result<std::optional<Found>> found) {
      if (!found) return fail(found.error());
      string_ = std::move(*found);
      if (string_) return look_at_target();
      look_for_hash();
    });
  }

  /// A field's copy. Null when it could not be made.
  void copy_field(const HashField& field, UniqueFunction<void(Result<void>)> copied) {
    const ZeroizingString from = field_key(request_.from, field.name);
    worker().get(fields_of(space_), from,
                 [keep = self(), this, name = field.name,
                  copied = std::move(copied)](Result<std::optional<Found>> found) mutable {
                   if (!found) return copied(found.error());
                   if (!*found) return copied({});
                   put(fields_of(request_.to_space), field_key(request_.to, name), **found,
                       Condition::kAlways, [copied = std::move(copied)](auto outcome) mutable {
                         copied(outcome ? Result<void>() : Result<void>(outcome.error()));
                       });
                 });
  }

 private:
  boost::intrusive_ptr<CopyKey> self() { return this; }
  Session& session() { return reply_.session(); }
  Worker& worker() { return session().worker(); }

  void look_for_hash() {
    worker().glimpse_hash(space_, request_.from,
                          [keep = self(), this](Result<std::optional<Glimpse>> seen) {
                            if (!seen) return fail(seen.error());
                            if (!*seen) return finish_without();
                            look_at_target();
                          });
  }

  bool is_same() const { return request_.from == request_.to && request_.to_space == space_; }

  void look_at_target() {
    if (is_same()) return finish(request_.says_ok);
    worker().glimpse(request_.to_space, request_.to,
                     [keep = self(), this](Result<std::optional<Glimpse>> seen) {
                       if (!seen) return fail(seen.error());
                       if (*seen && !request_.replaces) return finish(false);
                       if (*seen && !string_) return erase_target_string();
                       look_at_target_hash();
                     });
  }

  void erase_target_string() {
    worker().erase(request_.to_space, request_.to, std::nullopt,
                   [keep = self(), this](Result<EraseOutcome> outcome) {
                     if (!outcome) return fail(outcome.error());
                     look_at_target_hash();
                   });
  }

  void look_at_target_hash() {
    worker().glimpse_hash(
        request_.to_space, request_.to, [keep = self(), this](Result<std::optional<Glimpse>> seen) {
          if (!seen) return fail(seen.error());
          if (!*seen) return copy();
          if (!request_.replaces) return finish(false);
          erase_hash(worker(), request_.to_space, request_.to, [keep, this](Result<bool> erased) {
            if (!erased) return fail(erased.error());
            copy();
          });
        });
  }

  void copy() {
    if (!string_) return copy_hash();
    put(request_.to_space, request_.to, *string_,
        request_.replaces ? Condition::kAlways : Condition::kIfAbsent,
        [keep = self(), this](Result<PutOutcome> outcome) {
          if (!outcome) return fail(outcome.error());
          if (*outcome == PutOutcome::kConditionFailed) return finish(false);
          if (*outcome == PutOutcome::kVersionChanged) return finish(false);  // EXEC's, watched
          copied();
        });
  }

  void put(Namespace space, std::string_view key, const Found& found, Condition condition,
           PutHandler handler) {
    PutOptions options;
    options.metadata = found.entry->metadata;
    options.condition = condition;
    options.expires_at_ms = enforce_on_expiry(session(), found.expires_at_ms);
    worker().put(space, key, found.entry->value(), std::move(options), std::move(handler));
  }

  class CopyFields;
  void copy_hash();

  void copied() {
    if (!request_.moves) return finish(true);
    if (string_) {
      // What somebody has set meanwhile is not what was copied: it stays.
      worker().erase(space_, request_.from, string_->entry->version,
                     [keep = self(), this](Result<EraseOutcome> outcome) {
                       if (!outcome) return fail(outcome.error());
                       finish(true);
                     });
      return;
    }
    erase_hash(worker(), space_, request_.from, [keep = self(), this](Result<bool> erased) {
      if (!erased) return fail(erased.error());
      finish(true);
    });
  }

  void fail(const Error& error) {
    reply_.writer().error(error);
    reply_.finish();
  }
  void finish(bool done) {
    if (request_.says_ok) {
      reply_.writer().ok();
    } else {
      reply_.writer().integer(done ? 1 : 0);
    }
    reply_.finish();
  }
  void finish_without() {
    if (!request_.moves) return finish(false);
    reply_.writer().error("ERR no such key");
    reply_.finish();
  }

  CopyRequest request_;
  PendingReply reply_;
  Namespace space_;
  std::optional<Found> string_;  // otherwise it is a hash
};

class CopyKey::CopyFields final : public HashEach {
 public:
  explicit CopyFields(boost::intrusive_ptr<CopyKey> copy)
      : HashEach(kValuesPage), copy_(std::move(copy)) {}

 private:
  void on_field(const HashField& field, const ZeroizingString&) override {
    copy_->copy_field(field, [keep = self(), this](const Result<void>& copied) {
      if (!copied) return done(copied.error());
      done();
    });
  }
  void on_end(const Result<void>& end) override {
    if (!end) return copy_->fail(end.error());
    copy_->copied();
  }

  boost::intrusive_ptr<CopyKey> copy_;
};

void CopyKey::copy_hash() {
  const boost::intrusive_ptr<CopyFields> walk(new CopyFields(self()));
  walk->start(worker(), space_, request_.from);
}

void start_copy(Session& session, CopyRequest request) {
  const boost::intrusive_ptr<CopyKey> operation(new CopyKey(std::move(request)));
  operation->start(session);
}

void rename(Session& session, Arguments arguments) {
  start_copy(session, {arguments[1], arguments[2], session.space(), true, true, true});
}

void renamenx(Session& session, Arguments arguments) {
  start_copy(session, {arguments[1], arguments[2], session.space(), true, false, false});
}

void copy(Session& session, Arguments arguments) {
  CopyRequest request{arguments[1], arguments[2], session.space()};
  for (std::size_t at = 3; at < arguments.size(); ++at) {
    if (equals_ignoring_case(arguments[at], "REPLACE")) {
      request.replaces = true;
    } else if (equals_ignoring_case(arguments[at], "DB") && at + 1 < arguments.size()) {
      const auto database = integer_argument(session, arguments[++at]);
      if (!database) return;
      if (*database < 0 || *database >= kDatabases) {
        return session.reply().error("ERR DB index is out of range");
      }
      request.to_space.database = static_cast<std::uint8_t>(*database);
    } else {
      return session.reply().error(kSyntaxError);
    }
  }
  if (request.from == request.to && request.to_space == session.space()) {
    return session.reply().error("ERR source and destination objects are the same");
  }
  start_copy(session, std::move(request));
}

constexpr KeyPositions kTwoKeys{1, 2, 1};
constexpr std::string_view kGroup = "generic";

constexpr CommandSpec kCommands[] = {
    {"copy", -3, kWrite | kDenyOom, kTwoKeys, copy, kGroup,
     "Copies the value of a key to another key."},
    {"rename", 3, kWrite, kTwoKeys, rename, kGroup, "Renames a key and overwrites the other."},
    {"renamenx", 3, kWrite | kFast, kTwoKeys, renamenx, kGroup,
     "Renames a key only if the other does not exist."},
};

}  // namespace

std::span<const CommandSpec> copy_commands() {
  return kCommands;
}

}  // namespace kachel::server
