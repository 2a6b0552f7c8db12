// Commands on the keys of a database: SCAN, KEYS, RANDOMKEY, DBSIZE.
#include <fmt/format.h>
#include <random>
#include <string>
#include <utility>

#include "server/command.h"
#include "server/key_listing.h"
#include "server/scan_options.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void write_page(ReplyWriter reply, ScanPage page, const ScanOptions& scan) {
  std::erase_if(page.keys, [&](const ZeroizingString& key) { return !scan.takes(key); });
  reply.array(2);
  reply.bulk(std::to_string(page.cursor));
  reply.array(page.keys.size());
  for (const ZeroizingString& key : page.keys)
    reply.bulk(key);
}

void scan(Session& session, Arguments arguments) {
  ScanOptions scan;
  if (!parse_scan(session, arguments, scan, ScanOf::kKeys)) return;
  PendingReply reply = session.defer();
  // A page is a reading of many keys: what comes later waits, whatever it is.
  session.hold_for(reply.slot());
  const KeyQuery query{scan.cursor, scan.count, scan.takes_strings, scan.takes_hashes};
  key_page(session.worker(), session.store(), session.space(), query,
           [reply = std::move(reply), scan = std::move(scan)](Result<ScanPage> page) mutable {
             if (page) {
               write_page(reply.writer(), std::move(*page), scan);
             } else {
               reply.writer().error(page.error());
             }
             reply.finish();
           });
}

/// KEYS: all of them, bounded like any output.
class ListKeys final : public boost::intrusive_ref_counter<ListKeys, boost::thread_unsafe_counter> {
 public:
  explicit ListKeys(std::string_view pattern) { options_.pattern = pattern; }

  void start(Session& session) {
    reply_ = session.defer();
    session.hold_for(reply_.slot());
    space_ = session.space();
    ask();
  }

 private:
  static constexpr std::size_t kPage = 4096;

  void ask() {
    Session& session = reply_.session();
    key_page(session.worker(), session.store(), space_, {cursor_, kPage},
             [keep = boost::intrusive_ptr(this)](Result<ScanPage> page) {
               if (page) return keep->take(std::move(*page));
               keep->reply_.writer().error(page.error());
               keep->reply_.finish();
             });
  }

  void take(ScanPage page) {
    for (ZeroizingString& key : page.keys) {
      if (!options_.takes(key)) continue;
      bytes_ += key.size() + sizeof key;
      keys_.push_back(std::move(key));
    }
    cursor_ = page.cursor;
    const std::size_t limit = reply_.session().state().limits.output_hard_bytes;
    if (bytes_ > limit) {
      reply_.writer().error(fmt::format("ERR the reply would exceed {} bytes: use SCAN", limit));
    } else if (cursor_ != 0) {
      return ask();
    } else {
      ReplyWriter reply = reply_.writer();
      reply.array(keys_.size());
      for (const ZeroizingString& key : keys_)
        reply.bulk(key);
    }
    reply_.finish();
  }

  PendingReply reply_;
  Namespace space_;
  ScanOptions options_;
  std::uint64_t cursor_ = 0;
  std::vector<ZeroizingString> keys_;
  std::size_t bytes_ = 0;
};

void keys(Session& session, Arguments arguments) {
  const boost::intrusive_ptr<ListKeys> operation(new ListKeys(arguments[1]));
  operation->start(session);
}

/// RANDOMKEY: the first key from a place at random, strings or hashes; then from the start.
class RandomKey final
    : public boost::intrusive_ref_counter<RandomKey, boost::thread_unsafe_counter> {
 public:
  void start(Session& session) {
    thread_local std::mt19937_64 random{std::random_device{}()};
    reply_ = session.defer();
    session.hold_for(reply_.slot());
    space_ = session.space();
    const bool may_be_hash = session.store().may_have_hashes(space_);
    cursor_ = random() % (may_be_hash ? 2 * kFirstHash : kFirstHash);
    ask();
  }

 private:
  static constexpr std::size_t kPage = 16;

  void ask() {
    Session& session = reply_.session();
    key_page(session.worker(), session.store(), space_, {cursor_, kPage},
             [keep = boost::intrusive_ptr(this)](Result<ScanPage> page) {
               if (!page) {
                 keep->reply_.writer().error(page.error());
                 return keep->reply_.finish();
               }
               keep->take(*page);
             });
  }

  void take(const ScanPage& page) {
    if (!page.keys.empty()) {
      reply_.writer().bulk(page.keys.front());
    } else if (page.cursor != 0 || !std::exchange(is_from_start_, true)) {
      cursor_ = page.cursor;
      return ask();
    } else {
      reply_.writer().null();
    }
    reply_.finish();
  }

  PendingReply reply_;
  Namespace space_;
  std::uint64_t cursor_ = 0;
  bool is_from_start_ = false;
};

void randomkey(Session& session, Arguments) {
  const boost::intrusive_ptr<RandomKey> operation(new RandomKey);
  operation->start(session);
}

void dbsize(Session& session, Arguments) {
  const std::uint64_t strings = session.store().count(session.space());
  if (!session.store().may_have_hashes(session.space())) {
    return session.reply().integer_unsigned(strings);
  }
  PendingReply reply = session.defer();
  session.hold_for(reply.slot());
  count_hashes(session.worker(), session.space(),
               [reply = std::move(reply), strings](Result<std::uint64_t> hashes) mutable {
                 if (hashes) {
                   reply.writer().integer_unsigned(strings + *hashes);
                 } else {
                   reply.writer().error(hashes.error());
                 }
                 reply.finish();
               });
}

constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "generic";

constexpr CommandSpec kCommands[] = {
    {"scan", -2, kReadOnly, kNoKey, scan, kGroup, "Iterates over the keys of the database."},
    {"keys", 2, kReadOnly, kNoKey, keys, kGroup, "Returns the keys that match a pattern."},
    {"randomkey", 1, kReadOnly, kNoKey, randomkey, kGroup, "Returns a random key."},
    {"dbsize", 1, kReadOnly | kFast, kNoKey, dbsize, "server",
     "Returns the number of keys in the database."},
};

}  // namespace

std::span<const CommandSpec> iteration_commands() {
  return kCommands;
}

}  // namespace kachel::server
