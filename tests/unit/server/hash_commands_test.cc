// Hashes: their own commands, and those on keys that see a hash as one.
#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

using HashCommands = CommandsTest;

const std::string kWrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

TEST_F(HashCommands, SetAndGet) {
  run({
      {"HGET h f", kNull},
      {"HSET h f 1 g 22", ":2\r\n"},
      {"HSET h f 333 x 4", ":1\r\n"},
      {"HSET h f", arity("hset")},
      {"HSET h f 1 g", arity("hset")},
      {"HGET h f", bulk("333")},
      {"HGET h absent", kNull},
      {"HGET other f", kNull},
      {"HMSET h y 5", kOk},
      {"HMGET h f absent g", "*3\r\n" + bulk("333") + kNull + bulk("22")},
      {"HMGET absent f", "*1\r\n" + kNull},
      {"HLEN h", ":4\r\n"},
      {"HLEN absent", ":0\r\n"},
      {"HEXISTS h f", ":1\r\n"},
      {"HEXISTS h absent", ":0\r\n"},
      {"HSTRLEN h f", ":3\r\n"},
      {"HSTRLEN h absent", ":0\r\n"},
      {"HSETNX h f 6", ":0\r\n"},
      {"HSETNX h z 7", ":1\r\n"},
      {"HDEL h f absent z", ":2\r\n"},
      {"HKEYS h", "*3\r\n" + bulk("g") + bulk("x") + bulk("y")},
      {"HVALS h", "*3\r\n" + bulk("22") + bulk("4") + bulk("5")},
      {"HGETALL h",
       "*6\r\n" + bulk("g") + bulk("22") + bulk("x") + bulk("4") + bulk("y") + bulk("5")},
      {"HGETALL absent", "*0\r\n"},
  });
}

TEST_F(HashCommands, AMapInResp3) {
  send({"HELLO", "3"});
  received();
  run({{"HGETALL h", "%0\r\n"},
       {"HSET h f 1", ":1\r\n"},
       {"HGETALL h", "%1\r\n" + bulk("f") + bulk("1")},
       {"HVALS h", "*1\r\n" + bulk("1")}});
}

TEST_F(HashCommands, Numbers) {
  run({
      {"HINCRBY h n 5", ":5\r\n"},
      {"HINCRBY h n -7", ":-2\r\n"},
      {"HINCRBY h n x", kNotInteger},
      {"HSET h text abc big 9223372036854775807", ":2\r\n"},
      {"HINCRBY h text 1", "-ERR hash value is not an integer\r\n"},
      {"HINCRBY h big 1", "-ERR increment or decrement would overflow\r\n"},
      {"HINCRBYFLOAT h r 10.5", bulk("10.5")},
      {"HINCRBYFLOAT h r 0.1", bulk("10.6")},
      {"HINCRBYFLOAT h r -5e-1", bulk("10.1")},
      {"HINCRBYFLOAT h text 1", "-ERR hash value is not a float\r\n"},
      {"HINCRBYFLOAT h r x", "-ERR value is not a valid float\r\n"},
  });
}

TEST_F(HashCommands, TheWrongTypeIsRefused) {
  run({
      {"SET s v", kOk},
      {"HSET h f v", ":1\r\n"},
      {"HGET s f", kWrong},
      {"HSET s f v", kWrong},
      {"HGETALL s", kWrong},
      {"HDEL s f", kWrong},
      {"HINCRBY s f 1", kWrong},
      {"HSCAN s 0", kWrong},
      {"GET h", kWrong},
      {"STRLEN h", kWrong},
      {"INCR h", kWrong},
      {"APPEND h x", kWrong},
      {"GETSET h x", kWrong},
      {"GETDEL h", kWrong},
      {"GETEX h PERSIST", kWrong},
      {"SET h v GET", kWrong},
      {"JSON.GET h", kWrong},
      {"KACHEL.LEASE h 1000", kWrong},
      {"MGET s h", "*2\r\n" + bulk("v") + kNull},
      {"HGET h f", bulk("v")},
  });
}

TEST_F(HashCommands, AreOneKeyForTheCommandsOnKeys) {
  run({
      {"HSET h f 1 g 2", ":2\r\n"},
      {"SET s v", kOk},
      {"EXISTS h s absent h", ":3\r\n"},
      {"TOUCH h absent", ":1\r\n"},
      {"TYPE h", "+hash\r\n"},
      {"DBSIZE", ":2\r\n"},
      {"KEYS *", "*2\r\n" + bulk("s") + bulk("h")},
      {"SCAN 0 TYPE hash", "*2\r\n" + bulk("0") + "*1\r\n" + bulk("h")},
      {"SCAN 0 TYPE string", "*2\r\n" + bulk("0") + "*1\r\n" + bulk("s")},
      {"SCAN 0", "*2\r\n" + bulk("72057594037927936") + "*1\r\n" + bulk("s")},
      {"SCAN 72057594037927936", "*2\r\n" + bulk("0") + "*1\r\n" + bulk("h")},
      {"OBJECT ENCODING h", bulk("hashtable")},
      {"TTL h", ":-1\r\n"},
      {"PERSIST h", ":0\r\n"},
      {"EXPIRE h 100 XX", ":0\r\n"},
      {"EXPIRE h 100 GT", ":0\r\n"},
      {"EXPIRE h 100", ":1\r\n"},
      {"EXPIRE h 50 NX", ":0\r\n"},
      {"EXPIRE h 50 XX LT", ":1\r\n"},
      {"TTL h", ":50\r\n"},
      {"HSET h new 3", ":1\r\n"},
      {"PERSIST h", ":1\r\n"},
      {"TTL h", ":-1\r\n"},
      {"DEL h absent", ":1\r\n"},
      {"EXISTS h", ":0\r\n"},
      {"HLEN h", ":0\r\n"},
      {"DBSIZE", ":1\r\n"},
      {"TYPE h", "+none\r\n"},
  });
}

TEST_F(HashCommands, ANewFieldTakesOverTheExpiry) {
  run({{"HSET h f 1", ":1\r\n"},
       {"EXPIRE h 100", ":1\r\n"},
       {"HSET h g 2 f 3", ":1\r\n"},
       {"HINCRBY h n 1", ":1\r\n"}});
  store.clock.advance_ms(101'000);
  run({{"EXISTS h", ":0\r\n"},
       {"HGETALL h", "*0\r\n"},
       {"HSET h f 1", ":1\r\n"},
       {"TTL h", ":-1\r\n"}});
}

TEST_F(HashCommands, ASetReplacesThem) {
  run({
      {"HSET h f 1 g 2", ":2\r\n"}, {"SET h v NX", kNull},
      {"SETNX h v", ":0\r\n"},      {"MSETNX h v other w", ":0\r\n"},
      {"SET h v XX", kOk},          {"TYPE h", "+string\r\n"},
      {"GET h", bulk("v")},         {"DEL h", ":1\r\n"},
      {"HGETALL h", "*0\r\n"},      {"HSET h f 1", ":1\r\n"},
      {"EXPIRE h 100", ":1\r\n"},   {"SET h v KEEPTTL", kOk},
      {"TTL h", ":100\r\n"},        {"HSET i f 1", ":1\r\n"},
      {"MSET h 1 i 2", kOk},        {"GET i", bulk("2")},
      {"HSET j f 1", ":1\r\n"},     {"KACHEL.SET j v", kOk},
      {"GET j", bulk("v")},         {"HSET k f 1", ":1\r\n"},
      {"SETEX k 10 v", kOk},        {"GET k", bulk("v")},
  });
}

TEST_F(HashCommands, RenameAndCopy) {
  run({
      {"HSET h f 1 g 2", ":2\r\n"},
      {"SET s v EX 100", kOk},
      {"RENAME absent x", "-ERR no such key\r\n"},
      {"RENAMENX absent x", "-ERR no such key\r\n"},
      {"COPY absent x", ":0\r\n"},
      {"COPY h h", "-ERR source and destination objects are the same\r\n"},
      {"RENAME h h", kOk},
      {"RENAMENX h h", ":0\r\n"},
      {"RENAMENX h s", ":0\r\n"},
      {"COPY h s", ":0\r\n"},
      {"RENAME h i", kOk},
      {"EXISTS h", ":0\r\n"},
      {"HGETALL i", "*4\r\n" + bulk("f") + bulk("1") + bulk("g") + bulk("2")},
      {"COPY i s REPLACE", ":1\r\n"},
      {"HGET s g", bulk("2")},
      {"SET t v EX 100", kOk},
      {"RENAME t s", kOk},
      {"GET s", bulk("v")},
      {"TTL s", ":100\r\n"},
      {"EXISTS t", ":0\r\n"},
      {"COPY s s DB 1", ":1\r\n"},
      {"COPY s s DB 1", ":0\r\n"},
      {"COPY s s DB 16", "-ERR DB index is out of range\r\n"},
      {"COPY s s FOO", kSyntax},
      {"SELECT 1", kOk},
      {"GET s", bulk("v")},
      {"TTL s", ":100\r\n"},
  });
}

TEST_F(HashCommands, Scan) {
  for (int i = 0; i < 5; ++i)
    say({"HSET", "h", "f" + std::to_string(i), std::to_string(i)});
  run({
      {"HSCAN absent 0", "*2\r\n" + bulk("0") + "*0\r\n"},
      {"HSCAN h 0 COUNT 2",
       "*2\r\n" + bulk("2") + "*4\r\n" + bulk("f0") + bulk("0") + bulk("f1") + bulk("1")},
      {"HSCAN h 2 COUNT 10 MATCH *4", "*2\r\n" + bulk("0") + "*2\r\n" + bulk("f4") + bulk("4")},
      {"HSCAN h x", "-ERR invalid cursor\r\n"},
      {"HSCAN h 0 TYPE string", kSyntax},
      {"HSCAN h 0 COUNT 0", kSyntax},
  });
}

TEST_F(HashCommands, AFlushTakesThemAlong) {
  run({{"HSET h f 1", ":1\r\n"},
       {"SELECT 1", kOk},
       {"HSET h f 1", ":1\r\n"},
       {"FLUSHDB", kOk},
       {"EXISTS h", ":0\r\n"},
       {"SELECT 0", kOk},
       {"EXISTS h", ":1\r\n"},
       {"FLUSHALL", kOk},
       {"EXISTS h", ":0\r\n"}});
}

TEST_F(HashCommands, AnEraseWithAReceiptNamesAllFields) {
  run({{"HSET h f 1 g 2", ":2\r\n"}});
  store.calls.clear();
  say({"KACHEL.ERASE", "KEY", "h", "s", "REASON", "case 7"});
  ASSERT_FALSE(store.calls.empty());
  EXPECT_EQ(store.calls.back(), "erase keys of 0 h s .f .g because case 7");
  EXPECT_TRUE(session->idle());
}

TEST_F(HashCommands, MetaTellsWhatTheFieldsHaveTogether) {
  run({{"HSET h f 1 g 22", ":2\r\n"},
       {"KACHEL.META h", "*10\r\n" + bulk("kind") + bulk("hash") + bulk("fields") + ":2\r\n" +
                             bulk("expires_at_ms") + ":0\r\n" + bulk("raw_bytes") + ":3\r\n" +
                             bulk("version") + ":2\r\n"}});
}

TEST_F(HashCommands, CostNothingWhereThereIsNone) {
  run({{"SET s v", kOk}});
  store.calls.clear();
  run({{"GET s", bulk("v")}, {"SET s w", kOk}, {"DEL s", ":1\r\n"}, {"EXISTS s", ":0\r\n"}});
  EXPECT_EQ(store.calls, (std::vector<std::string>{"get s", "put s", "erase s", "glimpse s"}));
}

TEST_F(HashCommands, AReplyTooLargeIsRefused) {
  state.limits.output_hard_bytes = 1000;
  open();
  for (int i = 0; i < 4; ++i)
    say({"HSET", "h", "f" + std::to_string(i), std::string(300, 'x')});
  EXPECT_EQ(say({"HGETALL", "h"}), "-ERR the reply would exceed 1000 bytes: use HSCAN\r\n");
  EXPECT_EQ(say({"KEYS", "*"}), "*1\r\n" + bulk("h"));
}

TEST_F(HashCommands, WhatThePolicyDoesNotTakeIsAcceptedAndDropped) {
  PolicySet set;
  TenantPolicy policy;
  policy.require_subject = true;
  say({"HSET", "h", "f", "1"});
  set.set(std::string(kDefaultTenant), policy);
  state.policy.publish(std::make_shared<const PolicySet>(std::move(set)));
  run({{"HSET h f 2 g 3", ":1\r\n"},
       {"HINCRBY h n 1", ":1\r\n"},
       {"HGETALL h", "*0\r\n"},
       {"INCR n", ":1\r\n"},
       {"EXISTS n", ":0\r\n"}});
}

}  // namespace
}  // namespace kachel::server
