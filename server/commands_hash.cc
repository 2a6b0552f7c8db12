// Reading hashes. A field is an entry of its own: a hash is as large as the flash tier allows.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "engine/field_key.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/operations.h"
#include "server/scan_options.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void hget(Session& session, Arguments arguments) {
  const Namespace fields = fields_of(session.space());
  const ZeroizingString key = field_key(arguments[1], arguments[2]);
  if (const auto hot = session.worker().get_hot(fields, key)) {
    return session.reply().value(hot->entry);
  }
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().get(
      fields, key, [reply = std::move(reply)](Result<std::optional<Found>> found) mutable {
        write_found(reply.writer(), found);
        reply.finish();
      });
  session.settled(slot, settled);
}

class GetFields final : public GetMany {
 public:
  explicit GetFields(std::size_t fields) : GetMany(fields) {}

 private:
  Namespace where() const override { return fields_of(space()); }
  std::string_view key_of(std::size_t element, ZeroizingString& room) const override {
    return room = field_key(argument(1), argument(element + 2));
  }
};

void hmget(Session& session, Arguments arguments) {
  const std::size_t fields = arguments.size() - 2;
  const boost::intrusive_ptr<GetFields> operation(new GetFields(fields));
  operation->start(session, arguments, fields);
}

/// Replies with `write(reply, std::optional<Glimpse>)` of the field.
template <typename Write>
void with_field(Session& session, Arguments arguments, Write write) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().glimpse(
      fields_of(session.space()), field_key(arguments[1], arguments[2]),
      [reply = std::move(reply), write](Result<std::optional<Glimpse>> seen) mutable {
        if (seen) {
          write(reply.writer(), *seen);
        } else {
          reply.writer().error(seen.error());
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

void hexists(Session& session, Arguments arguments) {
  with_field(session, arguments, [](ReplyWriter reply, const std::optional<Glimpse>& seen) {
    reply.integer(seen ? 1 : 0);
  });
}

void hstrlen(Session& session, Arguments arguments) {
  with_field(session, arguments, [](ReplyWriter reply, const std::optional<Glimpse>& seen) {
    reply.integer_unsigned(seen ? seen->raw_bytes : 0);
  });
}

class CountFields final : public HashWalk {
 public:
  explicit CountFields(PendingReply reply)
      : HashWalk(Texts::kLeft, kRowsPage), reply_(std::move(reply)) {}

 private:
  void on_page(std::vector<HashField> fields) override {
    count_ += fields.size();
    next_page();
  }
  void on_end(const Result<void>& end) override {
    if (end) {
      reply_.writer().integer_unsigned(count_);
    } else {
      reply_.writer().error(end.error());
    }
    reply_.finish();
  }

  PendingReply reply_;
  std::uint64_t count_ = 0;
};

/// What a walk is to find: nothing where no hash is.
bool reply_without_walk(Session& session) {
  return !session.store().may_have_hashes(session.space());
}

void hlen(Session& session, Arguments arguments) {
  if (reply_without_walk(session)) return session.reply().integer(0);
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  const boost::intrusive_ptr<CountFields> walk(new CountFields(std::move(reply)));
  walk->start(session.worker(), session.space(), arguments[1]);
}

enum class Wanted : std::uint8_t { kNames, kValues, kBoth };

/// HGETALL, HKEYS, HVALS: all is held until the last is there, and bounded like any output.
class ReadFields final : public HashEach {
 public:
  ReadFields(PendingReply reply, Wanted wanted)
      : HashEach(kValuesPage), reply_(std::move(reply)), wanted_(wanted) {}

 private:
  struct Item {
    ZeroizingString name;
    Entry::Pointer value;
  };

  void on_field(const HashField& field, const ZeroizingString& key) override {
    const std::size_t at = items_.size();
    items_.push_back({field.name, nullptr});
    bytes_ += sizeof(Item) + field.name.size();
    if (wanted_ == Wanted::kNames) return done();
    worker().get(fields(), key, [keep = self(), this, at](Result<std::optional<Found>> found) {
      if (!found) return done(found.error());
      if (*found) take(at, std::move((*found)->entry));
      done();
    });
  }

  void take(std::size_t at, Entry::Pointer entry) {
    bytes_ += entry->value().size();
    if (!is_enough()) items_[at].value = std::move(entry);
  }
  std::size_t limit() const { return reply_.session().state().limits.output_hard_bytes; }
  bool is_enough() const override { return bytes_ > limit(); }

  void on_end(const Result<void>& end) override {
    if (!end) {
      reply_.writer().error(end.error());
    } else if (is_enough()) {
      reply_.writer().error(fmt::format("ERR the reply would exceed {} bytes: use HSCAN", limit()));
    } else {
      write(reply_.writer());
    }
    reply_.finish();
  }

  void write(ReplyWriter reply) {
    // Gone since it was listed: as if it had been before.
    if (wanted_ != Wanted::kNames) {
      std::erase_if(items_, [](const Item& item) { return item.value == nullptr; });
    }
    if (wanted_ == Wanted::kBoth) {
      reply.map(items_.size());
    } else {
      reply.array(items_.size());
    }
    for (const Item& item : items_) {
      if (wanted_ != Wanted::kValues) reply.bulk(item.name);
      if (wanted_ != Wanted::kNames) reply.value(item.value);
    }
  }

  PendingReply reply_;
  Wanted wanted_;
  std::vector<Item> items_;
  std::size_t bytes_ = 0;
};

void read_fields(Session& session, Arguments arguments, Wanted wanted) {
  if (reply_without_walk(session)) {
    if (wanted == Wanted::kBoth) return session.reply().map(0);
    return session.reply().array(0);
  }
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  const boost::intrusive_ptr<ReadFields> walk(new ReadFields(std::move(reply), wanted));
  walk->start(session.worker(), session.space(), arguments[1]);
}

void hgetall(Session& session, Arguments arguments) {
  read_fields(session, arguments, Wanted::kBoth);
}
void hkeys(Session& session, Arguments arguments) {
  read_fields(session, arguments, Wanted::kNames);
}
void hvals(Session& session, Arguments arguments) {
  read_fields(session, arguments, Wanted::kValues);
}

/// The values of one page of HSCAN.
class ScanFields final
    : public boost::intrusive_ref_counter<ScanFields, boost::thread_unsafe_counter> {
 public:
  explicit ScanFields(ScanOptions options) : options_(std::move(options)) {}

  void start(Session& session, std::string_view hash) {
    reply_ = session.defer();
    session.hold_for(reply_.slot());
    space_ = session.space();
    hash_ = hash;
    session.worker().list_fields(space_, hash_, options_.cursor, options_.count, Texts::kRead,
                                 [keep = boost::intrusive_ptr(this)](Result<FieldPage> page) {
                                   if (page) return keep->read(std::move(*page));
                                   keep->reply_.writer().error(page.error());
                                   keep->reply_.finish();
                                 });
  }

 private:
  void read(FieldPage page) {
    cursor_ = page.cursor;
    std::erase_if(page.fields, [&](const HashField& field) { return !options_.takes(field.name); });
    left_ = page.fields.size() + 1;
    found_.resize(page.fields.size());
    for (std::size_t at = 0; at < found_.size(); ++at) {
      found_[at].first = std::move(page.fields[at].name);
      reply_.session().worker().get(
          fields_of(space_), field_key(hash_, found_[at].first),
          [keep = boost::intrusive_ptr(this), at](Result<std::optional<Found>> found) {
            if (found && *found) keep->found_[at].second = std::move((*found)->entry);
            keep->finish_one();
          });
    }
    finish_one();
  }

  void finish_one() {
    if (--left_ > 0) return;
    std::erase_if(found_, [](const auto& item) { return item.second == nullptr; });
    ReplyWriter reply = reply_.writer();
    reply.array(2);
    reply.bulk(std::to_string(cursor_));
    reply.array(2 * found_.size());
    for (const auto& [name, entry] : found_) {
      reply.bulk(name);
      reply.value(entry);
    }
    reply_.finish();
  }

  ScanOptions options_;
  PendingReply reply_;
  Namespace space_;
  ZeroizingString hash_;
  std::uint64_t cursor_ = 0;
  std::size_t left_ = 0;
  std::vector<std::pair<ZeroizingString, Entry::Pointer>> found_;
};

void hscan(Session& session, Arguments arguments) {
  ScanOptions options;
  if (!parse_scan(session, arguments.subspan(1), options, ScanOf::kFields)) return;
  const boost::intrusive_ptr<ScanFields> operation(new ScanFields(std::move(options)));
  operation->start(session, arguments[1]);
}

constexpr KeyPositions kOneKey{1, 1, 1};
constexpr std::string_view kGroup = "hash";
constexpr std::uint32_t kReads = kReadOnly | kHashKeys;

constexpr CommandSpec kCommands[] = {
    {"hget", 3, kReads | kFast, kOneKey, hget, kGroup, "Returns the value of a field."},
    {"hmget", -3, kReads | kFast, kOneKey, hmget, kGroup, "Returns the values of fields."},
    {"hexists", 3, kReads | kFast, kOneKey, hexists, kGroup, "Tells whether a field exists."},
    {"hstrlen", 3, kReads | kFast, kOneKey, hstrlen, kGroup, "Returns the length of a value."},
    {"hlen", 2, kReads, kOneKey, hlen, kGroup, "Counts the fields of a hash, one by one."},
    {"hgetall", 2, kReads, kOneKey, hgetall, kGroup, "Returns all fields and values of a hash."},
    {"hkeys", 2, kReads, kOneKey, hkeys, kGroup, "Returns all fields of a hash."},
    {"hvals", 2, kReads, kOneKey, hvals, kGroup, "Returns all values of a hash."},
    {"hscan", -3, kReads, kOneKey, hscan, kGroup, "Iterates over the fields of a hash."},
};

}  // namespace

std::span<const CommandSpec> hash_commands() {
  return kCommands;
}

}  // namespace kachel::server
