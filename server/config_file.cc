// The TOML file of kacheld: the same names as the flags, at the top level.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

// toml++ 3.3 asserts on some input ("[[["), and without assertions assumes that there is none.
// A file is input: here such a place is an error like any other.
namespace kachel::server {
[[noreturn]] static void refuse_toml() {
  throw std::runtime_error("not the syntax of TOML");
}
}  // namespace kachel::server
#undef NDEBUG
#define TOML_ASSERT(expr) (static_cast<bool>(expr) ? void() : kachel::server::refuse_toml())
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "server/config.h"

namespace kachel::server {
namespace {

[[noreturn]] void fail(const std::string& file, const toml::source_region& where,
                       const std::string& what) {
  throw ConfigError(file + ":" + std::to_string(where.begin.line) + ": " + what);
}

std::string known_names() {
  std::string names;
  for (const Setting& setting : settings()) {
    if (!names.empty()) names += ", ";
    names += setting.name;
  }
  return names;
}

/// The value as a flag would have it.
std::string text_of(const toml::node& node, const Setting& setting, const std::string& file) {
  if (setting.value.empty()) {
    if (const auto on = node.value_exact<bool>()) return *on ? "true" : "false";
    fail(file, node.source(), std::string(setting.name) + ": write true or false");
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  fail(file, node.source(),
       std::string(setting.name) + ": write a string or a number, for instance " +
           std::string(setting.name) + " = \"" + std::string(setting.value) + "\"");
}

void apply_key(Config& config, std::string_view key, const toml::node& node,
               const std::string& file) {
  const Setting* const setting = find_setting(key);
  if (setting == nullptr) {
    fail(file, node.source(),
         "unknown key \"" + std::string(key) + "\"; remove it, or use one of: " + known_names());
  }
  if (const auto applied = setting->apply(config, text_of(node, *setting, file)); !applied) {
    fail(file, node.source(), std::string(key) + ": " + applied.error().message);
  }
}

}  // namespace

void apply_config_text(Config& config, std::string_view text, const std::string& file) {
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    fail(file, error.source(), std::string(error.description()));
  } catch (const std::runtime_error& error) {
    throw ConfigError(file + ": " + error.what() + ": compare it with docs/operating.md");
  }
  for (const auto& [key, node] : table)
    apply_key(config, key.str(), node, file);
}

void apply_config_file(Config& config, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  // Reading a directory succeeds in opening and fails here.
  if (!stream || !(text << stream.rdbuf())) {
    throw ConfigError("--config: cannot read " + file + ": check that it exists and is readable");
  }
  apply_config_text(config, text.str(), file);
}

}  // namespace kachel::server
