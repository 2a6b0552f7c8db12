// MULTI, EXEC, WATCH.
#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

class Transactions : public CommandsTest {
 protected:
  static std::string queued() { return "+QUEUED\r\n"; }
  /// Somebody else's.
  void set(const std::string& key, const std::string& value) {
    store.put({}, key, value, {}, [](const Result<PutOutcome>&) {});
  }
  void hset(const std::string& hash, const std::string& field, const std::string& value) {
    store.put(fields_of({}), field_key(hash, field), value, {}, [](const Result<PutOutcome>&) {});
  }
};

const std::string kAborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
const std::string kNoArray = "*-1\r\n";

TEST_F(Transactions, RunInOrder) {
  run({{"MULTI", kOk},
       {"SET k 1", queued()},
       {"INCR k", queued()},
       {"GET k", queued()},
       {"HGET k f", queued()},
       {"EXEC", "*4\r\n" + kOk + ":2\r\n" + bulk("2") +
                    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
       {"GET k", bulk("2")},
       {"MULTI", kOk},
       {"EXEC", "*0\r\n"}});
}

TEST_F(Transactions, WithoutMulti) {
  run({{"EXEC", "-ERR EXEC without MULTI\r\n"},
       {"DISCARD", "-ERR DISCARD without MULTI\r\n"},
       {"UNWATCH", kOk}});
}

TEST_F(Transactions, ErrorsWhileQueueingEndIt) {
  run({{"MULTI", kOk},
       {"SET k 1", queued()},
       {"SET k", arity("set")},
       {"EXEC", kAborted},
       {"MULTI", kOk},
       {"NOSUCH k", "-ERR unknown command 'NOSUCH', with args beginning with: 'k' \r\n"},
       {"EXEC", kAborted},
       {"MULTI", kOk},
       {"MULTI", "-ERR MULTI calls can not be nested\r\n"},
       {"EXEC", kAborted},
       {"MULTI", kOk},
       {"WATCH k", "-ERR WATCH inside MULTI is not allowed\r\n"},
       {"EXEC", kAborted},
       {"MULTI", kOk},
       {"KACHEL.LEASE k 1000", "-ERR Command not allowed inside a transaction\r\n"},
       {"EXEC", kAborted},
       {"EXISTS k", ":0\r\n"}});
}

TEST_F(Transactions, ErrorsWhileRunningDoNot) {
  run({{"SET k text", kOk},
       {"MULTI", kOk},
       {"INCR k", queued()},
       {"SET k 1", queued()},
       {"EXEC", "*2\r\n" + kNotInteger + kOk}});
}

TEST_F(Transactions, DiscardForgetsAll) {
  run({{"WATCH k", kOk},
       {"MULTI", kOk},
       {"SET k 1", queued()},
       {"DISCARD", kOk},
       {"EXISTS k", ":0\r\n"}});
  set("k", "other");
  run({{"MULTI", kOk}, {"GET k", queued()}, {"EXEC", "*1\r\n" + bulk("other")}});
}

TEST_F(Transactions, AWatchedKeyThatChangedEndsIt) {
  run({{"SET k 1", kOk},
       {"WATCH k absent", kOk},
       {"GET k", bulk("1")},
       {"MULTI", kOk},
       {"SET k 2", queued()}});
  set("k", "other");
  run({{"EXEC", kNoArray},
       {"GET k", bulk("other")},
       {"MULTI", kOk},
       {"GET k", queued()},
       {"EXEC", "*1\r\n" + bulk("other")}});
}

TEST_F(Transactions, AWatchedKeyThatAppearedOrWentEndsIt) {
  run({{"SET gone 1", kOk}, {"WATCH new", kOk}});
  set("new", "1");
  run({{"MULTI", kOk}, {"EXEC", kNoArray}, {"WATCH gone", kOk}});
  store.erase({}, "gone", std::nullopt, [](const Result<EraseOutcome>&) {});
  run({{"MULTI", kOk}, {"EXEC", kNoArray}});
}

TEST_F(Transactions, AWatchedHashThatChangedEndsIt) {
  run({{"HSET h f 1", ":1\r\n"}, {"WATCH h", kOk}, {"MULTI", kOk}, {"HSET h f 2", queued()}});
  hset("h", "g", "other");
  run({{"EXEC", kNoArray},
       {"HGET h f", bulk("1")},
       {"WATCH h", kOk},
       {"MULTI", kOk},
       {"HSET h f 2", queued()},
       {"HSET h g 3", queued()},
       {"HDEL h f", queued()},
       {"EXEC", "*3\r\n:0\r\n:0\r\n:1\r\n"}});
}

TEST_F(Transactions, UnwatchLetsItRun) {
  run({{"WATCH k", kOk}, {"UNWATCH", kOk}, {"MULTI", kOk}, {"GET k", queued()}});
  set("k", "other");
  run({{"EXEC", "*1\r\n" + bulk("other")}});
}

TEST_F(Transactions, WhatIsWatchedAndUnchangedIsWritten) {
  run({{"SET k 1", kOk},
       {"WATCH k new", kOk},
       {"MULTI", kOk},
       {"SET k 2", queued()},
       {"INCR k", queued()},
       {"SET new 5", queued()},
       {"DEL k", queued()},
       {"EXEC", "*4\r\n" + kOk + ":3\r\n" + kOk + ":1\r\n"}});
}

// Another client's write comes after EXEC has looked and before its own write.
TEST_F(Transactions, AWriteOfAWatchedKeyIsConditional) {
  for (const auto& write : std::vector<std::string>{"SET k 2", "INCR k", "DEL k", "GETDEL k",
                                                    "EXPIRE k 100", "APPEND k x", "MSET k 2"}) {
    store.mode = FakeStore::Mode::kAtOnce;
    run({{"SET k 1", kOk}, {"WATCH k", kOk}, {"MULTI", kOk}, {write, queued()}});
    store.mode = FakeStore::Mode::kUnsettled;
    send({"EXEC"});
    ASSERT_EQ(store.waiting.size(), 1u);  // the look at k
    store.complete(0);
    ASSERT_EQ(store.waiting.size(), 1u) << write;  // the write, or the read before it
    store.mode = FakeStore::Mode::kAtOnce;
    set("k", "1000");
    store.complete_all();
    EXPECT_EQ(received(), kNoArray) << write;
    EXPECT_EQ(say({"GET", "k"}), bulk("1000")) << write;
    EXPECT_TRUE(session->idle());
  }
}

TEST_F(Transactions, TheQueueIsBounded) {
  say({"MULTI"});
  for (std::size_t i = 0; i < kMaxQueuedCommands; ++i)
    ASSERT_EQ(say({"PING"}), queued());
  EXPECT_EQ(say({"PING"}).substr(0, 28), "-ERR the transaction has too");
  run({{"EXEC", kAborted}});
}

TEST_F(Transactions, ALargeReplyLeavesAsAWhole) {
  state.limits.output_soft_bytes = 100;
  state.limits.max_pending = 4;
  open();
  run({{"MULTI", kOk}});
  std::string expected = "*20\r\n";
  for (int i = 0; i < 20; ++i) {
    say({"ECHO", std::string(50, 'x')});
    expected += bulk(std::string(50, 'x'));
  }
  send({"EXEC"});
  while (next_turn()) {
  }
  EXPECT_EQ(received(), expected);
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
}

TEST_F(Transactions, PipelinedInOnePiece) {
  store.mode = FakeStore::Mode::kUnsettled;
  feed(request({"SET", "k", "1"}) + request({"MULTI"}) + request({"INCR", "k"}) +
       request({"FLUSHDB"}) + request({"EXEC"}) + request({"GET", "k"}));
  store.complete_all();
  EXPECT_EQ(received(), kOk + kOk + queued() + queued() + "*2\r\n:2\r\n" + kOk + kNull);
}

TEST_F(Transactions, TheClientGoesWhileItRuns) {
  store.mode = FakeStore::Mode::kUnsettled;
  feed(request({"MULTI"}) + request({"GET", "k"}) + request({"GET", "k"}) + request({"EXEC"}));
  session->end_of_input();
  store.complete_all();
  EXPECT_EQ(received(), kOk + queued() + queued() + "*2\r\n" + kNull + kNull);
  EXPECT_TRUE(session->ended());
}

TEST_F(Transactions, QuitAndResetRunAtOnce) {
  run({{"MULTI", kOk},
       {"SET k 1", queued()},
       {"RESET", "+RESET\r\n"},
       {"EXEC", "-ERR EXEC without MULTI\r\n"},
       {"MULTI", kOk},
       {"QUIT", kOk}});
  EXPECT_TRUE(session->ended());
}

TEST_F(Transactions, AClientThatClosesItselfHasItsReply) {
  const std::string id = std::to_string(client->id);
  run({{"MULTI", kOk}, {"CLIENT KILL ID " + id, queued()}, {"GET k", queued()}});
  EXPECT_EQ(say({"EXEC"}), "*2\r\n:1\r\n" + kNull);
  EXPECT_TRUE(session->ended());
}

TEST_F(Transactions, SelectTakesEffectInside) {
  run({{"MULTI", kOk},
       {"SELECT 1", queued()},
       {"SET k 1", queued()},
       {"EXEC", "*2\r\n" + kOk + kOk},
       {"GET k", bulk("1")},
       {"SELECT 0", kOk},
       {"GET k", kNull}});
}

}  // namespace
}  // namespace kachel::server
