#include "server/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iostream>
#include <map>

#include "io/units.h"
#include "server/listener.h"

namespace kachel::server {
namespace {

Result<void> set_size(std::uint64_t& target, std::string_view text, std::uint64_t low,
                      std::uint64_t high) {
  const auto size = parse_size(text);
  if (!size) return size.error();
  if (*size < low || *size > high) {
    return invalid("write a size from " + format_size(low) + " to " + format_size(high));
  }
  target = *size;
  return {};
}

Result<void> set_text(std::string& target, std::string_view text) {
  if (text.empty()) return invalid("must not be empty");
  target = text;
  return {};
}

struct HostAndPort {
  std::string_view host;
  std::string_view port;
};

std::optional<HostAndPort> split_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  HostAndPort parts{text.substr(0, colon), text.substr(colon + 1)};
  if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  return parts;
}

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t usual_port) {
  const auto parts = split_endpoint(text);
  const auto port = parts ? parse_count(parts->port, 0, 65535) : Result<std::uint64_t>(0);
  if (!parts || parts->host.empty() || !port) {
    return invalid(
        fmt::format("write HOST:PORT, for instance 127.0.0.1:{0} or [::1]:{0}", usual_port));
  }
  return Endpoint{std::string(parts->host == "localhost" ? "127.0.0.1" : parts->host),
                  static_cast<std::uint16_t>(*port)};
}

Result<void> set_listen(Config& config, std::string_view text) {
  auto endpoint = parse_endpoint(text, config.listen_port);
  if (!endpoint) return endpoint.error();
  config.listen_host = std::move(endpoint->host);
  config.listen_port = endpoint->port;
  return {};
}

Result<void> set_http(Config& config, std::string_view text) {
  if (text.empty() || text == "off") {
    config.http_host.clear();
    return {};
  }
  auto endpoint = parse_endpoint(text, config.http_port);
  if (!endpoint) return invalid(endpoint.error().message + "; or off, for no HTTP");
  if (!is_loopback(endpoint->host)) {
    return invalid("\"" + std::string(text) +
                   "\" is refused: tokens and entries would cross the network in clear; "
                   "serve on 127.0.0.1 or [::1], or over TLS with --https");
  }
  config.http_host = std::move(endpoint->host);
  config.http_port = endpoint->port;
  return {};
}

/// off, or an endpoint of the network's.
Result<void> set_endpoint(std::string& host, std::uint16_t& port, std::string_view text) {
  if (text.empty() || text == "off") {
    host.clear();
    return {};
  }
  auto endpoint = parse_endpoint(text, port);
  if (!endpoint) return endpoint.error();
  host = std::move(endpoint->host);
  port = endpoint->port;
  return {};
}

Result<void> set_requires_client_certificate(Config& config, std::string_view text) {
  if (text != "true" && text != "false") return invalid("write true or false");
  config.tls.requires_client_certificate = text == "true";
  return {};
}

Result<void> set_durability(Config& config, std::string_view text) {
  for (const auto mode : {Durability::kRelaxed, Durability::kGroup, Durability::kStrict}) {
    if (text != durability_name(mode)) continue;
    config.options.durability = mode;
    return {};
  }
  return invalid("write relaxed, group or strict");
}

Result<void> set_log_level(Config& config, std::string_view text) {
  static constexpr std::array<std::string_view, 6> kLevels{"trace",   "debug", "info",
                                                           "warning", "error", "off"};
  if (std::find(kLevels.begin(), kLevels.end(), text) == kLevels.end()) {
    return invalid("write trace, debug, info, warning, error or off");
  }
  config.log_level = text;
  return {};
}

Result<void> set_log_format(Config& config, std::string_view text) {
  if (text != "text" && text != "json") return invalid("write text or json");
  config.log_format = text == "json" ? LogFormat::kJson : LogFormat::kText;
  return {};
}

Result<void> set_threads(Config& config, std::string_view text) {
  const auto threads = parse_count(text, 1, 256);
  if (!threads) return threads.error();
  config.threads = static_cast<unsigned>(*threads);
  return {};
}

Result<void> set_worker_cpus(Config& config, std::string_view text) {
  auto wanted = parse_worker_cpus(text);
  if (!wanted) return wanted.error();
  config.worker_cpus = std::move(*wanted);
  return {};
}

Result<void> set_max_clients(Config& config, std::string_view text) {
  const auto clients = parse_count(text, 1, 1'000'000);
  if (!clients) return clients.error();
  config.max_clients = static_cast<std::size_t>(*clients);
  return {};
}

Result<void> set_idle_timeout(Config& config, std::string_view text) {
  const auto timeout = parse_duration_ms(text);
  if (!timeout) return timeout.error();
  if (*timeout != 0 && *timeout < 1000) return invalid("write 0 (never), or at least 1s");
  config.idle_timeout_ms = *timeout;
  return {};
}

Result<void> set_no_io_uring(Config& config, std::string_view text) {
  if (text != "true" && text != "false") return invalid("write true or false");
  config.io_uring = text == "false";
  return {};
}

Result<void> set_no_dictionaries(Config& config, std::string_view text) {
  if (text != "true" && text != "false") return invalid("write true or false");
  config.options.dictionaries.enabled = text == "false";
  return {};
}

constexpr std::uint64_t kMaxSizeBytes = std::uint64_t{1} << 50;

Result<void> set_warm_rate(Config& config, std::string_view text) {
  if (text == "0") {
    config.options.warm_bytes_per_s = 0;
    return {};
  }
  return set_size(config.options.warm_bytes_per_s, text, kMiB, kMaxSizeBytes);
}

constexpr std::array kSettings =
    std::to_array<Setting>({
        {"data", "DIR", "directory of the store; made if its parent exists",
         [](Config& config, std::string_view text) { return set_text(config.data, text); }},
        {"listen", "HOST:PORT", "where to serve (127.0.0.1:6380); port 0: any free one",
         set_listen},
        {"users", "FILE", "who may connect, written by `kachel user`; needed beyond this machine",
         [](Config& config, std::string_view text) { return set_text(config.users_file, text); }},
        {"http", "HOST:PORT", "where to serve HTTP (127.0.0.1:6381); off: not at all", set_http},
        {"tls-listen", "HOST:PORT", "where to serve the Redis protocol over TLS 1.3 (off)",
         [](Config& config, std::string_view text) {
           return set_endpoint(config.tls_host, config.tls_port, text);
         }},
        {"https", "HOST:PORT", "where to serve HTTP over TLS 1.3 (off)",
         [](Config& config, std::string_view text) {
           return set_endpoint(config.https_host, config.https_port, text);
         }},
        {"tls-cert", "FILE", "certificate for TLS, with its chain (PEM); read again on SIGHUP",
         [](Config& config, std::string_view text) {
           return set_text(config.tls.certificate_file, text);
         }},
        {"tls-key", "FILE", "its private key (PEM); read again on SIGHUP",
         [](Config& config, std::string_view text) { return set_text(config.tls.key_file, text); }},
        {"tls-client-ca", "FILE", "authorities whose certificates log in their common name's user",
         [](Config& config, std::string_view text) {
           return set_text(config.tls.client_ca_file, text);
         }},
        {"tls-require-client-cert", "", "nobody connects over TLS without such a certificate",
         set_requires_client_certificate},
        {"memory", "SIZE", "bound of all memory (256MiB)",
         [](Config& config, std::string_view text) {
           return set_size(config.options.memory_bytes, text, kMinMemoryBytes, kMaxSizeBytes);
         }},
        {"capacity", "SIZE", "bound of the bytes on disk (10GiB)",
         [](Config& config, std::string_view text) {
           return set_size(config.options.capacity_bytes, text, kMinCapacityBytes, kMaxSizeBytes);
         }},
        {"durability", "MODE", "relaxed, group or strict (group)", set_durability},
        {"threads", "N", "threads that serve clients (by the machine)", set_threads},
        {"worker-cpus", "LIST", "processors of these threads, such as 0-3; auto or any (auto)",
         set_worker_cpus},
        {"max-clients", "N", "clients at once (10000)", set_max_clients},
        {"idle-timeout", "TIME", "close clients idle for so long (0: never)", set_idle_timeout},
        {"max-value", "SIZE", "largest value (64MiB)",
         [](Config& config,
            std::string_view
                text) { return set_size(config.options.max_value_bytes, text, 1024, 512 * kMiB); }},
        {"reclaim-rate", "SIZE", "bytes a second that reclaim moves while nothing presses (64MiB)",
         [](Config& config, std::string_view text) {
           return set_size(config.options.reclaim_bytes_per_s, text, kMiB, kMaxSizeBytes);
         }},
        {"warm-rate", "SIZE",
         "bytes a second to refill the hot tier with after a start (512MiB; 0: it is not)",
         set_warm_rate},
        {"slowlog-slower-than", "TIME", "SLOWLOG keeps commands that take longer (10ms; 0: none)",
         [](Config& config, std::string_view text) -> Result<void> {
           const auto time = parse_duration_ms(text);
           if (!time) return time.error();
           config.slower_than_ms = *time;
           return {};
         }},
        {"log-level", "LEVEL", "trace, debug, info, warning, error or off (info)", set_log_level},
        {"log-format", "FORMAT", "of the log: text, or json for a JSON object a line (text)",
         set_log_format},
        {"port-file", "FILE", "write the port there once serving",
         [](Config& config, std::string_view text) { return set_text(config.port_file, text); }},
        {"no-io-uring", "", "read with a pool of threads even where io_uring works",
         set_no_io_uring},
        {"no-dictionaries", "", "compress each value by itself", set_no_dictionaries},
    });

using Given = std::map<std::string, std::string, std::less<>>;

/// Flags as given, in text. True when help or version was printed instead.
bool read_flags(std::vector<std::string> arguments, Given& given, std::string& file) {
  CLI::App app("Kachel: a persistent tiered cache that speaks the Redis protocol.", "kacheld");
  app.set_version_flag("--version", std::string("kacheld ") + KACHEL_VERSION);
  app.add_option("--config", file,
                 "TOML file with the same names, and the tenants' policies; flags win")
      ->type_name("FILE");
  std::map<std::string, bool> switches;
  for (const Setting& setting : kSettings) {
    const std::string flag = "--" + std::string(setting.name);
    const std::string name(setting.name);
    if (setting.value.empty()) {
      app.add_flag(flag, switches[name], std::string(setting.help));
    } else {
      app.add_option_function<std::string>(
             flag, [&given, name](const std::string& text) { given[name] = text; },
             std::string(setting.help))
          ->type_name(std::string(setting.value));
    }
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& success) {
    app.exit(success, std::cout, std::cerr);
    return true;
  } catch (const CLI::ParseError& error) {
    throw ConfigError(std::string(error.what()) + " (see kacheld --help)");
  }
  for (const auto& [name, on] : switches) {
    if (on) given[name] = "true";
  }
  return false;
}

void check_ports(const Config& config) {
  const std::pair<std::string_view, const std::string&> hosts[] = {{"listen", config.listen_host},
                                                                   {"tls-listen", config.tls_host},
                                                                   {"https", config.https_host}};
  for (const auto& [flag, host] : hosts) {
    if (host.empty() || is_loopback(host) || !config.users_file.empty()) continue;
    throw ConfigError(fmt::format(
        "--{}: \"{}\" is refused: anybody there could read and erase everything; say who may "
        "with --users FILE (see kachel user --help), or listen on 127.0.0.1 or [::1]",
        flag, host));
  }
  const TlsSettings& tls = config.tls;
  const bool wants_tls = !config.tls_host.empty() || !config.https_host.empty();
  if (wants_tls && (tls.certificate_file.empty() || tls.key_file.empty())) {
    throw ConfigError(
        "TLS needs a certificate and its key: name them with --tls-cert FILE and --tls-key FILE");
  }
  const bool has_files =
      !tls.certificate_file.empty() || !tls.key_file.empty() || !tls.client_ca_file.empty();
  if (!wants_tls && has_files) {
    throw ConfigError(
        "certificates are named, and no port serves TLS: add --tls-listen HOST:PORT or --https "
        "HOST:PORT");
  }
  if (tls.requires_client_certificate && tls.client_ca_file.empty()) {
    throw ConfigError(
        "--tls-require-client-cert: name the authorities that vouch for clients with "
        "--tls-client-ca FILE");
  }
  if (!tls.client_ca_file.empty() && config.users_file.empty()) {
    throw ConfigError(
        "--tls-client-ca: certificates name users, and there are none: name their file with "
        "--users FILE");
  }
}

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::find_if(kSettings.begin(), kSettings.end(),
                                  [&](const Setting& setting) { return setting.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

std::optional<Config> parse_command_line(std::vector<std::string> arguments) {
  Config config;
  Given given;
  if (read_flags(std::move(arguments), given, config.config_file)) return std::nullopt;
  if (!config.config_file.empty()) apply_config_file(config, config.config_file);
  for (const auto& [name, text] : given) {
    if (const auto applied = find_setting(name)->apply(config, text); !applied) {
      throw ConfigError("--" + name + ": " + applied.error().message);
    }
    config.flags.insert(name);
  }
  config.options.erase_within = config.policy.shortest_erase_within();
  check_ports(config);
  if (config.data.empty()) {
    throw ConfigError("--data is missing: name the directory of the store (see kacheld --help)");
  }
  return config;
}

}  // namespace kachel::server
