// Every command's replies, in tables: what is sent, what comes back. The texts are Redis 7's.
#include <gtest/gtest.h>

#include "tests/unit/server/commands_fixture.h"

namespace kachel::server {
namespace {

TEST_F(CommandsTest, GetAndSet) {
  run({
      {"GET k", kNull},
      {"SET k v", kOk},
      {"get k", bulk("v")},
      {"SET k ''", kOk},
      {"GET k", bulk("")},
      {"SET k", arity("set")},
      {"GET", arity("get")},
      {"SETEX k 10 v", kOk},
      {"TTL k", ":10\r\n"},
      {"SETEX k 0 v", invalid_time("setex")},
      {"SETEX k x v", kNotInteger},
      {"PSETEX k 1500 v", kOk},
      {"PTTL k", ":1500\r\n"},
      {"PSETEX k -1 v", invalid_time("psetex")},
      {"SETNX k w", ":0\r\n"},
      {"SETNX new w", ":1\r\n"},
      {"STRLEN new", ":1\r\n"},
      {"STRLEN none", ":0\r\n"},
      {"MSET a 1 b 2", kOk},
      {"MSET a 1 b", arity("mset")},
      {"MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n"},
  });
}

TEST_F(CommandsTest, SetOptions) {
  run({
      {"SET k 1 NX", kOk},
      {"SET k 2 NX", kNull},
      {"SET k 2 XX", kOk},
      {"SET none 2 XX", kNull},
      {"SET k 3 NX XX", kSyntax},
      {"SET k 3 XX NX", kSyntax},
      {"SET k 3 EX", kSyntax},
      {"SET k 3 EX 10 PX 10", kSyntax},
      {"SET k 3 EX 10 KEEPTTL", kSyntax},
      {"SET k 3 KEEPTTL PXAT 10", kSyntax},
      {"SET k 3 PERSIST", kSyntax},
      {"SET k 3 NONSENSE", kSyntax},
      {"SET k 3 EX 0", invalid_time("set")},
      {"SET k 3 EX -1", invalid_time("set")},
      {"SET k 3 PX 0", invalid_time("set")},
      {"SET k 3 EXAT 0", invalid_time("set")},
      {"SET k 3 EX 9223372036854775807", invalid_time("set")},
      {"SET k 3 PX 9223372036854775807", invalid_time("set")},
      {"SET k 3 EX abc", kNotInteger},
      {"SET k 3 EX 99999999999999999999", kNotInteger},
      {"GET k", bulk("2")},
      {"SET k 3 ex 10", kOk},
      {"TTL k", ":10\r\n"},
      {"SET k 4 KEEPTTL", kOk},
      {"TTL k", ":10\r\n"},
      {"SET k 5", kOk},
      {"TTL k", ":-1\r\n"},
      {"SET k 6 PX 2500", kOk},
      {"PTTL k", ":2500\r\n"},
      {"SET k 7 PXAT " + now_plus(5000), kOk},
      {"PTTL k", ":5000\r\n"},
      {"SET k 8 EXAT 1700000100", kOk},
      {"EXPIRETIME k", ":1700000100\r\n"},
      {"SET k 9 PXAT " + now_plus(-5), kOk},
      {"GET k", kNull},
  });
}

TEST_F(CommandsTest, SetGet) {
  run({
      {"SET k 1 GET", kNull},
      {"SET k 2 GET", bulk("1")},
      {"SET k 3 GET NX", bulk("2")},
      {"GET k", bulk("2")},
      {"SET k 3 XX GET EX 10", bulk("2")},
      {"TTL k", ":10\r\n"},
      {"SET k 4 GET KEEPTTL", bulk("3")},
      {"TTL k", ":10\r\n"},
      {"SET none 1 XX GET", kNull},
      {"EXISTS none", ":0\r\n"},
      {"SET none 1 NX GET", kNull},
      {"GET none", bulk("1")},
  });
}

TEST_F(CommandsTest, ReadModifyWriteIsTriedAgainWhenTheVersionChanged) {
  say({"SET", "k", "1"});
  store.version_conflicts = 3;
  run({{"SET k 2 GET", bulk("1")}, {"GET k", bulk("2")}});
  store.version_conflicts = 3;
  run({{"GETEX k EX 10", bulk("2")}, {"TTL k", ":10\r\n"}});
  store.version_conflicts = 3;
  run({{"GETDEL k", bulk("2")}, {"GET k", kNull}});
  say({"SET", "k", "1"});
  store.version_conflicts = 1000;
  EXPECT_EQ(say({"SET", "k", "2", "GET"}),
            "-ERR the key is being changed by other clients; try again\r\n");
}

TEST_F(CommandsTest, ReadModifyWriteHoldsLaterCommands) {
  store.mode = FakeStore::Mode::kSettled;
  feed(request({"SET", "k", "1", "GET"}) + request({"GET", "k"}));
  EXPECT_EQ(store.calls, std::vector<std::string>{"get k"});
  store.complete_all();
  EXPECT_EQ(received(), kNull + bulk("1"));
}

TEST_F(CommandsTest, GetExAndGetDel) {
  run({
      {"GETEX k", kNull},
      {"GETEX k EX 10", kNull},
      {"SET k v", kOk},
      {"GETEX k EX 10", bulk("v")},
      {"TTL k", ":10\r\n"},
      {"GETEX k", bulk("v")},
      {"GETEX k PERSIST", bulk("v")},
      {"TTL k", ":-1\r\n"},
      {"GETEX k PERSIST", bulk("v")},
      {"GETEX k EX 0", invalid_time("getex")},
      {"GETEX k EX 1 PX 1", kSyntax},
      {"GETEX k KEEPTTL", kSyntax},
      {"GETEX k EX", kSyntax},
      {"GETEX k PXAT 1", bulk("v")},
      {"GET k", kNull},
      {"GETDEL k", kNull},
      {"SET k v", kOk},
      {"GETDEL k", bulk("v")},
      {"GETDEL k", kNull},
      {"GETDEL", arity("getdel")},
  });
}

TEST_F(CommandsTest, DeletionAndExistence) {
  run({
      {"MSET a 1 b 2 c 3", kOk},
      {"EXISTS a a none b", ":3\r\n"},
      {"DEL a a none", ":1\r\n"},
      {"UNLINK b c d", ":2\r\n"},
      {"DEL", arity("del")},
      {"TYPE a", "+none\r\n"},
      {"SET a 1", kOk},
      {"TYPE a", "+string\r\n"},
      {"DBSIZE", ":1\r\n"},
      {"SELECT 3", kOk},
      {"DBSIZE", ":0\r\n"},
      {"SET z 1", kOk},
      {"FLUSHDB ASYNC", kOk},
      {"FLUSHDB NOW", kSyntax},
      {"FLUSHALL SYNC x", kSyntax},
      {"SELECT 0", kOk},
      {"DBSIZE", ":1\r\n"},
      {"FLUSHALL", kOk},
      {"DBSIZE", ":0\r\n"},
  });
}

TEST_F(CommandsTest, Expiry) {
  run({
      {"EXPIRE none 10", ":0\r\n"},
      {"TTL none", ":-2\r\n"},
      {"PEXPIRETIME none", ":-2\r\n"},
      {"SET k v", kOk},
      {"TTL k", ":-1\r\n"},
      {"PERSIST k", ":0\r\n"},
      {"EXPIRE k 100", ":1\r\n"},
      {"TTL k", ":100\r\n"},
      {"PTTL k", ":100000\r\n"},
      {"PEXPIRE k 1400", ":1\r\n"},
      {"TTL k", ":1\r\n"},
      {"PEXPIRE k 1500", ":1\r\n"},
      {"TTL k", ":2\r\n"},
      {"EXPIREAT k 1700000050", ":1\r\n"},
      {"EXPIRETIME k", ":1700000050\r\n"},
      {"PEXPIREAT k 1700000060001", ":1\r\n"},
      {"PEXPIRETIME k", ":1700000060001\r\n"},
      {"PERSIST k", ":1\r\n"},
      {"EXPIRE k 10 XX", ":0\r\n"},
      {"EXPIRE k 10 GT", ":0\r\n"},
      {"EXPIRE k 10 XX LT", ":0\r\n"},
      {"EXPIRE k 10 NX", ":1\r\n"},
      {"EXPIRE k 20 NX", ":0\r\n"},
      {"EXPIRE k 20 XX GT", ":1\r\n"},
      {"EXPIRE k 10 GT", ":0\r\n"},
      {"EXPIRE k 10 LT", ":1\r\n"},
      {"EXPIRE k 5 XX LT", ":1\r\n"},
      {"TTL k", ":5\r\n"},
      {"EXPIRE k 10 NX XX",
       "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
      {"EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"},
      {"EXPIRE k 10 AA", "-ERR Unsupported option AA\r\n"},
      {"EXPIRE k ten", kNotInteger},
      {"EXPIRE k 9223372036854775807", invalid_time("expire")},
      {"PEXPIRE k 9223372036854775807", invalid_time("pexpire")},
      {"EXPIRE k -9223372036854775808", invalid_time("expire")},
      {"EXPIRE k -1", ":1\r\n"},
      {"EXISTS k", ":0\r\n"},
      {"SET k v", kOk},
      {"EXPIREAT k 0", ":1\r\n"},
      {"EXISTS k", ":0\r\n"},
  });
}

TEST_F(CommandsTest, ScanGivesEveryKeyOnce) {
  for (int i = 0; i < 25; ++i)
    store.rows[{0, "k" + std::to_string(i)}] = {Entry::make("v"), 0};
  run({
      {"SCAN 0 COUNT 1000 MATCH k1?", "*2\r\n$1\r\n0\r\n*10\r\n" +
                                          [] {
                                            std::string keys;
                                            for (int i = 10; i < 20; ++i)
                                              keys += bulk("k" + std::to_string(i));
                                            return keys;
                                          }()},
      {"SCAN 0 COUNT 1000 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n"},
      {"SCAN 24 COUNT 2", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk9\r\n"},
      {"SCAN 0 COUNT 1", "*2\r\n$1\r\n1\r\n*1\r\n$2\r\nk0\r\n"},
      {"SCAN x", "-ERR invalid cursor\r\n"},
      {"SCAN -1", "-ERR invalid cursor\r\n"},
      {"SCAN 0 COUNT 0", kSyntax},
      {"SCAN 0 COUNT x", kNotInteger},
      {"SCAN 0 COUNT", kSyntax},
      {"SCAN 0 NONSENSE 1", kSyntax},
  });
}

TEST_F(CommandsTest, Connection) {
  run({
      {"PING", "+PONG\r\n"},
      {"PING hello", bulk("hello")},
      {"PING a b", arity("ping")},
      {"ECHO hello", bulk("hello")},
      {"SELECT 16", "-ERR DB index is out of range\r\n"},
      {"SELECT -1", "-ERR DB index is out of range\r\n"},
      {"SELECT x", kNotInteger},
      {"AUTH secret",
       "-ERR AUTH <password> called without any password configured for the default user. Are "
       "you sure your configuration is correct?\r\n"},
      {"AUTH default secret", kOk},
      {"AUTH someone secret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
      {"AUTH a b c", kSyntax},
      {"HELLO 4", "-NOPROTO unsupported protocol version\r\n"},
      {"HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"},
      {"HELLO 2 NONSENSE", "-ERR Syntax error in HELLO option 'NONSENSE'\r\n"},
      {"HELLO 3 AUTH someone x",
       "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
      {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
      {"NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"},
      {"RESET", "+RESET\r\n"},
  });
}

TEST_F(CommandsTest, HelloChangesTheProtocolOfWhatFollows) {
  const std::string reply = say({"HELLO", "3", "AUTH", "default", "x", "SETNAME", "me"});
  EXPECT_EQ(reply.substr(0, 4), "%7\r\n");
  EXPECT_NE(reply.find("$5\r\nproto\r\n:3\r\n"), std::string::npos);
  EXPECT_EQ(say({"GET", "none"}), "_\r\n");
  EXPECT_EQ(say({"CLIENT", "GETNAME"}), bulk("me"));
  EXPECT_EQ(say({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(say({"GET", "none"}), kNull);
  EXPECT_EQ(say({"HELLO"}).substr(0, 5), "*14\r\n");
}

TEST_F(CommandsTest, AReplyKeepsTheProtocolItWasAskedIn) {
  store.mode = FakeStore::Mode::kSettled;
  feed(request({"GET", "a"}) + request({"HELLO", "3"}) + request({"GET", "a"}));
  store.complete(1);
  store.complete(0);
  const std::string reply = received();
  EXPECT_EQ(reply.substr(0, 5), kNull);
  EXPECT_EQ(reply.substr(reply.size() - 3), "_\r\n");
}

TEST_F(CommandsTest, Client) {
  const std::string id = std::to_string(client->id);
  run({
      {"CLIENT ID", ":" + id + "\r\n"},
      {"CLIENT GETNAME", kNull},
      {"CLIENT SETNAME worker-1", kOk},
      {"CLIENT GETNAME", bulk("worker-1")},
      {"CLIENT SETNAME ''", kOk},
      {"CLIENT GETNAME", kNull},
      {"CLIENT SETINFO LIB-NAME redis-py", kOk},
      {"CLIENT SETINFO lib-ver 5.0", kOk},
      {"CLIENT SETINFO other 5.0", "-ERR Unrecognized option 'other'\r\n"},
      {"CLIENT NO-EVICT on", kOk},
      {"CLIENT NO-TOUCH OFF", kOk},
      {"CLIENT NO-TOUCH maybe", kSyntax},
      {"CLIENT REPLY ON", kOk},
      {"CLIENT MAINT_NOTIFICATIONS ON",
       "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"},
      {"CLIENT", arity("client")},
      {"CLIENT SETNAME", arity("client|setname")},
      {"CLIENT NONSENSE", "-ERR unknown subcommand 'NONSENSE'. Try CLIENT HELP.\r\n"},
      {"CLIENT KILL 1.2.3.4:5", "-ERR No such client\r\n"},
      {"CLIENT KILL ID 9999", ":0\r\n"},
      {"CLIENT KILL ID x", "-ERR client-id should be greater than 0\r\n"},
  });
  EXPECT_EQ(say({"CLIENT", "SETNAME", "a b"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  const std::string info = say({"CLIENT", "INFO"});
  EXPECT_NE(info.find("id=" + id + " addr=127.0.0.1:4000"), std::string::npos);
  EXPECT_NE(info.find("lib-name=redis-py lib-ver=5.0"), std::string::npos);
  EXPECT_NE(say({"CLIENT", "LIST"}).find("cmd=client|list"), std::string::npos);
  EXPECT_NE(say({"CLIENT", "LIST", "ID", id}).find("id=" + id), std::string::npos);
  EXPECT_EQ(say({"CLIENT", "KILL", "ID", id}), ":1\r\n");
  EXPECT_TRUE(session->ended());
}

TEST_F(CommandsTest, AClientCanBeKilledByAnother) {
  auto other = std::make_shared<ClientRecord>();
  other->address = "127.0.0.1:5000";
  bool killed = false;
  other->kill = [&] { killed = true; };
  state.clients.add(other);
  EXPECT_EQ(say({"CLIENT", "KILL", "127.0.0.1:5000"}), kOk);
  EXPECT_TRUE(killed);
  EXPECT_FALSE(session->ended());
}

TEST_F(CommandsTest, CommandTable) {
  const std::string count = say({"COMMAND", "COUNT"});
  EXPECT_EQ(count, ":" + std::to_string(all_commands().size()) + "\r\n");
  EXPECT_EQ(say({"COMMAND"}).substr(0, 3), "*" + count.substr(1, 2));
  EXPECT_EQ(say({"COMMAND", "INFO", "get", "none"}),
            "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
            "*3\r\n+@string\r\n+@read\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n*-1\r\n");
  EXPECT_NE(say({"COMMAND", "DOCS", "set"}).find("Sets the value of a key."), std::string::npos);
  EXPECT_NE(say({"COMMAND", "DOCS"}).find("kachel.meta"), std::string::npos);
  EXPECT_EQ(
      say({"COMMAND", "LIST", "FILTERBY", "PATTERN", "kachel.*"}),
      "*12\r\n$10\r\nkachel.set\r\n$11\r\nkachel.meta\r\n$12\r\nkachel.drain\r\n$12\r\nkachel."
      "erase\r\n"
      "$14\r\nkachel.receipt\r\n$11\r\nkachel.hold\r\n$14\r\nkachel.release\r\n"
      "$12\r\nkachel.holds\r\n$15\r\nkachel.snapshot\r\n$12\r\nkachel.alive\r\n$12\r\nkachel."
      "doubt\r\n$12\r\nkachel.lease\r\n");
  EXPECT_EQ(say({"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"}),
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(say({"COMMAND", "GETKEYS", "PING"}), "-ERR The command has no key arguments\r\n");
}

TEST_F(CommandsTest, Config) {
  run({
      {"CONFIG GET maxmemory", "*2\r\n$9\r\nmaxmemory\r\n$9\r\n268435456\r\n"},
      {"CONFIG GET nothing", "*0\r\n"},
      {"CONFIG GET save appendonly",
       "*4\r\n$4\r\nsave\r\n$0\r\n\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"},
      {"CONFIG SET maxmemory 512mb", kOk},
      {"CONFIG GET MAXMEMORY", "*2\r\n$9\r\nmaxmemory\r\n$9\r\n536870912\r\n"},
      {"CONFIG SET maxmemory 1",
       "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - memory must be at "
       "least 16 MiB\r\n"},
      {"CONFIG SET maxmemory lots",
       "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
       "memory value\r\n"},
      {"CONFIG SET port 1",
       "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable "
       "config\r\n"},
      {"CONFIG SET nothing 1",
       "-ERR Unknown option or number of arguments for CONFIG SET - 'nothing'\r\n"},
      {"CONFIG SET maxmemory", arity("config|set")},
      {"CONFIG RESETSTAT", kOk},
      {"CONFIG NONSENSE x", "-ERR unknown subcommand 'NONSENSE'. Try CONFIG HELP.\r\n"},
  });
  EXPECT_EQ(store.memory, 512 * kMiB);
}

TEST_F(CommandsTest, InfoHasRedisFieldsAndOurs) {
  store.numbers.hot_hits = 5;
  store.numbers.misses = 2;
  store.numbers.buckets.push_back({3, 60, false, 1, 2, 4096});
  say({"SET", "k", "v"});
  const std::string info = say({"INFO"});
  for (const auto* field :
       {"# Server\r\n", "redis_version:7.2.0\r\n", "redis_mode:standalone\r\n", "role:master\r\n",
        "loading:0\r\n", "maxmemory:268435456\r\n", "keyspace_hits:5\r\n", "keyspace_misses:2\r\n",
        "db0:keys=1,expires=0,avg_ttl=0\r\n", "connected_clients:1\r\n",
        "total_commands_processed:2\r\n", "tcp_port:6380\r\n", "# Tiers\r\n",
        "bucket3:lifetime_min_s=60,open=1,sealed=2,bytes=4096\r\n"}) {
    EXPECT_NE(info.find(field), std::string::npos) << field;
  }
  const std::string section = say({"INFO", "Keyspace"});
  EXPECT_EQ(section, bulk("# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"));
  EXPECT_EQ(say({"INFO", "nonsense"}), bulk(""));
  say({"CONFIG", "RESETSTAT"});
  EXPECT_NE(say({"INFO", "stats"}).find("keyspace_hits:0\r\n"), std::string::npos);
}

TEST_F(CommandsTest, KachelSetAndMeta) {
  run({
      {"KACHEL.META k", kNull},
      {"KACHEL.SET k value EX 60 KIND completion MODEL m-1 SUBJECT alice SUBJECT bob ERASEBY " +
           now_plus(1000) + " TOKENS 12 34 COST 56",
       kOk},
      {"GET k", bulk("value")},
      {"TTL k", ":60\r\n"},
      {"KACHEL.SET k other NX", kNull},
      {"KACHEL.SET none other XX", kNull},
      {"KACHEL.META", arity("kachel.meta")},
  });
}

TEST_F(CommandsTest, KachelSetSaysWhatIsWrongAndWhatWouldDo) {
  const std::string options =
      "-ERR syntax error: the options are NX or XX, one of EX s, PX ms, EXAT s, PXAT ms and "
      "KEEPTTL, KIND, MODEL, SUBJECT, ERASEBY, TOKENS, COST and LEASE\r\n";
  const std::string subject_length = "-ERR SUBJECT is 0 bytes long: use 1 to 256\r\n";
  const std::string tokens =
      "-ERR TOKENS must be two whole numbers from 0: tokens in, tokens out\r\n";
  const std::string lease = "-ERR LEASE must be a token of KACHEL.LEASE: 16 hexadecimal digits\r\n";
  const std::string cost = "-ERR COST must be a whole number from 0: millionths of a US dollar\r\n";
  const std::string erase_by = "-ERR ERASEBY must be a Unix time in milliseconds\r\n";
  run({
      {"KACHEL.SET k", arity("kachel.set")},
      {"KACHEL.SET k v NX XX", options},
      {"KACHEL.SET k v EX 5 PX 5", options},
      {"KACHEL.SET k v EX", options},
      {"KACHEL.SET k v GET", options},
      {"KACHEL.SET k v EX 0", invalid_time("kachel.set")},
      {"KACHEL.SET k v EX x", kNotInteger},
      {"KACHEL.SET k v KIND poem", "-ERR unknown KIND: use completion, embedding or blob\r\n"},
      {"KACHEL.SET k v KIND", "-ERR syntax error: write KIND completion|embedding|blob\r\n"},
      {"KACHEL.SET k v MODEL", "-ERR syntax error: write MODEL name\r\n"},
      {"KACHEL.SET k v SUBJECT", "-ERR syntax error: write SUBJECT id\r\n"},
      {"KACHEL.SET k v SUBJECT ''", subject_length},
      {"KACHEL.SET k v ERASEBY", "-ERR syntax error: write ERASEBY unix-ms\r\n"},
      {"KACHEL.SET k v ERASEBY 0", erase_by},
      {"KACHEL.SET k v ERASEBY soon", erase_by},
      {"KACHEL.SET k v ERASEBY 5",
       "-ERR ERASEBY has passed: give a Unix time in milliseconds that lies ahead\r\n"},
      {"KACHEL.SET k v TOKENS 1", "-ERR syntax error: write TOKENS in out\r\n"},
      {"KACHEL.SET k v TOKENS 1 -1", tokens},
      {"KACHEL.SET k v TOKENS x 1", tokens},
      {"KACHEL.SET k v COST", "-ERR syntax error: write COST micro-usd\r\n"},
      {"KACHEL.SET k v COST x", cost},
      {"KACHEL.SET k v COST -1", cost},
      {"KACHEL.SET k v LEASE", "-ERR syntax error: write LEASE token\r\n"},
      {"KACHEL.SET k v LEASE t", lease},
      {"KACHEL.SET k v LEASE 0123456789abcdeg", lease},
      {"KACHEL.SET k v LEASE 0123456789abcdef0", lease},
  });
  std::string many = "KACHEL.SET k v";
  for (int i = 0; i < 16; ++i)
    many += " SUBJECT s" + std::to_string(i);
  run({{many + " SUBJECT one-more", "-ERR too many SUBJECTs: name at most 16\r\n"}});
  EXPECT_EQ(say({"KACHEL.SET", "k", "v", "MODEL", std::string(257, 'm')}),
            "-ERR MODEL is 257 bytes long: use at most 256\r\n");
  EXPECT_EQ(say({"KACHEL.SET", "k", "v", "SUBJECT", std::string(257, 's')}),
            "-ERR SUBJECT is 257 bytes long: use 1 to 256\r\n");
  EXPECT_EQ(store.calls, std::vector<std::string>()) << "something was lost on the way";
  run({{many + " SUBJECT s3", kOk}});  // named twice: still 16
  EXPECT_EQ(store.row("k")->entry->metadata.subjects.size(), 16u);
}

TEST_F(CommandsTest, MetaIsAMapInResp3) {
  say({"HELLO", "3"});
  say({"KACHEL.SET", "k", "value", "KIND", "embedding", "SUBJECT", "alice", "TOKENS", "1", "2"});
  const std::string now = std::to_string(store.now_ms());
  EXPECT_EQ(say({"KACHEL.META", "k"}),
            "%13\r\n" + bulk("kind") + bulk("embedding") + bulk("model") + bulk("") +
                bulk("subjects") + "*1\r\n" + bulk("alice") + bulk("created_ms") + ":" + now +
                "\r\n" + bulk("expires_at_ms") + ":0\r\n" + bulk("erase_by_ms") + ":0\r\n" +
                bulk("tokens_in") + ":1\r\n" + bulk("tokens_out") + ":2\r\n" +
                bulk("cost_micro_usd") + ":0\r\n" + bulk("raw_bytes") + ":5\r\n" +
                bulk("stored_bytes") + ":69\r\n" + bulk("version") + ":1\r\n" + bulk("tier") +
                bulk("flash"));
  EXPECT_EQ(say({"KACHEL.META", "none"}), "_\r\n");
}

TEST_F(CommandsTest, AnEraseAnswersItsReceipt) {
  const std::string id = FakeStore::kFirstReceipt;
  const std::string mine = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
  EXPECT_EQ(say({"KACHEL.ERASE", "SUBJECT", "alice"}), bulk(id));
  EXPECT_EQ(say({"KACHEL.ERASE", "model", "m 1", "reason", "case 17"}), bulk(id));
  EXPECT_EQ(say({"KACHEL.ERASE", "TENANT", "REQUEST", mine}), bulk(mine));
  EXPECT_EQ(say({"KACHEL.ERASE", "KEY", "reason", "b", "REQUEST", mine, "REASON", ""}), bulk(mine));
  EXPECT_EQ(store.calls,
            (std::vector<std::string>{
                "erase subject of 0 alice", "erase model of 0 m 1 because case 17",
                "erase tenant of 0 as " + mine, "erase keys of 0 reason b as " + mine}));
  EXPECT_EQ(say({"KACHEL.RECEIPT", id}), bulk("{\"receipt\":1}"));
  say({"HELLO", "3"});
  EXPECT_EQ(say({"KACHEL.RECEIPT", mine}), "_\r\n");
}

TEST_F(CommandsTest, ADryRunOnlyCounts) {
  say({"HELLO", "3"});
  EXPECT_EQ(say({"KACHEL.ERASE", "KEY", "a", "b", "DRYRUN"}),
            "%4\r\n" + bulk("entries") + ":1\r\n" + bulk("copies") + ":2\r\n" + bulk("bytes") +
                ":300\r\n" + bulk("segments") + ":4\r\n");
  EXPECT_EQ(store.calls, (std::vector<std::string>{"count keys of 0 a b"}));
}

TEST_F(CommandsTest, EraseSaysHowItIsWritten) {
  const std::string syntax =
      "-ERR syntax error: write KACHEL.ERASE KEY key [key ...], SUBJECT id, MODEL name or TENANT, "
      "then any of DRYRUN, REASON text and REQUEST uuid\r\n";
  EXPECT_EQ(say({"KACHEL.ERASE", "PERSON", "alice"}), syntax);
  EXPECT_EQ(say({"KACHEL.ERASE", "SUBJECT"}), syntax);
  EXPECT_EQ(say({"KACHEL.ERASE", "SUBJECT", "alice", "bob"}), syntax);
  EXPECT_EQ(say({"KACHEL.ERASE", "SUBJECT", "alice", "REASON"}), syntax);
  EXPECT_EQ(say({"KACHEL.ERASE", "TENANT", "REQUEST", "17"}),
            "-ERR REQUEST takes a UUID, such as 6ba7b810-9dad-41d1-80b4-00c04fd430c8\r\n");
  EXPECT_EQ(say({"KACHEL.RECEIPT", "x"}),
            "-ERR a receipt's id is the UUID that KACHEL.ERASE answered\r\n");
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(CommandsTest, HoldsArePlacedListedAndReleased) {
  const std::string id = FakeStore::kFirstReceipt;
  EXPECT_EQ(say({"KACHEL.HOLD", "SUBJECT", "alice", "REASON", "case 7"}), bulk(id));
  EXPECT_EQ(say({"kachel.hold", "tenant", "reason", "case 8"}), bulk(id));
  EXPECT_EQ(say({"KACHEL.RELEASE", id}), "+OK\r\n");
  EXPECT_EQ(say({"KACHEL.RELEASE", id, "REASON", "case 7 is closed"}), "+OK\r\n");
  EXPECT_EQ(store.calls, (std::vector<std::string>{
                             "hold alice of 0 because case 7", "hold all of 0 because case 8",
                             "release " + id + " of 0 because ",
                             "release " + id + " of 0 because case 7 is closed"}));
  say({"HELLO", "3"});
  EXPECT_EQ(say({"KACHEL.HOLDS"}), "*1\r\n%5\r\n" + bulk("id") + bulk(id) + bulk("scope") +
                                       bulk("subject") + bulk("target") + bulk("00ff") +
                                       bulk("reason") + bulk("case 7") + bulk("placed_ms") +
                                       ":17\r\n");
}

TEST_F(CommandsTest, HoldSaysHowItIsWritten) {
  const std::string syntax =
      "-ERR syntax error: write KACHEL.HOLD SUBJECT id REASON text, or KACHEL.HOLD TENANT REASON "
      "text\r\n";
  EXPECT_EQ(say({"KACHEL.HOLD", "KEY", "a", "REASON", "x"}), syntax);
  EXPECT_EQ(say({"KACHEL.HOLD", "SUBJECT", "REASON", "x"}), syntax);
  EXPECT_EQ(say({"KACHEL.HOLD", "SUBJECT"}), syntax);
  EXPECT_EQ(say({"KACHEL.HOLD", "SUBJECT", "alice"}), syntax);
  EXPECT_EQ(say({"KACHEL.HOLD", "TENANT"}), syntax);
  EXPECT_EQ(say({"KACHEL.HOLD", "TENANT", "REASON", "x", "y"}), syntax);
  EXPECT_EQ(say({"KACHEL.RELEASE", "x"}),
            "-ERR a hold's id is the UUID that KACHEL.HOLD answered\r\n");
  EXPECT_EQ(say({"KACHEL.RELEASE", FakeStore::kFirstReceipt, "x"}),
            "-ERR syntax error: write KACHEL.RELEASE hold-id [REASON text]\r\n");
  EXPECT_TRUE(store.calls.empty());
}

TEST_F(CommandsTest, TheEnginesErrorsAreToldWithTheirMessage) {
  store.failure = Error{ErrorCode::kTooLarge, "the value is larger than 64 MiB"};
  for (const auto* command : {"SET k v",        "GET k",           "MGET a b",
                              "MSET a 1",       "DEL a b",         "EXISTS a",
                              "TTL k",          "EXPIRE k 1",      "EXPIRE k 1 XX LT",
                              "GETDEL k",       "GETEX k PERSIST", "SET k v GET",
                              "SCAN 0",         "STRLEN k",        "TYPE k",
                              "KACHEL.SET k v", "KACHEL.META k",   "KACHEL.ERASE SUBJECT a",
                              "FLUSHDB",        "FLUSHALL"}) {
    EXPECT_EQ(say(words(command)), "-ERR the value is larger than 64 MiB\r\n") << command;
  }
}

TEST_F(CommandsTest, AValueDroppedUnderPressureIsAnsweredOk) {
  store.forced_outcome = PutOutcome::kNotStored;
  run({
      {"SET k v", kOk},
      {"SETNX k v", ":1\r\n"},
      {"MSET k v", kOk},
      {"KACHEL.SET k v", kOk},
      {"SET k v GET", kNull},
  });
}

TEST_F(CommandsTest, EveryCommandHasAHandlerAndAnArity) {
  for (const CommandSpec* spec : all_commands()) {
    EXPECT_NE(spec->arity, 0) << spec->name;
    EXPECT_TRUE(spec->handler != nullptr || has_subcommands(*spec)) << spec->name;
    EXPECT_FALSE(spec->summary.empty()) << spec->name;
    EXPECT_EQ(find_command(spec->name), spec);
  }
}

}  // namespace
}  // namespace kachel::server
