// SLOWLOG: what takes long is kept, and nothing of what is in it.
#include "server/slow_log.h"

#include <chrono>
#include <thread>

#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

TEST(SlowLogTest, KeepsTheLastOnesAndCountsAll) {
  SlowLog log;
  for (int i = 0; i < 200; ++i) {
    SlowCommand slow;
    slow.duration_us = i;
    log.note(slow);
  }
  EXPECT_EQ(log.size(), SlowLog::kMostKept);
  EXPECT_EQ(log.noted(), 200u);
  const auto newest = log.newest(2);
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[0].id, 199u);
  EXPECT_EQ(newest[0].duration_us, 199);
  EXPECT_EQ(newest[1].id, 198u);
  log.clear();
  log.note({});
  EXPECT_EQ(log.newest(10).front().id, 200u) << "never again";
}

class SlowCommands : public SessionTest {
 protected:
  SlowCommands() {
    EXPECT_EQ(say({"CONFIG", "SET", "slowlog-log-slower-than", "1000"}), "+OK\r\n");
    store.mode = FakeStore::Mode::kSettled;
  }
  /// Longer than the clock's steps.
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }
};

TEST_F(SlowCommands, AreKeptWithoutKeysAndValues) {
  send({"SET", "a-key", "a-value"});
  wait();
  store.complete_all();
  EXPECT_EQ(received(), "+OK\r\n");
  EXPECT_EQ(say({"SLOWLOG", "LEN"}), ":1\r\n");
  const std::string kept = say({"SLOWLOG", "GET"});
  EXPECT_NE(kept.find("$3\r\nset\r\n"), std::string::npos) << kept;
  EXPECT_NE(kept.find("(3 arguments, 15 bytes)"), std::string::npos) << kept;
  EXPECT_NE(kept.find("127.0.0.1:4000"), std::string::npos) << kept;
  EXPECT_EQ(kept.find("a-key"), std::string::npos);
  EXPECT_EQ(kept.find("a-value"), std::string::npos);
  EXPECT_EQ(say({"SLOWLOG", "RESET"}), "+OK\r\n");
  EXPECT_EQ(say({"SLOWLOG", "GET", "-1"}), "*0\r\n");
}

TEST_F(SlowCommands, AreOnlyThoseAboveTheThreshold) {
  EXPECT_EQ(say({"CONFIG", "SET", "slowlog-log-slower-than", "3600000000"}), "+OK\r\n");
  send({"SET", "k", "v"});
  wait();
  store.complete_all();
  EXPECT_EQ(say({"CONFIG", "SET", "slowlog-log-slower-than", "-1"}), "+OK\r\n+OK\r\n");
  send({"SET", "k", "v"});
  wait();
  store.complete_all();
  EXPECT_EQ(say({"SLOWLOG", "LEN"}), "+OK\r\n:0\r\n");
  EXPECT_EQ(say({"CONFIG", "SET", "slowlog-log-slower-than", "x"}).substr(0, 4), "-ERR");
  EXPECT_EQ(say({"SLOWLOG", "GET", "-2"}), "-ERR count should be greater than or equal to -1\r\n");
}

TEST_F(SlowCommands, AreNotThoseThatWaitForOthers) {
  send({"KACHEL.LEASE", "k", "60000"});
  wait();
  store.complete_all();
  received();
  EXPECT_EQ(state.slow_log.size(), 0u);
}

}  // namespace
}  // namespace kachel::server
