// requests_per_second: the bucket, and what sessions do when it is empty.
#include "server/request_quota.h"

#include <chrono>

#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

int taken_at(RequestQuota& quota, std::uint64_t rate, std::int64_t now_ns) {
  int taken = 0;
  while (quota.try_take(rate, now_ns))
    ++taken;
  return taken;
}

TEST(RequestQuotaTest, ASecondsWorthComesAtOnceAndThenAsTheBucketFills) {
  RequestQuota quota;
  std::int64_t now_ns = 1000 * kSecondNs;
  EXPECT_EQ(taken_at(quota, 10, now_ns), 10);
  EXPECT_EQ(taken_at(quota, 10, now_ns + kSecondNs / 10 - 1), 0);
  EXPECT_EQ(taken_at(quota, 10, now_ns + kSecondNs / 10), 1);
  EXPECT_EQ(taken_at(quota, 10, now_ns + kSecondNs / 2), 4);
  EXPECT_EQ(taken_at(quota, 10, now_ns + 100 * kSecondNs), 10) << "no more is kept";
  now_ns += 200 * kSecondNs;
  int taken = 0;
  for (int ms = 0; ms < 10'000; ++ms)
    taken += taken_at(quota, 700, now_ns + ms * kSecondNs / 1000);
  EXPECT_NEAR(taken, 700 + 10 * 700, 1);
}

TEST(RequestQuotaTest, AnotherRateHoldsFromThenOn) {
  RequestQuota quota;
  const std::int64_t now_ns = 1000 * kSecondNs;
  EXPECT_EQ(taken_at(quota, 1, now_ns), 1);
  EXPECT_EQ(taken_at(quota, 1, now_ns + kSecondNs / 2), 0);
  EXPECT_EQ(taken_at(quota, 1000, now_ns + kSecondNs / 2), 500);
  EXPECT_EQ(taken_at(quota, kMaxRequestsPerSecond, now_ns + kSecondNs / 2 + 7), 7);
}

TEST(RequestQuotaTest, TheMoreWhoWaitTheLongerEachDoes) {
  using std::chrono::milliseconds;
  RequestQuota quota;
  EXPECT_EQ(quota.patience(1000), milliseconds(5));
  quota.waiting = 100;
  EXPECT_EQ(quota.patience(1000), milliseconds(100));
  EXPECT_EQ(quota.patience(1), milliseconds(1000));
}

class QuotaSession : public SessionTest {
 protected:
  QuotaSession() {
    state.quotas.set_clock([this] { return store.clock.monotonic_ns() + 1000 * kSecondNs; });
  }
  void allow(std::optional<std::uint64_t> per_second) {
    TenantPolicy policy;
    policy.requests_per_second = per_second;
    PolicySet set;
    set.set(std::string(kDefaultTenant), policy);
    state.policy.publish(std::make_shared<const PolicySet>(set));
  }
  std::uint64_t delayed() { return state.quotas.of(kDefaultTenant)->delayed.load(); }
  void pass(std::int64_t ms) { manual_loop.advance_ms(ms); }
};

TEST_F(QuotaSession, CommandsBeyondItWaitInTheirOrder) {
  allow(2);
  feed(request({"SET", "k", "1"}) + request({"SET", "k", "2"}) + request({"SET", "k", "3"}) +
       request({"GET", "k"}));
  EXPECT_EQ(received(), "+OK\r\n+OK\r\n");
  EXPECT_FALSE(session->wants_input());
  pass(400);
  EXPECT_EQ(received(), "");
  pass(101);
  EXPECT_EQ(received(), "+OK\r\n");
  pass(510);
  EXPECT_EQ(received(), "$1\r\n3\r\n");
  EXPECT_TRUE(session->wants_input());
  EXPECT_GE(delayed(), 2u);
  EXPECT_EQ(state.quotas.of(kDefaultTenant)->waiting.load(), 0u);
}

TEST_F(QuotaSession, AllConnectionsOfATenantShareIt) {
  allow(1);
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
  open();
  EXPECT_EQ(say({"PING"}), "");
  pass(1010);
  EXPECT_EQ(received(), "+PONG\r\n");
}

TEST_F(QuotaSession, ANewPolicyHoldsFromTheNextCommandOn) {
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
  allow(1);
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
  EXPECT_EQ(say({"PING"}), "");
  allow(std::nullopt);
  pass(1000);  // whoever waits looks again within a second
  EXPECT_EQ(received(), "+PONG\r\n");
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(say({"PING"}), "+PONG\r\n");
}

TEST_F(QuotaSession, WhatMakesAClientKnownIsFree) {
  allow(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(say({"AUTH", "default", "x"}), "+OK\r\n");
    EXPECT_EQ(say({"HELLO", "3"}).substr(0, 1), "%");
    EXPECT_EQ(say({"RESET"}), "+RESET\r\n");
  }
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
}

TEST_F(QuotaSession, ATransactionIsPaidForAsItIsQueued) {
  allow(5);
  feed(request({"MULTI"}) + request({"SET", "k", "1"}) + request({"GET", "k"}) + request({"EXEC"}) +
       request({"PING"}) + request({"PING"}));
  EXPECT_EQ(received(), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n");
  pass(210);
  EXPECT_EQ(received(), "+PONG\r\n");
}

TEST_F(QuotaSession, WhoLeavesWhileItWaitsIsForgotten) {
  allow(1);
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
  EXPECT_EQ(say({"SET", "k", "v"}), "");
  session->abandon();
  session.reset();
  pass(5000);
  EXPECT_TRUE(store.calls.empty());
}

}  // namespace
}  // namespace kachel::server
