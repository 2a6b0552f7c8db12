#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "tools/bench/protocol.h"

namespace kachel::bench {
namespace {

struct Expected {
  ReplyKind kind;
  std::string text;
};

/// Feeds `bytes` cut into two at every place, as a connection would: what is not complete is
/// parsed again with more.
void expect_replies(const Protocol& protocol, const std::string& bytes,
                    const std::vector<Expected>& expected) {
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::size_t begin = 0;
    std::size_t found = 0;
    for (const std::size_t end : {cut, bytes.size()}) {
      while (begin < end) {
        const auto parsed = protocol.parse(std::string_view(bytes).substr(begin, end - begin));
        ASSERT_TRUE(parsed) << parsed.error().message << " at " << cut;
        if (parsed->used == 0) {
          // It never wants more than there is to come, nor what it has.
          ASSERT_GT(parsed->wanted, end - begin);
          ASSERT_LE(parsed->wanted, bytes.size() - begin);
          break;
        }
        ASSERT_LT(found, expected.size());
        EXPECT_EQ(parsed->reply.kind, expected[found].kind) << found << " cut at " << cut;
        EXPECT_EQ(parsed->reply.text, expected[found].text) << found << " cut at " << cut;
        ++found;
        begin += parsed->used;
      }
    }
    EXPECT_EQ(found, expected.size());
    EXPECT_EQ(begin, bytes.size());
  }
}

TEST(BenchRedis, RepliesAreParsedWhereverTheyAreCut) {
  expect_replies(*redis_protocol(),
                 "+OK\r\n$5\r\na\r\nbc\r\n$-1\r\n:12\r\n-ERR no such thing\r\n$0\r\n\r\n_\r\n+\r\n",
                 {{ReplyKind::kOk, "OK"},
                  {ReplyKind::kValue, "a\r\nbc"},
                  {ReplyKind::kMiss, ""},
                  {ReplyKind::kOk, "12"},
                  {ReplyKind::kError, "ERR no such thing"},
                  {ReplyKind::kValue, ""},
                  {ReplyKind::kMiss, ""},
                  {ReplyKind::kOk, ""}});
}

TEST(BenchMemcached, RepliesAreParsedWhereverTheyAreCut) {
  expect_replies(
      *memcached_protocol(),
      "STORED\r\nVALUE key 0 6\r\nEND\r\nx\r\nEND\r\nEND\r\nDELETED\r\nNOT_FOUND\r\n"
      "TOUCHED\r\nSERVER_ERROR out of memory\r\nVERSION 1.6\r\nVALUE key 0 0\r\n\r\nEND\r\n",
      {{ReplyKind::kOk, "STORED"},
       {ReplyKind::kValue, "END\r\nx"},
       {ReplyKind::kMiss, ""},
       {ReplyKind::kOk, "DELETED"},
       {ReplyKind::kOk, "NOT_FOUND"},
       {ReplyKind::kOk, "TOUCHED"},
       {ReplyKind::kError, "SERVER_ERROR out of memory"},
       {ReplyKind::kOk, "VERSION 1.6"},
       {ReplyKind::kValue, ""}});
}

TEST(BenchProtocol, WhatIsAnotherProtocolIsRefused) {
  const auto redis = redis_protocol();
  for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "ERROR\r\n", "$x\r\n", "$\r\n",
                            "$-2\r\n", "$3\r\nabcd\r\n", "*1\r\n", "$99999999999999\r\n"}) {
    EXPECT_EQ(redis->parse(bytes).error().code, ErrorCode::kForeign) << bytes;
  }
  const auto memcached = memcached_protocol();
  for (const char* bytes : {"-ERR unknown command\r\n", "VALUE\r\n", "VALUE k 0 x\r\n",
                            "VALUE k 0 1\r\nabcdefgh\r\n", "HTTP/1.1 400\r\n"}) {
    EXPECT_EQ(memcached->parse(bytes).error().code, ErrorCode::kForeign) << bytes;
  }
  const std::string endless(kMaxReplyLineBytes, 'x');
  EXPECT_FALSE(redis->parse(endless));
  EXPECT_FALSE(memcached->parse(endless));
}

TEST(BenchRedis, RequestsAreWrittenInFull) {
  const auto redis = redis_protocol();
  RequestBuffer out;
  redis->get(out, "k1");
  redis->set(out, "k1", "value", 0);
  redis->set(out, "k1", "", 1500);
  redis->remove(out, "k1");
  redis->expire(out, "k1", 20);
  redis->ping(out);
  redis->authenticate(out, "", "secret");
  redis->authenticate(out, "anna", "secret");
  EXPECT_EQ(out.waiting(),
            "*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n"
            "*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$5\r\nvalue\r\n"
            "*5\r\n$3\r\nSET\r\n$2\r\nk1\r\n$0\r\n\r\n$2\r\nPX\r\n$4\r\n1500\r\n"
            "*2\r\n$3\r\nDEL\r\n$2\r\nk1\r\n"
            "*3\r\n$7\r\nPEXPIRE\r\n$2\r\nk1\r\n$2\r\n20\r\n"
            "*1\r\n$4\r\nPING\r\n"
            "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
            "*3\r\n$4\r\nAUTH\r\n$4\r\nanna\r\n$6\r\nsecret\r\n");
}

TEST(BenchMemcached, RequestsAreWrittenInFull) {
  const auto memcached = memcached_protocol();
  RequestBuffer out;
  memcached->get(out, "k1");
  memcached->set(out, "k1", "value", 1500);
  memcached->remove(out, "k1");
  memcached->expire(out, "k1", 1000);
  EXPECT_EQ(out.waiting(), "get k1\r\nset k1 0 2 5\r\nvalue\r\ndelete k1\r\ntouch k1 1\r\n");
  EXPECT_FALSE(memcached->authenticate(out, "anna", "secret"));
}

TEST(BenchBuffers, RequestsGrowAndAreSentInParts) {
  RequestBuffer out;
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    out.append("0123456789");
    all += "0123456789";
  }
  while (!out.waiting().empty()) {
    const std::size_t part = std::min<std::size_t>(777, out.waiting().size());
    ASSERT_EQ(out.waiting().substr(0, part), all.substr(0, part));
    all.erase(0, part);
    out.sent(part);
  }
  EXPECT_TRUE(all.empty());
}

TEST(BenchBuffers, RoomIsMadeForRepliesWithoutLosingAny) {
  ReplyBuffer in;
  const std::string text = "0123456789";
  text.copy(in.free_begin(), text.size());
  in.add(text.size());
  in.take(4);
  in.make_room(1 << 20U);
  EXPECT_EQ(in.received(), "456789");
  EXPECT_GE(in.free_bytes(), (1U << 20U) - 6);
}

}  // namespace
}  // namespace kachel::bench
