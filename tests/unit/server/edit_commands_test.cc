// Commands that change values in place, and trifles that clients ask for.
#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

using EditCommands = CommandsTest;

TEST_F(EditCommands, Numbers) {
  run({
      {"INCR n", ":1\r\n"},
      {"INCRBY n 41", ":42\r\n"},
      {"DECR n", ":41\r\n"},
      {"DECRBY n 50", ":-9\r\n"},
      {"DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n"},
      {"INCRBY n x", kNotInteger},
      {"SET text abc", kOk},
      {"INCR text", kNotInteger},
      {"INCRBYFLOAT text 1", "-ERR value is not a valid float\r\n"},
      {"SET big 9223372036854775807", kOk},
      {"INCR big", "-ERR increment or decrement would overflow\r\n"},
      {"SET r 10.50 EX 100", kOk},
      {"INCRBYFLOAT r 0.1", bulk("10.6")},
      {"INCRBYFLOAT r 5.4", bulk("16")},
      {"INCRBYFLOAT r 5.0e3", bulk("5016")},
      {"INCRBYFLOAT r nan", "-ERR value is not a valid float\r\n"},
      {"INCRBYFLOAT r inf", "-ERR increment would produce NaN or Infinity\r\n"},
      {"TTL r", ":100\r\n"},
      {"INCRBYFLOAT whole 3", bulk("3")},
      {"INCRBYFLOAT whole -3", bulk("0")},
  });
}

TEST_F(EditCommands, Parts) {
  run({
      {"APPEND k Hello", ":5\r\n"},
      {"APPEND k World", ":10\r\n"},
      {"GETRANGE k 0 4", bulk("Hello")},
      {"GETRANGE k -5 -1", bulk("World")},
      {"GETRANGE k 0 -1", bulk("HelloWorld")},
      {"GETRANGE k 8 100", bulk("ld")},
      {"GETRANGE k 5 3", bulk("")},
      {"GETRANGE k -3 -5", bulk("")},
      {"GETRANGE k -100 2", bulk("Hel")},
      {"GETRANGE k 100 200", bulk("")},
      {"SUBSTR k 1 2", bulk("el")},
      {"GETRANGE absent 0 -1", bulk("")},
      {"SETRANGE k 5 Redis", ":10\r\n"},
      {"GET k", bulk("HelloRedis")},
      {"SETRANGE k 12 !", ":13\r\n"},
      {"GET k", bulk(std::string("HelloRedis\0\0!", 13))},
      {"SETRANGE absent 5 ''", ":0\r\n"},
      {"EXISTS absent", ":0\r\n"},
      {"SETRANGE k -1 x", "-ERR offset is out of range\r\n"},
      {"GETSET k new", bulk(std::string("HelloRedis\0\0!", 13))},
  });
}

TEST_F(EditCommands, MoreThanAValueTakesIsRefused) {
  state.limits.parser.max_bulk_bytes = 8;
  open();
  run({{"APPEND k 12345", ":5\r\n"},
       {"APPEND k 6789", "-ERR string exceeds maximum allowed size (8 bytes)\r\n"},
       {"SETRANGE k 7 ab", "-ERR string exceeds maximum allowed size (8 bytes)\r\n"},
       {"SETRANGE k 99999999 a", "-ERR string exceeds maximum allowed size (8 bytes)\r\n"},
       {"GET k", bulk("12345")}});
}

TEST_F(EditCommands, SetIfNoneExists) {
  run({{"MSETNX a 1 b 2", ":1\r\n"},
       {"MSETNX b 3 c 4", ":0\r\n"},
       {"EXISTS c", ":0\r\n"},
       {"GET b", bulk("2")},
       {"MSETNX a", arity("msetnx")},
       {"MSETNX a 1 b", arity("msetnx")}});
}

TEST_F(EditCommands, AnotherClientInBetweenIsNotOverwritten) {
  say({"SET", "n", "1"});
  store.version_conflicts = 3;
  EXPECT_EQ(say({"INCR", "n"}), ":2\r\n");
}

TEST_F(EditCommands, TheMetadataStays) {
  run({{"KACHEL.SET k 1 MODEL m SUBJECT alice", kOk}, {"INCR k", ":2\r\n"}});
  EXPECT_EQ(store.row("k")->entry->metadata.model, "m");
  ASSERT_EQ(store.row("k")->entry->metadata.subjects.size(), 1u);
}

TEST_F(EditCommands, Keys) {
  run({{"RANDOMKEY", kNull},
       {"MSET one 1 two 2 three 3", kOk},
       {"KEYS t*", "*2\r\n" + bulk("three") + bulk("two")},
       {"KEYS x*", "*0\r\n"},
       {"DEL one two", ":2\r\n"},
       {"RANDOMKEY", bulk("three")}});
}

TEST_F(EditCommands, Objects) {
  run({{"SET n 12", kOk},
       {"SET short abc", kOk},
       {"OBJECT ENCODING n", bulk("int")},
       {"OBJECT ENCODING short", bulk("embstr")},
       {"OBJECT ENCODING absent", kNull},
       {"OBJECT REFCOUNT n", ":1\r\n"},
       {"OBJECT FREQ n", ":0\r\n"},
       {"OBJECT FOO n", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n"},
       {"OBJECT", arity("object")},
       {"MEMORY USAGE absent", kNull},
       {"MEMORY USAGE n SAMPLES x", kNotInteger},
       {"MEMORY USAGE n FOO 1", kSyntax}});
  EXPECT_EQ(say({"OBJECT", "HELP"}).substr(0, 5), "*11\r\n");
  EXPECT_EQ(say({"OBJECT", "IDLETIME", "n"}).substr(0, 30), "-ERR An LFU maxmemory policy i");
  EXPECT_EQ(say({"MEMORY", "USAGE", "n"}).substr(0, 1), ":");
  say({"SET", "long", std::string(45, 'x')});
  EXPECT_EQ(say({"OBJECT", "ENCODING", "long"}), bulk("raw"));
}

TEST_F(EditCommands, WhatClientsAskFor) {
  run({{"MODULE LIST", "*0\r\n"},
       {"WAIT 0 0", ":0\r\n"},
       {"WAIT 1 -1", "-ERR timeout is negative\r\n"},
       {"CLIENT GETREDIR", ":-1\r\n"},
       {"LOLWUT", bulk("Redis ver. 7.2.0\n")},
       {"LPUSH l a", "-ERR unknown command 'LPUSH', with args beginning with: 'l' 'a' \r\n"},
       {"COMMAND GETKEYS HSET h f v", "*1\r\n" + bulk("h")},
       {"COMMAND GETKEYS RENAME a b", "*2\r\n" + bulk("a") + bulk("b")}});
  for (const char* name : {"hset", "multi", "json.set", "rename", "incrbyfloat", "object"}) {
    EXPECT_EQ(say({"COMMAND", "DOCS", name}).substr(0, 4), "*2\r\n") << name;
  }
}

TEST_F(EditCommands, Json) {
  run({
      {"JSON.GET k", kNull},
      {"JSON.SET k $ {\"a\":[1,2.50,null]}", kOk},
      {"JSON.GET k", bulk("{\"a\":[1,2.50,null]}")},
      {"JSON.GET k .", bulk("{\"a\":[1,2.50,null]}")},
      {"JSON.GET k $", bulk("[{\"a\":[1,2.50,null]}]")},
      {"JSON.SET k . 1 NX", kNull},
      {"JSON.SET k . 1 XX", kOk},
      {"JSON.GET k $", bulk("[1]")},
      {"JSON.SET k $ {\"a\":", "-ERR the value is not JSON: incomplete JSON at byte 5\r\n"},
      {"JSON.SET k $ 1 EX", kSyntax},
      {"JSON.SET k $.a 1",
       "-ERR only the root of a document can be read and written here: use the path $\r\n"},
      {"JSON.GET k .a",
       "-ERR only the root of a document can be read and written here: use the path $\r\n"},
      {"SET s text", kOk},
      {"JSON.GET s", "-WRONGTYPE the key holds a string that is not JSON\r\n"},
  });
}

}  // namespace
}  // namespace kachel::server
