// OBJECT and MEMORY: how a key is kept.
#include <array>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "server/arguments.h"
#include "server/command.h"
#include "server/hash_walk.h"
#include "server/operations.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

/// Replies with `write(reply, found)`; null when there is no such key.
template <typename Write>
void with_entry(Session& session, std::string_view key, Write write) {
  PendingReply reply = session.defer();
  const std::uint64_t slot = reply.slot();
  const bool settled = session.worker().get(
      session.space(), key,
      [reply = std::move(reply), write](Result<std::optional<Found>> found) mutable {
        if (!found) {
          reply.writer().error(found.error());
        } else if (*found) {
          write(reply.writer(), **found);
        } else {
          reply.writer().null();
        }
        reply.finish();
      });
  session.settled(slot, settled);
}

std::string_view encoding_of(std::string_view value) {
  constexpr std::size_t kEmbeddedBytes = 44;
  if (parse_integer(value)) return "int";
  return value.size() <= kEmbeddedBytes ? "embstr" : "raw";
}

void object_encoding(Session& session, Arguments arguments) {
  if (session.hash_at(0)) return session.reply().bulk("hashtable");
  with_entry(session, arguments[2], [](ReplyWriter reply, const Found& found) {
    reply.bulk(encoding_of(found.entry->value()));
  });
}

void object_refcount(Session& session, Arguments arguments) {
  if (session.hash_at(0)) return session.reply().integer(1);
  with_entry(session, arguments[2], [](ReplyWriter reply, const Found&) { reply.integer(1); });
}

/// There is no counter: 1 in DRAM, 0 on flash.
void object_freq(Session& session, Arguments arguments) {
  if (session.hash_at(0)) return session.reply().integer(0);
  with_entry(session, arguments[2], [](ReplyWriter reply, const Found& found) {
    reply.integer(found.tier == Tier::kFlash ? 0 : 1);
  });
}

void object_idletime(Session& session, Arguments) {
  session.reply().error(
      "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void write_lines(ReplyWriter reply, std::span<const std::string_view> lines) {
  reply.array(lines.size());
  for (const std::string_view line : lines)
    reply.simple(line);
}

void object_help(Session& session, Arguments) {
  static constexpr std::array<std::string_view, 11> kLines{
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return 1 when the value is in DRAM, 0 when it is on flash.",
      "IDLETIME <key>",
      "    Not tracked.",
      "REFCOUNT <key>",
      "    Return 1.",
      "HELP",
  };
  write_lines(session.reply(), kLines);
}

/// Of all its fields: what MEMORY USAGE replies of a hash.
class WeighFields final : public HashWalk {
 public:
  explicit WeighFields(PendingReply reply)
      : HashWalk(Texts::kLeft, kRowsPage), reply_(std::move(reply)) {}

 private:
  void on_page(std::vector<HashField> fields) override {
    for (const HashField& field : fields)
      bytes_ += field.seen.raw_bytes + sizeof(Entry);
    next_page();
  }
  void on_end(const Result<void>& end) override {
    if (end) {
      reply_.writer().integer_unsigned(bytes_);
    } else {
      reply_.writer().error(end.error());
    }
    reply_.finish();
  }

  PendingReply reply_;
  std::uint64_t bytes_ = 0;
};

void memory_usage(Session& session, Arguments arguments) {
  const bool has_samples = arguments.size() == 5 && equals_ignoring_case(arguments[3], "SAMPLES");
  if (arguments.size() != 3 && !has_samples) return session.reply().error(kSyntaxError);
  if (has_samples) {
    const auto samples = integer_argument(session, arguments[4]);
    if (!samples) return;
    if (*samples < 0) return session.reply().error(kSyntaxError);
  }
  if (session.hash_at(0)) {
    PendingReply reply = session.defer();
    session.hold_for(reply.slot());
    const boost::intrusive_ptr<WeighFields> walk(new WeighFields(std::move(reply)));
    return walk->start(session.worker(), session.space(), arguments[2]);
  }
  with_entry(session, arguments[2], [](ReplyWriter reply, const Found& found) {
    reply.integer_unsigned(found.entry->footprint_bytes());
  });
}

void memory_help(Session& session, Arguments) {
  static constexpr std::array<std::string_view, 4> kLines{
      "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "USAGE <key> [SAMPLES <count>]",
      "    Return the bytes that the value takes in DRAM when it is there.",
      "HELP",
  };
  write_lines(session.reply(), kLines);
}

constexpr KeyPositions kNoKey{0, 0, 0};
constexpr KeyPositions kSecond{2, 2, 1};
constexpr std::string_view kGroup = "generic";
constexpr std::uint32_t kReads = kReadOnly | kAnyKeys;

constexpr CommandSpec kCommands[] = {
    {"object", -2, kReadOnly, kNoKey, nullptr, kGroup, "A container for object commands."},
    {"object|encoding", 3, kReads, kSecond, object_encoding, kGroup, "Returns how it is kept."},
    {"object|refcount", 3, kReads, kSecond, object_refcount, kGroup, "Returns 1."},
    {"object|freq", 3, kReads, kSecond, object_freq, kGroup, "Returns 1 in DRAM, 0 on flash."},
    {"object|idletime", 3, kReadOnly, kSecond, object_idletime, kGroup, "Is not tracked."},
    {"object|help", 2, kLoading | kStale, kNoKey, object_help, kGroup, "Returns help."},
    {"memory", -2, kReadOnly, kNoKey, nullptr, "server", "A container for memory commands."},
    {"memory|usage", -3, kReads, kSecond, memory_usage, "server",
     "Returns the bytes that a key takes."},
    {"memory|help", 2, kLoading | kStale, kNoKey, memory_help, "server", "Returns help."},
};

}  // namespace

std::span<const CommandSpec> object_commands() {
  return kCommands;
}

}  // namespace kachel::server
