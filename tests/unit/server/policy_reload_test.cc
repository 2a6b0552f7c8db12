#include "server/policy_reload.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace kachel::server {
namespace {

class PolicyReloadTest : public ::testing::Test {
 protected:
  // Of this process alone: ctest runs the others beside it.
  PolicyReloadTest()
      : file_(::testing::TempDir() + "kachel-reload-" + std::to_string(::getpid()) + ".toml") {}
  ~PolicyReloadTest() override { std::remove(file_.c_str()); }

  void write(std::string_view text) { std::ofstream(file_, std::ios::trunc) << text; }
  /// As a start with this file does it.
  void start(std::string_view text, std::vector<std::string> flags = {"--data", "d"}) {
    write(text);
    flags.insert(flags.end(), {"--config", file_});
    config_ = *parse_command_line(flags);
    source_.publish(std::make_shared<const PolicySet>(config_.policy));
  }
  PolicyReload reload(std::string_view text) {
    write(text);
    return reload_policy(config_, source_);
  }
  std::string ttl_max() {
    return find_policy_key("ttl_max")->show(source_.current()->default_tenant());
  }

  std::string file_;
  Config config_;
  PolicySource source_;
};
using Lines = std::vector<std::string>;

TEST_F(PolicyReloadTest, AGoodFileTakesTheOldOnesPlace) {
  start("[tenant.default]\nttl_max = \"24h\"\n");
  const PolicyReload done = reload("[tenant.default]\nttl_max = \"12h\"\n");
  EXPECT_TRUE(done.done);
  EXPECT_EQ(done.lines, Lines{"tenant default: ttl_max 24h -> 12h"});
  EXPECT_EQ(ttl_max(), "12h");
  EXPECT_EQ(reload("").lines, Lines{"tenant default: ttl_max 12h -> none"});
  EXPECT_EQ(reload("").lines, Lines{"no policy has changed"});
}

TEST_F(PolicyReloadTest, ABadFileChangesNothing) {
  start("[tenant.default]\nttl_max = \"24h\"\n");
  const PolicyReload refused =
      reload("[tenant.a]\nttl_max = \"1h\"\n[tenant.default]\nttl_max = \"soon\"\n");
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(
      refused.lines,
      Lines{file_ + ":4: [tenant.default] ttl_max: \"soon\" does not start with a number; write a "
                    "whole number and a unit, such as 50ms, 90s, 5m, 24h or 30d"});
  EXPECT_FALSE(reload("[tenant.default]\nttl_max = \"1h\"\n[[[").done);
  EXPECT_FALSE(reload("durability = \"some\"\n[tenant.default]\nttl_max = \"1h\"\n").done);
  EXPECT_EQ(ttl_max(), "24h");
  EXPECT_TRUE(source_.current()->tenants().contains("default"));
  EXPECT_FALSE(source_.current()->tenants().contains("a"));
}

TEST_F(PolicyReloadTest, AMissingFileChangesNothing) {
  start("[tenant.default]\nttl_max = \"24h\"\n");
  std::remove(file_.c_str());
  const PolicyReload refused = reload_policy(config_, source_);
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(refused.lines,
            Lines{"--config: cannot read " + file_ + ": check that it exists and is readable"});
  EXPECT_EQ(ttl_max(), "24h");
}

TEST_F(PolicyReloadTest, SettingsOfTheServerWaitForTheNextStart) {
  start("memory = \"64MiB\"\nthreads = 2\ncapacity = \"1GiB\"\n",
        {"--data", "d", "--threads", "3"});
  const PolicyReload done = reload("memory = \"128MiB\"\nthreads = 4\n");
  EXPECT_TRUE(done.done);
  EXPECT_EQ(done.lines, (Lines{
                            "no policy has changed",
                            "memory 64MiB -> 128MiB: takes effect at the next start",
                            "capacity 1GiB -> not set: takes effect at the next start",
                            "threads 2 -> 4: has no effect, the flag --threads wins",
                        }));
}

TEST_F(PolicyReloadTest, WithoutAFileThereIsNothingToRead) {
  const PolicyReload refused = reload_policy(Config(), source_);
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(refused.lines,
            Lines{"there is no file to read again: start with --config FILE to have one"});
}

}  // namespace
}  // namespace kachel::server
