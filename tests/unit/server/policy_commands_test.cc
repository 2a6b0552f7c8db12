// What the tenant's policy makes of each command that writes.
#include <chrono>

#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

using namespace std::chrono_literals;

class PolicyCommandsTest : public CommandsTest {
 protected:
  void govern(const TenantPolicy& policy) {
    PolicySet set;
    set.set(std::string(kDefaultTenant), policy);
    state.policy.publish(std::make_shared<const PolicySet>(set));
  }
  void govern_ttl(std::optional<std::chrono::milliseconds> ttl_default,
                  std::optional<std::chrono::milliseconds> ttl_max) {
    TenantPolicy policy;
    policy.ttl_default = ttl_default;
    policy.ttl_max = ttl_max;
    govern(policy);
  }
  void require_subject() {
    TenantPolicy policy;
    policy.require_subject = true;
    govern(policy);
  }
  std::uint64_t clamped() { return state.policy_totals().ttl_clamped; }
  /// What is left of it, ms; -1 for ever, -2 when it is gone.
  std::int64_t left(std::string_view key) {
    const auto* row = store.row(key);
    if (row == nullptr) return -2;
    return row->expires_at_ms == 0 ? -1 : row->expires_at_ms - store.now_ms();
  }
  void expect_left(const std::string& command, const std::string& reply, std::int64_t expected) {
    EXPECT_EQ(say(words(command)), reply) << command;
    EXPECT_EQ(left("k"), expected) << command;
  }
};

TEST_F(PolicyCommandsTest, AWriteThatNamesNoExpiryGetsTheDefault) {
  govern_ttl(30s, std::nullopt);
  for (const auto* command :
       {"SET k v", "SET k v XX", "MSET k v", "KACHEL.SET k v", "KACHEL.SET k v XX"}) {
    expect_left(command, kOk, 30'000);
    store.row("k");
  }
  expect_left("SET k new GET", bulk("v"), 30'000);
  say({"DEL", "k"});
  expect_left("SETNX k v", ":1\r\n", 30'000);
  expect_left("SET k v EX 500", kOk, 500'000);
  expect_left("PERSIST k", ":1\r\n", -1);  // no bound, and it is no put
  expect_left("SET k v KEEPTTL", kOk, -1);
  say({"DEL", "k"});
  expect_left("SET k v KEEPTTL", kOk, 30'000);  // nothing to keep
  EXPECT_EQ(clamped(), 0u);
}

TEST_F(PolicyCommandsTest, NoWriteExceedsTheLongestTtl) {
  govern_ttl(std::nullopt, 60s);
  const std::string far = now_plus(3'600'000);
  const std::vector<std::string> commands{
      "SET k v",
      "SET k v EX 100",
      "SET k v PX 100000",
      "SET k v PXAT " + far,
      "SET k v XX EX 100",
      "SETEX k 100 v",
      "PSETEX k 100000 v",
      "MSET k v",
      "KACHEL.SET k v",
      "KACHEL.SET k v EX 100",
      "KACHEL.SET k v PXAT " + far,
  };
  for (const std::string& command : commands)
    expect_left(command, kOk, 60'000);
  EXPECT_EQ(clamped(), commands.size());
  const std::vector<std::string> changes{
      "EXPIRE k 100", "PEXPIRE k 100000", "PEXPIREAT k " + far, "EXPIRE k 100 XX", "PERSIST k",
  };
  for (const std::string& command : changes) {
    say({"SET", "k", "v", "EX", "5"});
    expect_left(command, ":1\r\n", 60'000);
  }
  for (const auto* command : {"GETEX k EX 100", "GETEX k PERSIST", "SET k v GET EX 100"}) {
    say({"SET", "k", "v", "EX", "5"});
    expect_left(command, bulk("v"), 60'000);
  }
  EXPECT_EQ(clamped(), commands.size() + changes.size() + 3);
}

TEST_F(PolicyCommandsTest, AShorterTtlStays) {
  govern_ttl(30s, 60s);
  expect_left("SET k v EX 10", kOk, 10'000);
  expect_left("SET k v EX 60", kOk, 60'000);
  expect_left("SET k v", kOk, 30'000);
  expect_left("EXPIRE k 20", ":1\r\n", 20'000);
  expect_left("GETEX k PX 7", bulk("v"), 7);
  expect_left("GETEX k", bulk("v"), 7);
  expect_left("EXPIRE k -1", ":1\r\n", -2);
  EXPECT_EQ(clamped(), 0u);
}

TEST_F(PolicyCommandsTest, ConditionsSeeTheClampedExpiry) {
  govern_ttl(std::nullopt, 60s);
  say({"SET", "k", "v", "EX", "60"});
  expect_left("EXPIRE k 100 GT", ":0\r\n", 60'000);
  expect_left("EXPIRE k 100 NX", ":0\r\n", 60'000);
  store.clock.advance_ms(10'000);
  expect_left("EXPIRE k 100 LT", ":0\r\n", 50'000);
  expect_left("EXPIRE k 100 GT", ":1\r\n", 60'000);
}

TEST_F(PolicyCommandsTest, WhatWasStoredBeforeKeepsItsTimes) {
  say({"SET", "k", "v"});
  govern_ttl(30s, 60s);
  EXPECT_EQ(left("k"), -1);
  expect_left("PERSIST k", ":0\r\n", -1);
}

TEST_F(PolicyCommandsTest, AKeptTtlIsBoundedToo) {
  say({"SET", "k", "old", "EX", "1000"});
  govern_ttl(30s, 60s);
  expect_left("SET k v KEEPTTL", kOk, 60'000);
  EXPECT_EQ(clamped(), 1u);
  store.clock.advance_ms(20'000);
  expect_left("SET k v KEEPTTL", kOk, 40'000);
  expect_left("KACHEL.SET k v KEEPTTL", kOk, 40'000);
  expect_left("SET k v XX KEEPTTL GET", bulk("v"), 40'000);
  expect_left("SET k v NX KEEPTTL", kNull, 40'000);
  EXPECT_EQ(clamped(), 1u);
  EXPECT_EQ(say({"SET", "absent", "v", "XX", "KEEPTTL"}), kNull);
  store.version_conflicts = 2;
  expect_left("SET k v KEEPTTL", kOk, 40'000);
}

TEST_F(PolicyCommandsTest, ThePolicyHoldsInEveryDatabase) {
  govern_ttl(30s, std::nullopt);
  say({"SELECT", "3"});
  say({"SET", "k", "v"});
  EXPECT_EQ(store.row("k", 3)->expires_at_ms, store.now_ms() + 30'000);
}

TEST_F(PolicyCommandsTest, EraseByIsTheEarlierOfBoth) {
  TenantPolicy policy;
  policy.erase_by_max = 60s;
  govern(policy);
  const std::int64_t latest = store.now_ms() + 60'000;
  const auto erase_by = [&](const std::string& command) {
    EXPECT_EQ(say(words(command)), kOk) << command;
    return store.row("k")->entry->metadata.erase_by_ms;
  };
  EXPECT_EQ(erase_by("SET k v"), latest);
  EXPECT_EQ(erase_by("SET k v KEEPTTL"), latest);
  EXPECT_EQ(erase_by("MSET k v"), latest);
  EXPECT_EQ(erase_by("KACHEL.SET k v"), latest);
  EXPECT_EQ(erase_by("KACHEL.SET k v ERASEBY " + now_plus(1000)), store.now_ms() + 1000);
  EXPECT_EQ(state.policy_totals().erase_by_clamped, 0u);
  EXPECT_EQ(erase_by("KACHEL.SET k v ERASEBY " + now_plus(100'000)), latest);
  EXPECT_EQ(state.policy_totals().erase_by_clamped, 1u);
  EXPECT_EQ(left("k"), -1);
}

TEST_F(PolicyCommandsTest, ASetWithoutASubjectIsAcceptedAndNotStored) {
  say({"SET", "k", "old"});
  require_subject();
  run({
      {"SET k v NX", kNull},
      {"SETNX k v", ":0\r\n"},
      {"SET k v NX GET", bulk("old")},
      {"GET k", bulk("old")},
      {"SET k v", kOk},
      {"GET k", kNull},  // nothing stale is read
      {"SET k v XX", kNull},
      {"SET k v NX", kOk},
      {"SETNX k v", ":1\r\n"},
      {"SETEX k 5 v", kOk},
      {"PSETEX k 5 v", kOk},
      {"SET k v GET", kNull},
      {"MSET k v other v", kOk},
      {"SET k v EX 0", invalid_time("set")},
      {"MGET k other", "*2\r\n" + kNull + kNull},
  });
  EXPECT_EQ(state.policy_totals().sets_without_subject, 12u);
  EXPECT_EQ(state.policy_totals().kachel_sets_refused, 0u);
  EXPECT_NE(say({"INFO", "stats"}).find("sets_not_stored:12\r\n"), std::string::npos);
}

TEST_F(PolicyCommandsTest, WhatADroppedSetWouldHaveReplacedGoes) {
  for (const Exchange& each : std::vector<Exchange>{{"SET k v", kOk},
                                                    {"SET k v XX", kOk},
                                                    {"SETEX k 5 v", kOk},
                                                    {"MSET k v", kOk},
                                                    {"SET k v GET", bulk("old")},
                                                    {"SET k v XX GET", bulk("old")}}) {
    govern({});
    say({"SET", "k", "old"});
    require_subject();
    run({each});
    EXPECT_EQ(left("k"), -2) << each.command;
  }
}

TEST_F(PolicyCommandsTest, ADroppedSetTellsTheEnginesErrors) {
  require_subject();
  store.failure = Error{ErrorCode::kIo, "the drive is gone"};
  for (const auto* command : {"SET k v", "SET k v NX", "SET k v GET", "MSET k v", "SETNX k v"}) {
    EXPECT_EQ(say(words(command)), "-ERR the drive is gone\r\n") << command;
  }
}

TEST_F(PolicyCommandsTest, AKachelSetWithoutASubjectIsRefused) {
  require_subject();
  run({
      {"KACHEL.SET k v",
       "-ERR a SUBJECT is required by this tenant's policy: add SUBJECT id for each person the "
       "value is about\r\n"},
      {"KACHEL.SET k v SUBJECT anna", kOk},
      {"GET k", bulk("v")},
      {"EXPIRE k 10", ":1\r\n"},
      {"GETEX k PERSIST", bulk("v")},
  });
  EXPECT_EQ(state.policy_totals().kachel_sets_refused, 1u);
}

TEST_F(PolicyCommandsTest, ANewPolicyHoldsFromTheNextCommandOn) {
  govern_ttl(std::nullopt, 60s);
  expect_left("SET k v", kOk, 60'000);
  govern_ttl(std::nullopt, 10s);
  expect_left("SET k v", kOk, 10'000);
  govern({});
  expect_left("SET k v", kOk, -1);
}

TEST_F(PolicyCommandsTest, InfoShowsThePolicyAndWhatItDid) {
  govern_ttl(std::nullopt, 60s);
  say({"SET", "k", "v"});
  EXPECT_EQ(say({"INFO", "policy"}),
            bulk("# Policy\r\n"
                 "tenant_default:ttl_max 1m, erase_within 24h, require_subject false\r\n"
                 "ttl_clamped:1\r\nerase_by_clamped:0\r\nsets_without_subject:0\r\n"
                 "kachel_sets_refused:0\r\npolicy_reloads:0\r\npolicy_reloads_refused:0\r\n"));
}

}  // namespace
}  // namespace kachel::server
