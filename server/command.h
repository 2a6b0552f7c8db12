// The table of commands: name, arity, flags, keys, handler.
//
// A handler answers at once (session.reply()), or takes a reply slot (session.defer()) and
// fills it from the engine's handler. Arguments are views into the client's input and valid
// only until the handler returns.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kachel::server {

class Session;

using Arguments = std::span<const std::string_view>;

namespace command_flag {
inline constexpr std::uint32_t kReadOnly = 1u << 0;
inline constexpr std::uint32_t kWrite = 1u << 1;
inline constexpr std::uint32_t kFast = 1u << 2;
inline constexpr std::uint32_t kAdmin = 1u << 3;
inline constexpr std::uint32_t kDenyOom = 1u << 4;
inline constexpr std::uint32_t kLoading = 1u << 5;
inline constexpr std::uint32_t kStale = 1u << 6;
inline constexpr std::uint32_t kNoAuth = 1u << 7;
// Starts when the client's earlier commands are done: it changes what they would find.
inline constexpr std::uint32_t kAfterAll = 1u << 8;
// What its keys must be; and it asks the session which of them are hashes. See key_types.h.
inline constexpr std::uint32_t kStringKeys = 1u << 9;
inline constexpr std::uint32_t kHashKeys = 1u << 10;
inline constexpr std::uint32_t kAnyKeys = 1u << 11;
// Inside MULTI: runs at once instead of being queued; or is refused.
inline constexpr std::uint32_t kNotQueued = 1u << 12;
inline constexpr std::uint32_t kNoMulti = 1u << 13;
// Waits for other clients: how long it takes says nothing.
inline constexpr std::uint32_t kWaits = 1u << 14;
}  // namespace command_flag

struct KeyPositions {
  int first = 0;  // 0: none
  int last = 0;   // negative: from the end
  int step = 0;
};

struct CommandSpec {
  std::string_view name;  // lower case; "client|id" for a subcommand
  int arity;              // with the name; negative: at least
  std::uint32_t flags;
  KeyPositions keys;
  void (*handler)(Session& session, Arguments arguments);
  std::string_view group;
  std::string_view summary;
};

// One table a file commands_*.cc. Static storage.
std::span<const CommandSpec> string_commands();
std::span<const CommandSpec> key_commands();
std::span<const CommandSpec> keyspace_commands();
std::span<const CommandSpec> connection_commands();
std::span<const CommandSpec> server_commands();
std::span<const CommandSpec> command_commands();
std::span<const CommandSpec> kachel_commands();
std::span<const CommandSpec> erasure_commands();
std::span<const CommandSpec> hold_commands();
std::span<const CommandSpec> snapshot_commands();
std::span<const CommandSpec> lease_commands();
std::span<const CommandSpec> edit_commands();
std::span<const CommandSpec> copy_commands();
std::span<const CommandSpec> iteration_commands();
std::span<const CommandSpec> object_commands();
std::span<const CommandSpec> hash_commands();
std::span<const CommandSpec> hash_write_commands();
std::span<const CommandSpec> json_commands();
std::span<const CommandSpec> transaction_commands();
std::span<const CommandSpec> slowlog_commands();

/// By name, in any case; nullptr when there is none. A subcommand as "parent|name".
const CommandSpec* find_command(std::string_view name);
/// Whether commands named "name|..." exist.
bool has_subcommands(const CommandSpec& spec);
/// Top-level commands in table order.
std::span<const CommandSpec* const> all_commands();
/// Where in `arguments` its keys are; the arity fits.
std::vector<std::size_t> key_places(const CommandSpec& spec, std::size_t arguments);
bool arity_fits(const CommandSpec& spec, std::size_t arguments);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace kachel::server
