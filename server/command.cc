#include "server/command.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace kachel::server {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

struct CaselessHash {
  std::size_t operator()(std::string_view text) const {
    std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(lower(c))) * 1099511628211ull;
    }
    return static_cast<std::size_t>(hash ^ (hash >> 32));
  }
};
struct CaselessEqual {
  bool operator()(std::string_view a, std::string_view b) const {
    return equals_ignoring_case(a, b);
  }
};

struct Registry {
  std::unordered_map<std::string_view, const CommandSpec*, CaselessHash, CaselessEqual> by_name;
  std::unordered_set<const CommandSpec*> containers;
  std::vector<const CommandSpec*> top_level;

  void add(std::span<const CommandSpec> table) {
    for (const CommandSpec& spec : table) {
      by_name.emplace(spec.name, &spec);
      if (spec.name.find('|') == std::string_view::npos) top_level.push_back(&spec);
    }
  }

  Registry() {
    for (const auto& table : {string_commands(),      key_commands(),        keyspace_commands(),
                              connection_commands(),  server_commands(),     command_commands(),
                              kachel_commands(),      erasure_commands(),    hold_commands(),
                              snapshot_commands(),    lease_commands(),      edit_commands(),
                              copy_commands(),        iteration_commands(),  object_commands(),
                              hash_commands(),        hash_write_commands(), json_commands(),
                              transaction_commands(), slowlog_commands()}) {
      add(table);
    }
    for (const auto& [name, spec] : by_name) {
      if (const auto bar = name.find('|'); bar != std::string_view::npos) {
        containers.insert(by_name.at(name.substr(0, bar)));
      }
    }
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

// Longer names are no command; not worth hashing a 64 MiB one.
constexpr std::size_t kMaxNameBytes = 64;

}  // namespace

const CommandSpec* find_command(std::string_view name) {
  if (name.size() > kMaxNameBytes) return nullptr;
  const auto& by_name = registry().by_name;
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

bool has_subcommands(const CommandSpec& spec) {
  return registry().containers.contains(&spec);
}

std::span<const CommandSpec* const> all_commands() {
  return registry().top_level;
}

std::vector<std::size_t> key_places(const CommandSpec& spec, std::size_t arguments) {
  std::vector<std::size_t> places;
  if (spec.keys.first == 0) return places;
  const auto count = static_cast<int>(arguments);
  const int last = spec.keys.last < 0 ? count + spec.keys.last : spec.keys.last;
  for (int at = spec.keys.first; at <= last; at += spec.keys.step)
    places.push_back(static_cast<std::size_t>(at));
  return places;
}

bool arity_fits(const CommandSpec& spec, std::size_t arguments) {
  const auto count = static_cast<std::int64_t>(arguments);
  return spec.arity >= 0 ? count == spec.arity : count >= -spec.arity;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace kachel::server
