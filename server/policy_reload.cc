#include "server/policy_reload.h"

#include <fmt/format.h>
#include <memory>
#include <utility>

namespace kachel::server {
namespace {

std::string shown(const Config& config, std::string_view name) {
  const auto found = config.file_settings.find(name);
  return found == config.file_settings.end() ? "not set" : found->second;
}

void describe_settings(const Config& started, const Config& now, std::vector<std::string>& lines) {
  for (const Setting& setting : settings()) {
    const std::string before = shown(started, setting.name);
    const std::string after = shown(now, setting.name);
    if (before == after) continue;
    const std::string change = fmt::format("{} {} -> {}", setting.name, before, after);
    if (started.flags.contains(setting.name)) {
      lines.push_back(fmt::format("{}: has no effect, the flag --{} wins", change, setting.name));
    } else {
      lines.push_back(change + ": takes effect at the next start");
    }
  }
}

}  // namespace

PolicyReload reload_policy(const Config& started, PolicySource& source) {
  if (started.config_file.empty()) {
    return {false, {"there is no file to read again: start with --config FILE to have one"}};
  }
  Config now;
  try {
    apply_config_file(now, started.config_file);
  } catch (const ConfigError& error) {
    return {false, {error.what()}};
  }
  PolicyReload reload{true, describe_changes(*source.current(), now.policy)};
  if (reload.lines.empty()) reload.lines.emplace_back("no policy has changed");
  describe_settings(started, now, reload.lines);
  source.publish(std::make_shared<const PolicySet>(std::move(now.policy)));
  return reload;
}

}  // namespace kachel::server
