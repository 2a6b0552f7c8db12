// Snapshots, and what the copies that are made of them ask. For administrators and for the tool:
// the answers are JSON, but for bytes, which are what they are. docs/snapshots.md.
#include <boost/json.hpp>
#include <string>
#include <utility>

#include "engine/alive_coding.h"
#include "server/arguments.h"
#include "server/command.h"
#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;
namespace json = boost::json;

constexpr std::string_view kSnapshotForms =
    "ERR syntax error: write KACHEL.SNAPSHOT CREATE name [PX ms], DELETE name, LIST, FILES name, "
    "or "
    "READ name path offset bytes";
constexpr std::string_view kAliveForms =
    "ERR syntax error: write KACHEL.ALIVE, or KACHEL.ALIVE tenant database from count, with a "
    "tenant's number, and 32 hexadecimal digits to begin at";
constexpr std::string_view kDoubtForms =
    "ERR syntax error: write KACHEL.DOUBT, KACHEL.DOUBT CONFIRM tenant database from until "
    "entries, KACHEL.DOUBT FOLLOW source lease-ms (an hour at most), KACHEL.DOUBT CAUGHTUP source "
    "through erased, or KACHEL.DOUBT ACCEPT REASON text";
constexpr std::uint64_t kMostLeaseMs = 3'600'000;

json::object to_json(const SnapshotInfo& info) {
  return {{"name", info.name},
          {"directory", info.directory},
          {"created_ms", info.created_ms},
          {"expires_ms", info.expires_ms},
          {"through", info.through},
          {"segments", info.segments},
          {"segments_left", info.segments_left},
          {"bytes", info.bytes},
          {"own_bytes", info.own_bytes},
          {"has_index", info.has_index}};
}

/// A handler that says what it is told in JSON, or as an error.
template <typename T, typename Write>
Copies::Handler<T> reply_with(Session& session, Write write) {
  return [reply = session.defer(), write](Result<T> result) mutable {
    if (result) {
      write(reply.writer(), *result);
    } else {
      reply.writer().error(result.error());
    }
    reply.finish();
  };
}

Copies::Handler<void> reply_ok(Session& session) {
  return [reply = session.defer()](const Result<void>& result) mutable {
    if (result) {
      reply.writer().ok();
    } else {
      reply.writer().error(result.error());
    }
    reply.finish();
  };
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  const auto number = parse_integer(text);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

// ---- KACHEL.SNAPSHOT -----------------------------------------------------------------------

void create(Session& session, Arguments arguments) {
  std::chrono::milliseconds lifetime{0};
  if (arguments.size() == 5 && equals_ignoring_case(arguments[3], "PX")) {
    const auto ms = whole_number(arguments[4]);
    if (!ms || *ms == 0) return session.reply().error("ERR PX takes milliseconds, above 0");
    lifetime = std::chrono::milliseconds(*ms);
  } else if (arguments.size() != 3) {
    return session.reply().error(kSnapshotForms);
  }
  session.store().copies().create_snapshot(
      std::string(arguments[2]), lifetime, session.loop(),
      reply_with<SnapshotInfo>(session, [](ReplyWriter reply, const SnapshotInfo& info) {
        reply.bulk(json::serialize(to_json(info)));
      }));
}

void list(Session& session) {
  json::array all;
  for (const SnapshotInfo& info : session.store().copies().snapshots())
    all.push_back(to_json(info));
  session.reply().bulk(json::serialize(all));
}

void list_files(Session& session, Arguments arguments) {
  session.store().copies().list_files(
      std::string(arguments[2]), session.loop(),
      reply_with<std::vector<SnapshotFile>>(
          session, [](ReplyWriter reply, const std::vector<SnapshotFile>& files) {
            json::array all;
            for (const SnapshotFile& file : files)
              all.push_back({{"path", file.path}, {"bytes", file.bytes}});
            reply.bulk(json::serialize(all));
          }));
}

void read(Session& session, Arguments arguments) {
  const auto offset = whole_number(arguments[4]);
  const auto bytes = whole_number(arguments[5]);
  if (!offset || !bytes) return session.reply().error(kNotAnInteger);
  session.store().copies().read_file(
      std::string(arguments[2]), std::string(arguments[3]), *offset,
      std::min<std::uint64_t>(*bytes, kMaxSnapshotReadBytes), session.loop(),
      reply_with<ZeroizingBytes>(session, [](ReplyWriter reply, const ZeroizingBytes& read) {
        reply.bulk({reinterpret_cast<const char*>(read.data()), read.size()});
      }));
}

void kachel_snapshot(Session& session, Arguments arguments) {
  const auto is = [&](std::string_view word, std::size_t arity) {
    return equals_ignoring_case(arguments[1], word) && arguments.size() == arity;
  };
  if (equals_ignoring_case(arguments[1], "CREATE")) return create(session, arguments);
  if (is("LIST", 2)) return list(session);
  if (is("FILES", 3)) return list_files(session, arguments);
  if (is("READ", 6)) return read(session, arguments);
  if (is("DELETE", 3)) {
    return session.store().copies().remove_snapshot(std::string(arguments[2]), session.loop(),
                                                    reply_ok(session));
  }
  session.reply().error(kSnapshotForms);
}

// ---- KACHEL.ALIVE and KACHEL.DOUBT ---------------------------------------------------------

/// What one that asks has to know of the store first.
json::object describe(const Copies& copies) {
  json::array spaces;
  for (const Namespace& space : copies.namespaces())
    spaces.push_back({{"tenant", space.tenant}, {"database", space.database}});
  return {
      {"store_id", text_of(Mac{copies.store_id()})},     {"last_sequence", copies.last_sequence()},
      {"doubtful_through", copies.doubtful_through()},   {"copied_ms", copies.copied_ms()},
      {"arriving_segments", copies.arriving_segments()}, {"namespaces", std::move(spaces)}};
}

std::optional<Namespace> parse_namespace(std::string_view tenant, std::string_view database) {
  const auto number = whole_number(tenant);
  const auto index = whole_number(database);
  if (!number || *number > UINT32_MAX || !index || *index > UINT8_MAX) return std::nullopt;
  return Namespace{static_cast<std::uint32_t>(*number), static_cast<std::uint8_t>(*index)};
}

void kachel_alive(Session& session, Arguments arguments) {
  Copies& copies = session.store().copies();
  if (arguments.size() == 1) return session.reply().bulk(json::serialize(describe(copies)));
  if (arguments.size() != 5) return session.reply().error(kAliveForms);
  const auto space = parse_namespace(arguments[1], arguments[2]);
  const auto from = parse_mac(arguments[3]);
  const auto count = whole_number(arguments[4]);
  if (!space || !from || !count) return session.reply().error(kAliveForms);
  copies.list_alive(*space, *from, *count, session.loop(),
                    reply_with<AlivePage>(session, [](ReplyWriter reply, const AlivePage& page) {
                      reply.bulk(encode_alive_page(page));
                    }));
}

void confirm(Session& session, Arguments arguments) {
  const auto space = parse_namespace(arguments[2], arguments[3]);
  const auto from = parse_mac(arguments[4]);
  const auto until = parse_mac(arguments[5]);
  auto entries = decode_alive(arguments[6]);
  if (!space || !from || (!until && arguments[5] != "-") || !entries) {
    return session.reply().error(kDoubtForms);
  }
  session.store().copies().confirm_alive(
      {*space, *from, until}, std::move(*entries), session.loop(),
      reply_with<std::uint64_t>(session, [](ReplyWriter reply, std::uint64_t erased) {
        reply.bulk(std::to_string(erased));
      }));
}

void follow(Session& session, Arguments arguments) {
  const auto lease_ms = whole_number(arguments[3]);
  if (arguments[2].empty() || !lease_ms || *lease_ms == 0 || *lease_ms > kMostLeaseMs) {
    return session.reply().error(kDoubtForms);
  }
  session.store().copies().follow(std::string(arguments[2]), std::chrono::milliseconds(*lease_ms),
                                  session.loop(), reply_ok(session));
}

void kachel_doubt(Session& session, Arguments arguments) {
  Copies& copies = session.store().copies();
  const auto is = [&](std::string_view word, std::size_t arity) {
    return equals_ignoring_case(arguments[1], word) && arguments.size() == arity;
  };
  if (arguments.size() == 1) return session.reply().bulk(json::serialize(describe(copies)));
  if (is("CONFIRM", 7)) return confirm(session, arguments);
  if (is("FOLLOW", 4)) return follow(session, arguments);
  DoubtEnd end;
  if (is("CAUGHTUP", 5)) {
    const auto through = whole_number(arguments[3]);
    const auto erased = whole_number(arguments[4]);
    if (!through || !erased || arguments[2].empty()) return session.reply().error(kDoubtForms);
    end = {std::string(arguments[2]), *through, *erased, ""};
  } else if (is("ACCEPT", 4) && equals_ignoring_case(arguments[2], "REASON") &&
             !arguments[3].empty()) {
    end.reason = arguments[3];
  } else {
    return session.reply().error(kDoubtForms);
  }
  if (copies.doubtful_through() == 0) {
    return session.reply().error("ERR nothing is in doubt here");
  }
  copies.end_doubt(std::move(end), session.loop(), reply_ok(session));
}

constexpr CommandSpec kCommands[] = {
    {"kachel.snapshot",
     -2,
     kAdmin | kNoMulti,
     {0, 0, 0},
     kachel_snapshot,
     "kachel",
     "Makes, lists, reads and deletes snapshots of the store."},
    {"kachel.alive",
     -1,
     kAdmin | kNoMulti,
     {0, 0, 0},
     kachel_alive,
     "kachel",
     "Tells a copy of the store which entries are alive."},
    {"kachel.doubt",
     -1,
     kAdmin | kNoMulti,
     {0, 0, 0},
     kachel_doubt,
     "kachel",
     "Says what a copy of a store is not sure of, or ends its doubt."},
};

}  // namespace

std::span<const CommandSpec> snapshot_commands() {
  return kCommands;
}

}  // namespace kachel::server
