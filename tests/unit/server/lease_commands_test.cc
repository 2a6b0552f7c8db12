// KACHEL.LEASE and KACHEL.SET ... LEASE.
#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

class LeaseCommands : public CommandsTest {
 protected:
  bool hung_up = false;

  static std::string pair(const std::string& what, const std::string& value) {
    return "*2\r\n" + bulk(what) + value;
  }
  bool has_hung_up() override { return hung_up; }
};

TEST_F(LeaseCommands, AnswerAValueATokenOrThatThereIsNothingYet) {
  store.lease_token = 0xabcdef;
  EXPECT_EQ(say({"KACHEL.LEASE", "k", "100"}), pair("token", bulk("0000000000abcdef")));
  EXPECT_EQ(say({"KACHEL.SET", "k", "v", "LEASE", "0000000000ABCDEF"}), kOk);
  EXPECT_EQ(store.last_fill, 0xabcdefu);
  EXPECT_EQ(say({"KACHEL.LEASE", "k", "100"}), pair("value", bulk("v")));
  store.lease_token = 0;
  EXPECT_EQ(say({"KACHEL.LEASE", "none", "100"}), pair("retry", kNull));
  say({"HELLO", "3"});
  EXPECT_EQ(say({"KACHEL.LEASE", "none", "100"}), pair("retry", "_\r\n"));
  EXPECT_EQ(say({"KACHEL.LEASE", "k", "100"}), pair("value", bulk("v")));
}

TEST_F(LeaseCommands, ARefusedFillAnswersNil) {
  store.forced_outcome = PutOutcome::kLeaseRefused;
  EXPECT_EQ(say({"KACHEL.SET", "k", "v", "LEASE", "0123456789abcdef"}), kNull);
}

TEST_F(LeaseCommands, TheTimeHasBounds) {
  const std::string bounds = "-ERR ms must be a whole number from 1 to 600000\r\n";
  run({{"KACHEL.LEASE k 0", bounds},
       {"KACHEL.LEASE k 600001", bounds},
       {"KACHEL.LEASE k soon", bounds},
       {"KACHEL.LEASE k", arity("kachel.lease")}});
  EXPECT_TRUE(store.calls.empty());
  say({"KACHEL.LEASE", "k", "600000"});
  EXPECT_EQ(store.calls, std::vector<std::string>{"lease 600000 k"});
}

TEST_F(LeaseCommands, WhileOneWaitsTheClientsLaterCommandsDoTo) {
  store.mode = FakeStore::Mode::kUnsettled;
  send({"KACHEL.LEASE", "k", "100"});
  send({"PING"});
  EXPECT_EQ(received(), "");
  EXPECT_FALSE(session->wants_input());
  store.complete_all();
  EXPECT_EQ(received(), pair("token", bulk("0000000000001234")) + "+PONG\r\n");
}

TEST_F(LeaseCommands, ATokenForAClientThatHasLeftIsGivenUp) {
  store.mode = FakeStore::Mode::kUnsettled;
  send({"KACHEL.LEASE", "k", "100"});
  session->abandon();
  store.complete_all();
  EXPECT_EQ(store.calls.back(), "give_up k 4660");
}

TEST_F(LeaseCommands, SoIsOneForAClientThatHasHungUpMeanwhile) {
  store.mode = FakeStore::Mode::kUnsettled;
  send({"KACHEL.LEASE", "k", "100"});
  hung_up = true;
  store.complete_all();
  EXPECT_EQ(store.calls.back(), "give_up k 4660");
  EXPECT_EQ(received(), pair("retry", kNull));
}

}  // namespace
}  // namespace kachel::server
