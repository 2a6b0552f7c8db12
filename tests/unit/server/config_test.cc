#include "server/config.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

#include "server/daemon.h"

namespace kachel::server {
namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  try {
    parse_command_line(arguments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string file_error_of(std::string_view text) {
  Config config;
  try {
    apply_config_text(config, text, "kachel.toml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(CommandLine, SetsWhatItSays) {
  const auto config = parse_command_line({"--data",
                                          "dir",
                                          "--listen",
                                          "[::1]:7000",
                                          "--memory=64MiB",
                                          "--capacity",
                                          "1GiB",
                                          "--durability",
                                          "strict",
                                          "--threads",
                                          "3",
                                          "--max-clients",
                                          "5",
                                          "--idle-timeout",
                                          "90s",
                                          "--max-value",
                                          "1MiB",
                                          "--log-level",
                                          "debug",
                                          "--port-file",
                                          "port",
                                          "--no-io-uring"});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data, "dir");
  EXPECT_EQ(config->listen_host, "::1");
  EXPECT_EQ(config->listen_port, 7000);
  EXPECT_EQ(config->options.memory_bytes, 64 * kMiB);
  EXPECT_EQ(config->options.capacity_bytes, 1024 * kMiB);
  EXPECT_EQ(config->options.durability, Durability::kStrict);
  EXPECT_EQ(config->threads, 3u);
  EXPECT_EQ(config->max_clients, 5u);
  EXPECT_EQ(config->idle_timeout_ms, 90'000);
  EXPECT_EQ(config->options.max_value_bytes, kMiB);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->port_file, "port");
  EXPECT_FALSE(config->io_uring);
}

TEST(CommandLine, NamesTheFlagAndTheRemedy) {
  EXPECT_NE(error_of({}).find("--data is missing"), std::string::npos);
  EXPECT_NE(error_of({"--nonsense"}).find("--help"), std::string::npos);
  EXPECT_NE(error_of({"--data", "d", "stray"}).find("stray"), std::string::npos);
  EXPECT_NE(error_of({"--data"}).find("--help"), std::string::npos);
  EXPECT_EQ(error_of({"--data", "d", "--durability", "some"}),
            "--durability: write relaxed, group or strict");
  EXPECT_EQ(error_of({"--data", "d", "--threads", "0"}),
            "--threads: write a whole number from 1 to 256");
  EXPECT_EQ(error_of({"--data", "d", "--listen", "6380"}),
            "--listen: write HOST:PORT, for instance 127.0.0.1:6380 or [::1]:6380");
  EXPECT_EQ(error_of({"--data", "d", "--listen", "127.0.0.1:70000"}).substr(0, 10), "--listen: ");
  EXPECT_EQ(error_of({"--data", "d", "--memory", "1MiB"}).substr(0, 24),
            "--memory: write a size f");
  EXPECT_EQ(error_of({"--data", "d", "--idle-timeout", "5"}).substr(0, 16), "--idle-timeout: ");
  EXPECT_NE(error_of({"--data", "d", "--config", "/nonexistent/kachel.toml"}).find("cannot read"),
            std::string::npos);
}

TEST(CommandLine, RefusesToListenBeyondLoopback) {
  for (const auto* address : {"0.0.0.0:6380", "[::]:6380", "192.168.1.5:6380", "example.org:1"}) {
    EXPECT_NE(error_of({"--data", "d", "--listen", address}).find("--users FILE"),
              std::string::npos)
        << address;
  }
  EXPECT_EQ(error_of({"--data", "d", "--listen", "localhost:1"}), "");
  EXPECT_EQ(error_of({"--data", "d", "--listen", "127.1.2.3:1"}), "");
}

TEST(CommandLine, HttpHasItsPortOrNone) {
  const auto usual = parse_command_line({"--data", "d"});
  EXPECT_EQ(usual->http_host, "127.0.0.1");
  EXPECT_EQ(usual->http_port, 6381);
  EXPECT_EQ(parse_command_line({"--data", "d", "--http", "[::1]:0"})->http_host, "::1");
  EXPECT_EQ(parse_command_line({"--data", "d", "--http", "off"})->http_host, "");
  Config config;
  apply_config_text(config, "http = \"\"\n", "kachel.toml");
  EXPECT_EQ(config.http_host, "");
  EXPECT_EQ(error_of({"--data", "d", "--http", "6381"}),
            "--http: write HOST:PORT, for instance 127.0.0.1:6381 or [::1]:6381; or off, for no "
            "HTTP");
  EXPECT_NE(error_of({"--data", "d", "--http", "0.0.0.0:6381"}).find("--https"), std::string::npos);
}

TEST(ConfigFile, HasTheSameNamesAsTheFlags) {
  Config config;
  apply_config_text(config,
                    "data = \"dir\"\n"
                    "memory = \"64MiB\"\n"
                    "capacity = 1073741824\n"
                    "threads = 2\n"
                    "idle-timeout = \"1m\"\n"
                    "no-io-uring = true\n",
                    "kachel.toml");
  EXPECT_EQ(config.data, "dir");
  EXPECT_EQ(config.options.memory_bytes, 64 * kMiB);
  EXPECT_EQ(config.options.capacity_bytes, 1024 * kMiB);
  EXPECT_EQ(config.threads, 2u);
  EXPECT_EQ(config.idle_timeout_ms, 60'000);
  EXPECT_FALSE(config.io_uring);
}

TEST(ConfigFile, NamesFileLineKeyAndRemedy) {
  EXPECT_EQ(file_error_of("data = \"d\"\n\nmemry = \"1GiB\"\n").substr(0, 60),
            "kachel.toml:3: unknown key \"memry\"; remove it, or use one of");
  EXPECT_EQ(file_error_of("\ndurability = \"sometimes\"\n"),
            "kachel.toml:2: durability: write relaxed, group or strict");
  EXPECT_EQ(file_error_of("threads = 1.5\n"),
            "kachel.toml:1: threads: write a string or a number, for instance threads = \"N\"");
  EXPECT_EQ(file_error_of("no-io-uring = \"yes\"\n"),
            "kachel.toml:1: no-io-uring: write true or false");
  EXPECT_EQ(file_error_of("[tenants.a]\nttl_max = \"1h\"\n").substr(0, 37),
            "kachel.toml:1: unknown key \"tenants\";");
  EXPECT_EQ(file_error_of("data = \n").substr(0, 15), "kachel.toml:1: ");
}

TEST(ConfigFile, MayBeEmpty) {
  const std::string file =
      ::testing::TempDir() + "kachel-empty-" + std::to_string(::getpid()) + ".toml";
  std::ofstream(file, std::ios::trunc).flush();
  EXPECT_EQ(error_of({"--data", "d", "--config", file}), "");
  std::remove(file.c_str());
  EXPECT_NE(error_of({"--data", "d", "--config", ::testing::TempDir()}).find("cannot read"),
            std::string::npos);
}

TEST(ConfigFile, RefusesKeysThatAreNotAscii) {
  // Undefined behaviour in the parser's header, as UndefinedBehaviorSanitizer saw it.
  EXPECT_EQ(file_error_of("größe = 1\n").substr(0, 15), "kachel.toml:1: ");
  EXPECT_EQ(file_error_of("threads = 1 \u00e9\n").substr(0, 15), "kachel.toml:1: ");
  EXPECT_EQ(file_error_of("\xef\xb9\xbf").substr(0, 15), "kachel.toml:1: ");
}

TEST(ExitCodes, TellWhatIsMissing) {
  EXPECT_EQ(exit_code_of(ErrorCode::kLocked), 11);
  EXPECT_EQ(exit_code_of(ErrorCode::kKeyMissing), 12);
  EXPECT_EQ(exit_code_of(ErrorCode::kForeign), 10);
  EXPECT_EQ(exit_code_of(ErrorCode::kNotFound), 10);
  EXPECT_EQ(exit_code_of(ErrorCode::kVersion), 1);
}

}  // namespace
}  // namespace kachel::server
