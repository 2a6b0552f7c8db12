// What kacheld is told: flags, and a TOML file with the same names. Flags win. The tenants'
// policies stand in the file only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/options.h"
#include "io/error.h"
#include "server/cpus.h"
#include "server/log.h"
#include "server/policy.h"
#include "server/tls.h"

namespace kachel::server {

struct Config {
  std::string data;
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 6380;
  std::string http_host = "127.0.0.1";  // empty: no HTTP port
  std::uint16_t http_port = 6381;
  std::string tls_host;  // of the Redis protocol over TLS; empty: no such port
  std::uint16_t tls_port = 6390;
  std::string https_host;  // empty: no such port
  std::uint16_t https_port = 6391;
  TlsSettings tls;
  Options options;
  unsigned threads = 0;  // 0: chosen from the machine
  WorkerCpus worker_cpus;
  std::size_t max_clients = 10'000;
  std::int64_t idle_timeout_ms = 0;  // 0: never
  std::int64_t slower_than_ms = 10;  // for the slow log; 0: nothing is
  std::string log_level = "info";
  LogFormat log_format = LogFormat::kText;
  std::string port_file;
  std::string users_file;  // empty: everybody on this machine is `default`
  std::string config_file;
  bool io_uring = true;
  PolicySet policy;
  // What a later reading of the file is compared with: its settings as text, and the flags
  // that win over them.
  std::map<std::string, std::string, std::less<>> file_settings;
  std::set<std::string, std::less<>> flags;
};

/// One thing that can be set, by `--name` or by `name = ` in the file.
struct Setting {
  std::string_view name;
  std::string_view value;  // what to write, for the help; empty: a switch
  std::string_view help;
  /// The error's message names the remedy, not the setting.
  Result<void> (*apply)(Config& config, std::string_view text);
};
std::span<const Setting> settings();
const Setting* find_setting(std::string_view name);

/// What is wrong with flags or file, in one line with the remedy.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Applies the file's settings and policies. Throws ConfigError: "FILE:LINE: KEY: ...".
void apply_config_file(Config& config, const std::string& file);
/// The same from text; `file` is for messages.
void apply_config_text(Config& config, std::string_view text, const std::string& file);

/// Nothing: help or version was asked for and has been printed to stdout. Throws ConfigError.
std::optional<Config> parse_command_line(std::vector<std::string> arguments);

}  // namespace kachel::server
