// Order, blocking and bounds of one client's conversation.
#include "server/session.h"

#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

using Mode = FakeStore::Mode;

TEST_F(SessionTest, RepliesLeaveInOrderWhateverTheCompletions) {
  store.mode = Mode::kSettled;
  send({"SET", "a", "1"});
  send({"GET", "a"});
  send({"PING"});
  send({"GET", "none"});
  EXPECT_EQ(received(), "");
  store.complete(2);
  store.complete(1);
  EXPECT_EQ(received(), "");
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n$1\r\n1\r\n+PONG\r\n$-1\r\n");
  EXPECT_TRUE(session->idle());
}

TEST_F(SessionTest, AnEarlierReplyIsNotHeldBackByALaterOne) {
  store.mode = Mode::kSettled;
  send({"SET", "a", "1"});
  send({"SET", "b", "2"});
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n");
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n");
}

TEST_F(SessionTest, AnUnsettledCommandHoldsTheFollowingOnes) {
  store.mode = Mode::kUnsettled;
  feed(request({"SET", "a", "1"}) + request({"GET", "a"}) + request({"PING"}));
  EXPECT_EQ(store.calls, std::vector<std::string>{"put a"});
  EXPECT_FALSE(session->wants_input());
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n");
  EXPECT_EQ(store.calls.back(), "get a");
  store.complete(0);
  EXPECT_EQ(received(), "$1\r\n1\r\n+PONG\r\n");
  EXPECT_TRUE(session->wants_input());
}

TEST_F(SessionTest, AHotHitTakesNoSlotWhenNothingIsPending) {
  say({"SET", "a", "1"});
  store.hot = true;
  store.calls.clear();
  send({"GET", "a"});
  EXPECT_EQ(session->pending(), 0u);
  EXPECT_EQ(received(), "$1\r\n1\r\n");
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(SessionTest, AHotHitWaitsBehindWhatIsPending) {
  say({"SET", "a", "1"});
  store.mode = Mode::kSettled;
  send({"GET", "other"});
  store.hot = true;
  send({"GET", "a"});
  EXPECT_EQ(received(), "");
  store.complete(0);
  EXPECT_EQ(received(), "$-1\r\n$1\r\n1\r\n");
}

TEST_F(SessionTest, MultiKeyReadsJoinInKeyOrder) {
  say({"MSET", "a", "1", "b", "2"});
  store.mode = Mode::kSettled;
  send({"MGET", "a", "none", "b"});
  store.complete(2);
  store.complete(0);
  EXPECT_EQ(received(), "");
  store.complete(0);
  EXPECT_EQ(received(), "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n");
}

TEST_F(SessionTest, UnsettledWritesOfOneCommandRunOneAfterTheOther) {
  store.mode = Mode::kUnsettled;
  feed(request({"MSET", "a", "1", "a", "2"}) + request({"GET", "a"}));
  EXPECT_EQ(store.waiting.size(), 1u);
  store.complete(0);
  EXPECT_EQ(store.waiting.size(), 1u);
  store.complete(0);
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n$1\r\n2\r\n");
}

TEST_F(SessionTest, ManyKeysAreIssuedAFewAtATime) {
  store.mode = Mode::kSettled;
  std::vector<std::string> command{"DEL"};
  for (int i = 0; i < 1000; ++i)
    command.push_back("k" + std::to_string(i));
  for (int i = 0; i < 1000; ++i)
    store.rows[{0, "k" + std::to_string(i)}] = {Entry::make("v"), 0};
  feed(request(command) + request({"PING"}));
  EXPECT_LE(store.waiting.size(), 64u);
  EXPECT_FALSE(session->wants_input());
  store.complete_all();
  EXPECT_EQ(received(), ":1000\r\n+PONG\r\n");
}

TEST_F(SessionTest, FedByteByByteItAnswersTheSame) {
  const std::string text = request({"SET", "a", std::string(300, 'x')}) + "GET a\r\n" +
                           request({"DEL", "a"}) + request({"NOSUCH", "x"}) + "\r\nPING\r\n";
  feed(text);
  const std::string expected = received();
  open();
  for (const char c : text)
    feed(std::string_view(&c, 1));
  EXPECT_EQ(received(), expected);
  EXPECT_EQ(expected.substr(0, 5), "+OK\r\n");
}

TEST_F(SessionTest, BytesMayBeReadInPlaceWhileARequestIsPartial) {
  const std::string text = request({"SET", "a", std::string(100'000, 'x')});
  EXPECT_TRUE(session->input_space().empty());
  feed(std::string_view(text).substr(0, 50));
  std::size_t sent = 50;
  while (sent < text.size()) {
    const auto room = session->input_space();
    ASSERT_FALSE(room.empty());
    const std::size_t part = std::min(room.size(), text.size() - sent);
    std::copy_n(text.data() + sent, part, room.data());
    session->receive_in_place(part);
    sent += part;
  }
  EXPECT_EQ(received(), "+OK\r\n");
  EXPECT_EQ(store.row("a")->entry->value().size(), 100'000u);
}

TEST_F(SessionTest, AProtocolErrorIsAnsweredAndEndsTheSession) {
  feed("*1\r\n!3\r\n");
  EXPECT_FALSE(session->wants_input());
  EXPECT_EQ(received(), "-ERR Protocol error: expected '$', got '!'\r\n");
  EXPECT_TRUE(session->ended());
}

TEST_F(SessionTest, AProtocolErrorWaitsForEarlierReplies) {
  store.mode = Mode::kSettled;
  feed(request({"SET", "a", "1"}) + "*x\r\n");
  EXPECT_FALSE(session->ended());
  store.complete(0);
  EXPECT_EQ(received(), "+OK\r\n-ERR Protocol error: invalid multibulk length\r\n");
  EXPECT_TRUE(session->ended());
}

TEST_F(SessionTest, WhatAskedBeforeTheEndOfInputIsAnswered) {
  store.mode = Mode::kUnsettled;
  feed(request({"SET", "a", "1"}) + request({"GET", "a"}));
  session->end_of_input();
  EXPECT_FALSE(session->ended());
  store.complete_all();
  EXPECT_EQ(received(), "+OK\r\n$1\r\n1\r\n");
  EXPECT_TRUE(session->ended());
}

TEST_F(SessionTest, QuitAnswersAndIgnoresTheRest) {
  feed(request({"QUIT"}) + request({"SET", "a", "1"}));
  EXPECT_EQ(received(), "+OK\r\n");
  EXPECT_TRUE(session->ended());
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(SessionTest, BrowsersAreHungUpOn) {
  feed("POST / HTTP/1.1\r\nHost: 127.0.0.1:6380\r\n\r\nSET a 1\r\n");
  EXPECT_TRUE(session->aborted());
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(SessionTest, AClientGetsItsShareOfATurnOnly) {
  state.limits.turn_commands = 10;
  open();
  std::string text;
  for (int i = 0; i < 25; ++i)
    text += "PING\r\n";
  feed(text);
  EXPECT_EQ(received().size(), 10 * 7u);
  EXPECT_FALSE(session->wants_input());
  EXPECT_TRUE(next_turn());
  EXPECT_EQ(received().size(), 10 * 7u);
  EXPECT_TRUE(next_turn());
  EXPECT_EQ(received().size(), 5 * 7u);
  EXPECT_FALSE(next_turn());
  EXPECT_TRUE(session->wants_input());
}

TEST_F(SessionTest, TheRepliesOfAFewTurnsLeaveTogether) {
  state.limits.turn_commands = 10;
  open();
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "PING\r\n";
  feed(text);
  EXPECT_EQ(output_notices, 0);
  int turns = 1;
  while (next_turn())
    ++turns;
  EXPECT_GE(turns, 20);
  EXPECT_EQ(output_notices, 3);  // every eighth, and at the end
  EXPECT_EQ(received().size(), 200 * 7u);
  // What is long leaves at once.
  say({"SET", "a", std::string(40'000, 'x')});
  output_notices = 0;
  std::string gets;
  for (int i = 0; i < 20; ++i)
    gets += request({"GET", "a"});
  feed(gets);
  EXPECT_EQ(output_notices, 1);
}

TEST_F(SessionTest, PendingCommandsAreBounded) {
  state.limits.max_pending = 4;
  open();
  store.mode = Mode::kSettled;
  std::string text;
  for (int i = 0; i < 6; ++i)
    text += request({"GET", "k"});
  feed(text);
  EXPECT_EQ(store.waiting.size(), 4u);
  EXPECT_FALSE(session->wants_input());
  store.complete(0);
  EXPECT_EQ(store.waiting.size(), 4u);
  store.complete_all();
  EXPECT_EQ(received().size(), 6 * 5u);
}

// Answers come in batches: with each of them one more command, and nobody else had a turn.
TEST_F(SessionTest, ADeepPipelineGivesWayWhenItsAnswersCome) {
  state.limits.max_pending = 20;
  open();
  store.mode = Mode::kSettled;
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += request({"GET", "k"});
  feed(text);
  EXPECT_EQ(store.waiting.size(), 20u);
  for (int i = 0; i < 20; ++i)
    store.complete(0);
  EXPECT_EQ(store.waiting.size(), 0u);
  EXPECT_TRUE(next_turn());
  EXPECT_EQ(store.waiting.size(), 20u);
  store.complete_all();
  EXPECT_TRUE(next_turn());
  store.complete_all();
  EXPECT_EQ(received().size(), 50 * 5u);
  EXPECT_FALSE(next_turn());
  EXPECT_TRUE(session->wants_input());
}

TEST_F(SessionTest, AFullOutputStopsReadingUntilItDrains) {
  state.limits.output_soft_bytes = 1000;
  open();
  say({"SET", "a", std::string(600, 'x')});
  std::string text;
  for (int i = 0; i < 5; ++i)
    text += request({"GET", "a"});
  feed(text);
  const std::size_t reply_bytes = 600 + 8;
  EXPECT_EQ(session->output().bytes(), 2 * reply_bytes);
  EXPECT_FALSE(session->wants_input());
  session->sent(reply_bytes);
  EXPECT_FALSE(session->wants_input());
  session->sent(reply_bytes);
  EXPECT_EQ(session->output().bytes(), 2 * reply_bytes);
  received();
  EXPECT_EQ(received().size(), reply_bytes);
  EXPECT_TRUE(session->wants_input());
}

TEST_F(SessionTest, OutputPastTheHardBoundCutsTheClientOff) {
  state.limits.output_hard_bytes = 1000;
  open();
  say({"SET", "a", std::string(900, 'x')});
  feed(request({"GET", "a"}) + request({"GET", "a"}));
  EXPECT_TRUE(session->aborted());
}

TEST_F(SessionTest, AReplyOfManyLargeValuesIsRefused) {
  state.limits.output_hard_bytes = 1000;
  open();
  say({"SET", "a", std::string(600, 'x')});
  EXPECT_EQ(say({"MGET", "a", "a"}),
            "-ERR the reply would exceed 1000 bytes; ask for fewer keys\r\n");
}

TEST_F(SessionTest, WritesWaitWhileTheStoreIsThrottledAndReadsDoNot) {
  store.throttle = true;
  send({"GET", "a"});
  EXPECT_EQ(received(), "$-1\r\n");
  feed(request({"SET", "a", "1"}) + request({"GET", "a"}));
  EXPECT_EQ(received(), "");
  EXPECT_FALSE(session->wants_input());
  store.unthrottle();
  EXPECT_EQ(received(), "+OK\r\n$1\r\n1\r\n");
  EXPECT_TRUE(session->wants_input());
}

TEST_F(SessionTest, CompletionsAfterTheSocketIsGoneDoNoHarm) {
  store.mode = Mode::kUnsettled;
  feed(request({"SET", "a", "1"}) + request({"GET", "a"}));
  session->abandon();
  session.reset();
  store.complete_all();
  EXPECT_EQ(store.calls.size(), 1u);
}

TEST_F(SessionTest, AnAbandonedOperationAnswersWithAnError) {
  store.mode = Mode::kSettled;
  send({"GET", "a"});
  store.waiting.clear();
  EXPECT_EQ(received(), "-ERR the operation was abandoned\r\n");
}

TEST_F(SessionTest, CommandsAndBytesAreCounted) {
  const std::string text = request({"PING"});
  feed(text);
  EXPECT_EQ(state.totals().commands, 1u);
  EXPECT_EQ(state.totals().input_bytes, text.size());
  const std::string reply = received();
  EXPECT_EQ(state.totals().output_bytes, reply.size());
}

}  // namespace
}  // namespace kachel::server
