// Who a client is, and what it may do before and after it has said so.
#include <chrono>
#include <thread>

#include "server/credentials.h"
#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

const std::string kNoAuthReply = "-NOAUTH Authentication required.\r\n";
const std::string kRefusal = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

class Authentication : public SessionTest {
 protected:
  Authentication() { publish(Entrance::kNetwork); }

  void publish(Entrance through) {
    entrance_ = through;
    Accounts accounts;
    accounts.users.users()["alice"] = {hash_of_alice(), {token_hash("alice's token")}, false};
    accounts.users.users()["root"] = {hash_of_root(), {}, true};
    accounts.users.users()["robot"] = {"", {token_hash("robot's token")}, false};
    accounts.tenants = {{"alice", 7}, {"robot", 9}, {"root", 8}};
    state.authenticator.publish(std::move(accounts));
    open();
  }
  static const std::string& hash_of_alice() {
    static const std::string hash = hash_password("alice's password").value();
    return hash;
  }
  static const std::string& hash_of_root() {
    static const std::string hash = hash_password("root's password").value();
    return hash;
  }
  /// Passwords are looked at on another thread.
  std::string say_and_wait(const std::vector<std::string>& arguments) {
    send(arguments);
    std::string reply = received();
    while (reply.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      manual_loop.run_until_idle();
      reply = received();
    }
    return reply;
  }
  std::string log_in(const std::string& user) {
    return say_and_wait({"AUTH", user, user + "'s password"});
  }
};

TEST_F(Authentication, NothingIsDoneForWhoHasNotSaidWhoHeIs) {
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
  EXPECT_EQ(say({"SET", "k", "v"}), kNoAuthReply);
  EXPECT_EQ(say({"KACHEL.ERASE", "TENANT"}), kNoAuthReply);
  EXPECT_EQ(say({"INFO"}), kNoAuthReply);
  EXPECT_EQ(say({"PING"}), kNoAuthReply);
  EXPECT_EQ(say({"SELECT", "1"}), kNoAuthReply);
  EXPECT_EQ(say({"HELLO", "3"}).substr(0, 14), "-NOAUTH HELLO ");
  EXPECT_TRUE(store.calls.empty());
  EXPECT_EQ(say({"QUIT"}), "+OK\r\n");
}

TEST_F(Authentication, APasswordMakesTheClientItsUser) {
  EXPECT_EQ(log_in("alice"), "+OK\r\n");
  EXPECT_EQ(session->space().tenant, 7u);
  EXPECT_EQ(say({"SET", "k", "v"}), "+OK\r\n");
  EXPECT_NE(state.clients.describe(*client).find(" user=alice "), std::string::npos);
  EXPECT_EQ(say({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
  EXPECT_EQ(log_in("alice"), "+OK\r\n") << "known again";
}

TEST_F(Authentication, AnythingElseIsRefusedInTheSameWords) {
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"AUTH", "alice", "root's password"},
        {"AUTH", "nobody", "alice's password"},
        {"AUTH", "robot", "robot's token"},
        {"AUTH", "alice", ""},
        {"AUTH", "alice's password"},
        {"AUTH", std::string(100, 'a'), "x"},
        {"AUTH", "alice", std::string(5000, 'a')},
        {"HELLO", "3", "AUTH", "alice", "wrong"}}) {
    EXPECT_EQ(say_and_wait(wrong), kRefusal) << wrong[1];
    EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
    EXPECT_EQ(session->protocol(), Protocol::kResp2);
  }
}

TEST_F(Authentication, ARefusalLeavesWhoTheClientWas) {
  EXPECT_EQ(log_in("alice"), "+OK\r\n");
  EXPECT_EQ(say_and_wait({"AUTH", "root", "wrong"}), kRefusal);
  EXPECT_EQ(session->space().tenant, 7u);
  EXPECT_EQ(say({"PING"}), "+PONG\r\n");
}

TEST_F(Authentication, WhatFollowsWaitsForTheAnswer) {
  feed(request({"AUTH", "alice", "alice's password"}) + request({"SET", "k", "v"}));
  EXPECT_TRUE(store.calls.empty());
  EXPECT_EQ(say_and_wait({"PING"}), "+OK\r\n+OK\r\n+PONG\r\n");
}

TEST_F(Authentication, HelloAnswersInTheProtocolThatItAsksFor) {
  const std::string reply =
      say_and_wait({"HELLO", "3", "AUTH", "alice", "alice's password", "SETNAME", "a-client"});
  EXPECT_EQ(reply.substr(0, 4), "%7\r\n");
  EXPECT_EQ(session->protocol(), Protocol::kResp3);
  EXPECT_EQ(state.clients.name(*client), "a-client");
}

TEST_F(Authentication, OnlyAdministratorsDoWhatConcernsAll) {
  EXPECT_EQ(log_in("alice"), "+OK\r\n");
  const std::string refused = "-NOPERM User alice has no permissions to run the '";
  EXPECT_EQ(say({"CLIENT", "LIST"}), refused + "client|list' command\r\n");
  EXPECT_EQ(say({"CLIENT", "KILL", "ID", "1"}), refused + "client|kill' command\r\n");
  EXPECT_EQ(say({"CONFIG", "SET", "maxmemory", "1gb"}), refused + "config|set' command\r\n");
  const std::string info = say({"INFO", "all"});
  EXPECT_NE(info.find("redis_version"), std::string::npos);
  EXPECT_NE(info.find("loading:0"), std::string::npos);
  for (const auto* of_all : {"connected_clients", "hot_hits", "last_sequence", "tenant_default"})
    EXPECT_EQ(info.find(of_all), std::string::npos) << of_all;
  EXPECT_EQ(log_in("root"), "+OK\r\n");
  EXPECT_NE(say({"CLIENT", "LIST"}).find("user=root"), std::string::npos);
  EXPECT_NE(say({"INFO"}).find("last_sequence"), std::string::npos);
}

TEST_F(Authentication, WhoIsRemovedIsOutAtItsNextCommand) {
  EXPECT_EQ(log_in("alice"), "+OK\r\n");
  state.authenticator.publish({});
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
}

TEST_F(Authentication, FromTheNetworkNobodyIsTheDefaultUserForTheAsking) {
  EXPECT_EQ(say_and_wait({"AUTH", "default", "whatever"}), kRefusal);
  EXPECT_EQ(say_and_wait({"HELLO", "3", "AUTH", "default", "whatever"}), kRefusal);
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
}

TEST_F(Authentication, ADefaultUserWhoIsRemovedIsNobodyToTheNetwork) {
  Accounts accounts;
  accounts.users.users()["default"] = {hash_of_alice(), {}, true};
  accounts.tenants = {{"default", 0}};
  state.authenticator.publish(std::move(accounts));
  EXPECT_EQ(say_and_wait({"AUTH", "alice's password"}), "+OK\r\n");
  EXPECT_EQ(say({"GET", "k"}), "$-1\r\n");
  state.authenticator.publish({});
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
}

TEST_F(Authentication, OnLoopbackEverybodyIsTheDefaultUserUntilItIsNamed) {
  publish(Entrance::kLoopback);
  EXPECT_EQ(say({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(session->space().tenant, 0u);
  EXPECT_EQ(say({"AUTH", "default", "whatever"}), "+OK\r\n") << "as in Redis";
  EXPECT_EQ(say({"AUTH", "whatever"}).substr(0, 9), "-ERR AUTH");
  EXPECT_EQ(log_in("alice"), "+OK\r\n");
  EXPECT_EQ(session->space().tenant, 7u);
  Accounts accounts;
  accounts.users.users()["default"] = {hash_of_alice(), {}, false};
  accounts.tenants = {{"default", 0}};
  state.authenticator.publish(std::move(accounts));
  open();
  EXPECT_EQ(say({"GET", "k"}), kNoAuthReply);
  EXPECT_EQ(say_and_wait({"AUTH", "alice's password"}), "+OK\r\n") << "of the default user";
  EXPECT_EQ(session->space().tenant, 0u);
}

TEST_F(Authentication, TokensNameTheirUser) {
  EXPECT_EQ(state.authenticator.by_token("alice's token")->tenant, 7u);
  EXPECT_EQ(state.authenticator.by_token("robot's token")->name, "robot");
  EXPECT_EQ(state.authenticator.by_token(""), nullptr);
  EXPECT_EQ(state.authenticator.by_token("alice's password"), nullptr);
}

}  // namespace
}  // namespace kachel::server
