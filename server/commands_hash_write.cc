// Writing hashes.
#include <fmt/format.h>
#include <string>
#include <utility>

#include "engine/field_key.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/operations.h"
#include "server/policy_enforcement.h"
#include "server/session.h"
#include "server/value_edit.h"

namespace kachel::server {
namespace {

using namespace command_flag;

/// Puts fields one after the other. One that is there keeps its expiry, a new one takes over its
/// hash's.
class PutFields : public FanOut {
 public:
  explicit PutFields(bool only_new) : FanOut(Order::kInOrder), only_new_(only_new) {}

 protected:
  std::int64_t added() const { return added_; }

 private:
  struct Field {
    ZeroizingString hash;
    ZeroizingString key;
    ZeroizingString value;
    unsigned attempts = 0;
  };
  using FieldPointer = std::shared_ptr<Field>;
  static constexpr unsigned kMaxAttempts = 16;

  bool issue(std::size_t element) override {
    const std::string_view name = argument(2 * element + 2);
    look(std::make_shared<Field>(
        Field{argument(1), field_key(argument(1), name), argument(2 * element + 3)}));
    return false;
  }

  void look(const FieldPointer& field) {
    if (field->attempts++ == kMaxAttempts) {
      return stop("ERR the field is being changed by other clients; try again");
    }
    worker().glimpse(fields(), field->key,
                     [keep = self(), this, field](Result<std::optional<Glimpse>> seen) {
                       if (!seen) return stop("ERR " + seen.error().message);
                       if (*seen && only_new_) return completed();
                       if (*seen) return put(field, (*seen)->version, (*seen)->expires_at_ms);
                       look_at_hash(field);
                     });
  }

  void look_at_hash(const FieldPointer& field) {
    worker().glimpse_hash(
        space(), field->hash, [keep = self(), this, field](Result<std::optional<Glimpse>> seen) {
          if (!seen) return stop("ERR " + seen.error().message);
          put(field, 0, *seen ? std::optional((*seen)->expires_at_ms) : std::nullopt);
        });
  }

  /// `expires_at_ms`: to be kept; nothing when the hash is new.
  void put(const FieldPointer& field, std::uint64_t version,
           std::optional<std::int64_t> expires_at_ms) {
    PutOptions options;
    options.if_version = version;
    if (lacks_subject(session(), options.metadata)) return drop(field, version);
    enforce_on_put(session(), options);
    if (expires_at_ms) options.expires_at_ms = enforce_on_expiry(session(), *expires_at_ms);
    worker().put(fields(), field->key, field->value, std::move(options),
                 [keep = self(), this, field, version](Result<PutOutcome> outcome) {
                   if (!outcome) return stop("ERR " + outcome.error().message);
                   if (*outcome == PutOutcome::kVersionChanged) return look(field);
                   if (version == 0) ++added_;
                   completed();
                 });
  }

  /// As SET: accepted, not stored, and nothing stale is left.
  void drop(const FieldPointer& field, std::uint64_t version) {
    WorkerCounters::add(session().counters().sets_without_subject, 1);
    if (version == 0) {
      ++added_;
      return completed();
    }
    worker().erase(fields(), field->key, std::nullopt,
                   [keep = self(), this](Result<EraseOutcome> outcome) {
                     if (!outcome) fail("ERR " + outcome.error().message);
                     completed();
                   });
  }

  void stop(std::string error) {
    fail(std::move(error));
    completed();
  }
  Namespace fields() const { return fields_of(space()); }

  bool only_new_;
  std::int64_t added_ = 0;
};

class SetFields final : public PutFields {
 public:
  explicit SetFields(bool only_new) : PutFields(only_new) {}

 private:
  void write(ReplyWriter reply) override { reply.integer(added()); }
};

class SetFieldsOk final : public PutFields {
 public:
  SetFieldsOk() : PutFields(false) {}

 private:
  void write(ReplyWriter reply) override { reply.ok(); }
};

bool has_pairs(Session& session, Arguments arguments) {
  if (arguments.size() % 2 == 0) return true;
  session.reply().error(
      fmt::format("ERR wrong number of arguments for '{}' command", session.spec().name));
  return false;
}

void put_fields(Session& session, Arguments arguments, PutFields* fields) {
  const boost::intrusive_ptr<PutFields> operation(fields);
  operation->start(session, arguments, arguments.size() / 2 - 1);
}

void hset(Session& session, Arguments arguments) {
  if (has_pairs(session, arguments)) put_fields(session, arguments, new SetFields(false));
}
void hmset(Session& session, Arguments arguments) {
  if (has_pairs(session, arguments)) put_fields(session, arguments, new SetFieldsOk);
}
void hsetnx(Session& session, Arguments arguments) {
  put_fields(session, arguments, new SetFields(true));
}

class EraseFields final : public FanOut {
 public:
  EraseFields() : FanOut(Order::kInOrder) {}

 private:
  bool issue(std::size_t element) override {
    return worker().erase(fields_of(space()), field_key(argument(1), argument(element + 2)),
                          std::nullopt, [keep = self(), this](Result<EraseOutcome> outcome) {
                            if (!outcome) {
                              fail("ERR " + outcome.error().message);
                            } else if (*outcome == EraseOutcome::kErased) {
                              ++erased_;
                            }
                            completed();
                          });
  }
  void write(ReplyWriter reply) override { reply.integer(erased_); }
  std::int64_t erased_ = 0;
};

void hdel(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<EraseFields> operation(new EraseFields);
  operation->start(session, arguments, arguments.size() - 2);
}

void hincrby(Session& session, Arguments arguments) {
  const auto by = integer_argument(session, arguments[3]);
  if (!by) return;
  edit_field(
      session, arguments[1], arguments[2],
      [by](std::optional<std::string_view> old) {
        return add_integer(old, *by, "ERR hash value is not an integer");
      },
      reply_edited_integer);
}

void hincrbyfloat(Session& session, Arguments arguments) {
  const auto by = parse_real(arguments[3]);
  if (!by) return session.reply().error("ERR value is not a valid float");
  edit_field(
      session, arguments[1], arguments[2],
      [by](std::optional<std::string_view> old) {
        return add_real(old, *by, "ERR hash value is not a float");
      },
      [](ReplyWriter reply, const Edited& edited) { reply.bulk(edited.value); });
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "hash";
constexpr std::uint32_t kWrites = kWrite | kDenyOom | kFast | kHashKeys;

constexpr CommandSpec kCommands[] = {
    {"hset", -4, kWrites, kOneKey, hset, kGroup, "Sets the values of fields."},
    {"hmset", -4, kWrites, kOneKey, hmset, kGroup, "Sets the values of fields."},
    {"hsetnx", 4, kWrites, kOneKey, hsetnx, kGroup,
     "Sets the value of a field only if the field does not exist."},
    {"hincrby", 4, kWrites, kOneKey, hincrby, kGroup, "Adds to the number in a field."},
    {"hincrbyfloat", 4, kWrites, kOneKey, hincrbyfloat, kGroup,
     "Adds a floating-point number to the one in a field."},
    {"hdel", -3, kWrite | kFast | kHashKeys, kOneKey, hdel, kGroup, "Deletes fields."},
};

}  // namespace

std::span<const CommandSpec> hash_write_commands() {
  return kCommands;
}

}  // namespace kachel::server
