// COMMAND and its subcommands: the table of commands, as clients ask for it.
#include "server/command.h"

#include <array>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "server/arguments.h"
#include "server/session.h"

namespace kachel::server {
namespace {

using namespace command_flag;

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 8> kFlagNames{{
    {kReadOnly, "readonly"},
    {kWrite, "write"},
    {kFast, "fast"},
    {kAdmin, "admin"},
    {kDenyOom, "denyoom"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kNoAuth, "no_auth"},
}};

void write_names(ReplyWriter reply, const std::vector<std::string>& names) {
  reply.set(names.size());
  for (const std::string& name : names)
    reply.simple(name);
}

void write_flags(ReplyWriter reply, const CommandSpec& spec) {
  std::vector<std::string> names;
  for (const auto& [flag, name] : kFlagNames) {
    if ((spec.flags & flag) != 0) names.emplace_back(name);
  }
  write_names(reply, names);
}

void write_categories(ReplyWriter reply, const CommandSpec& spec) {
  std::vector<std::string> names;
  names.push_back(fmt::format("@{}", spec.group == "generic" ? "keyspace" : spec.group));
  if ((spec.flags & kReadOnly) != 0) names.emplace_back("@read");
  if ((spec.flags & kWrite) != 0) names.emplace_back("@write");
  names.emplace_back((spec.flags & kFast) != 0 ? "@fast" : "@slow");
  write_names(reply, names);
}

void write_info(ReplyWriter reply, const CommandSpec& spec) {
  reply.array(10);
  reply.bulk(spec.name);
  reply.integer(spec.arity);
  write_flags(reply, spec);
  reply.integer(spec.keys.first);
  reply.integer(spec.keys.last);
  reply.integer(spec.keys.step);
  write_categories(reply, spec);
  reply.array(0);  // tips
  reply.array(0);  // key specifications
  reply.array(0);  // subcommands
}

void command(Session& session, Arguments) {
  ReplyWriter reply = session.reply();
  reply.array(all_commands().size());
  for (const CommandSpec* spec : all_commands())
    write_info(reply, *spec);
}

void command_count(Session& session, Arguments) {
  session.reply().integer_unsigned(all_commands().size());
}

void command_info(Session& session, Arguments arguments) {
  if (arguments.size() == 2) return command(session, arguments);
  ReplyWriter reply = session.reply();
  reply.array(arguments.size() - 2);
  for (const std::string_view name : arguments.subspan(2)) {
    if (const CommandSpec* spec = find_command(name)) {
      write_info(reply, *spec);
    } else {
      reply.null_array();
    }
  }
}

void write_docs(ReplyWriter reply, const CommandSpec& spec) {
  reply.bulk(spec.name);
  reply.map(2);
  reply.bulk("summary");
  reply.bulk(spec.summary);
  reply.bulk("group");
  reply.bulk(spec.group);
}

void command_docs(Session& session, Arguments arguments) {
  std::vector<const CommandSpec*> wanted;
  for (const std::string_view name : arguments.subspan(2)) {
    if (const CommandSpec* spec = find_command(name)) wanted.push_back(spec);
  }
  if (arguments.size() == 2) wanted.assign(all_commands().begin(), all_commands().end());
  ReplyWriter reply = session.reply();
  reply.map(wanted.size());
  for (const CommandSpec* spec : wanted)
    write_docs(reply, *spec);
}

void command_list(Session& session, Arguments arguments) {
  const bool filtered = arguments.size() == 5 && equals_ignoring_case(arguments[2], "FILTERBY") &&
                        equals_ignoring_case(arguments[3], "PATTERN");
  if (arguments.size() > 2 && !filtered) return session.reply().error(kSyntaxError);
  std::vector<std::string_view> names;
  for (const CommandSpec* spec : all_commands()) {
    if (!filtered || glob_matches(arguments[4], spec->name, true)) names.push_back(spec->name);
  }
  ReplyWriter reply = session.reply();
  reply.array(names.size());
  for (const std::string_view name : names)
    reply.bulk(name);
}

void command_getkeys(Session& session, Arguments arguments) {
  const Arguments inner = arguments.subspan(2);
  const CommandSpec* const spec = find_command(inner[0]);
  if (spec == nullptr) return session.reply().error("ERR Invalid command specified");
  if (spec->keys.first == 0) {
    return session.reply().error("ERR The command has no key arguments");
  }
  if (!arity_fits(*spec, inner.size())) {
    return session.reply().error("ERR Invalid number of arguments specified for command");
  }
  const std::vector<std::size_t> places = key_places(*spec, inner.size());
  ReplyWriter reply = session.reply();
  reply.array(places.size());
  for (const std::size_t place : places)
    reply.bulk(inner[place]);
}

constexpr std::uint32_t kFlags = kLoading | kStale;
constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "server";

constexpr CommandSpec kCommands[] = {
    {"command", -1, kFlags, kNoKey, command, kGroup, "Describes the commands."},
    {"command|count", 2, kFlags, kNoKey, command_count, kGroup, "Counts the commands."},
    {"command|info", -2, kFlags, kNoKey, command_info, kGroup, "Describes some commands."},
    {"command|docs", -2, kFlags, kNoKey, command_docs, kGroup, "Documents commands."},
    {"command|list", -2, kFlags, kNoKey, command_list, kGroup, "Lists the commands' names."},
    {"command|getkeys", -3, kFlags, kNoKey, command_getkeys, kGroup,
     "Returns the keys of a command line."},
};

}  // namespace

std::span<const CommandSpec> command_commands() {
  return kCommands;
}

}  // namespace kachel::server
