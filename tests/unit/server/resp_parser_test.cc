#include "server/resp_parser.h"

#include <gtest/gtest.h>
#include <random>

#include "server/input_buffer.h"

namespace kachel::server {
namespace {

using Status = RequestParser::Status;
using Request = std::vector<std::string>;

struct Outcome {
  std::vector<Request> requests;
  std::string error;
  std::size_t left = 0;  // bytes of a request that is not whole
};

/// Feeds `text` in pieces of `piece` bytes, as a session would.
Outcome feed(std::string_view text, std::size_t piece, const ParserLimits& limits = {}) {
  RequestParser parser(limits);
  InputBuffer input;
  Outcome outcome;
  while (!text.empty()) {
    input.append(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    Status status;
    while ((status = parser.parse(input.view())) == Status::kRequest) {
      const auto arguments = parser.arguments(input.view());
      outcome.requests.emplace_back(arguments.begin(), arguments.end());
      input.consume(parser.length());
      parser.next();
    }
    if (status == Status::kError) {
      outcome.error = parser.error();
      return outcome;
    }
  }
  outcome.left = input.size();
  return outcome;
}

Outcome feed_all(std::string_view text, const ParserLimits& limits = {}) {
  return feed(text, text.size(), limits);
}

TEST(RequestParser, ReadsArraysOfBulkStrings) {
  const Outcome outcome =
      feed_all("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n");
  ASSERT_EQ(outcome.requests.size(), 2u);
  EXPECT_EQ(outcome.requests[0], (Request{"SET", "k", "a\r\nb"}));
  EXPECT_EQ(outcome.requests[1], Request{"PING"});
}

TEST(RequestParser, ReadsInlineCommandsWithQuotesAndEscapes) {
  const Outcome outcome =
      feed_all("  SET key \"a b\\n\\x41\\\"\"  'it\\'s'\r\nPING\n\r\nSET \"\" \"\\xZZ\"\r\n");
  ASSERT_EQ(outcome.requests.size(), 4u);
  EXPECT_EQ(outcome.requests[0], (Request{"SET", "key", "a b\nA\"", "it's"}));
  EXPECT_EQ(outcome.requests[1], Request{"PING"});
  EXPECT_EQ(outcome.requests[2], Request{});
  EXPECT_EQ(outcome.requests[3], (Request{"SET", "", "xZZ"}));
}

TEST(RequestParser, EmptyAndNegativeArraysAreEmptyRequests) {
  const Outcome outcome = feed_all("*0\r\n*-1\r\n*1\r\n$0\r\n\r\n");
  ASSERT_EQ(outcome.requests.size(), 3u);
  EXPECT_EQ(outcome.requests[0], Request{});
  EXPECT_EQ(outcome.requests[1], Request{});
  EXPECT_EQ(outcome.requests[2], Request{""});
}

struct ErrorCase {
  std::string text;
  std::string error;
};

TEST(RequestParser, SaysWhatIsWrongInRedisWords) {
  const ErrorCase cases[] = {
      {"*x\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*99999999999999999999\r\n", "invalid multibulk length"},
      {"*1\r\nxyz\r\n", "expected '$', got 'x'"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$+1\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999\r\n", "invalid bulk length"},
      {"*1\r\n$1\r\nabc", "expected CRLF after bulk"},
      {"SET \"a\r\n", "unbalanced quotes in request"},
      {"SET 'a'b\r\n", "unbalanced quotes in request"},
      {"*" + std::string(100, '1'), "too big mbulk count string"},
      {"*1\r\n$" + std::string(100, '1'), "too big bulk count string"},
      {std::string(70'000, 'a'), "too big inline request"},
  };
  for (const ErrorCase& bad : cases) {
    EXPECT_EQ(feed_all(bad.text).error, "Protocol error: " + bad.error) << bad.text.substr(0, 40);
    EXPECT_EQ(feed(bad.text, 1).error, "Protocol error: " + bad.error) << bad.text.substr(0, 40);
  }
}

TEST(RequestParser, TheWholeRequestIsBounded) {
  ParserLimits limits;
  limits.max_request_bytes = 64;
  EXPECT_EQ(feed_all("*2\r\n$30\r\n" + std::string(30, 'a') + "\r\n$30\r\n", limits).error,
            "Protocol error: too big request");
}

TEST(RequestParser, ByteByByteIsTheSameAsAllAtOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 5; ++i) {
      const auto count = random() % 4;
      text += "*" + std::to_string(count) + "\r\n";
      for (std::size_t j = 0; j < count; ++j) {
        const auto length = random() % 40;
        text += "$" + std::to_string(length) + "\r\n";
        for (std::size_t k = 0; k < length; ++k)
          text.push_back(static_cast<char>(random() % 256));
        text += "\r\n";
      }
      if (random() % 3 == 0) text += "GET \"k\\x00\" 'v'\n";
    }
    // Some of them damaged.
    if (round % 2 == 1) text[random() % text.size()] = static_cast<char>(random() % 256);
    const Outcome whole = feed_all(text);
    for (const std::size_t piece : {1u, 3u, 17u}) {
      const Outcome parts = feed(text, piece);
      EXPECT_EQ(parts.requests, whole.requests);
      EXPECT_EQ(parts.error, whole.error);
      if (whole.error.empty()) {
        EXPECT_EQ(parts.left, whole.left);
      }
    }
  }
}

TEST(RequestParser, RandomBytesNeverBreakIt) {
  std::mt19937 random(11);
  const std::string_view alphabet = "*$0123456789-\r\n \"'\\xab";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (auto i = random() % 64; i > 0; --i)
      text.push_back(alphabet[random() % alphabet.size()]);
    feed(text, 1 + random() % 5);
  }
}

TEST(RequestParser, AnAnnouncedLengthCostsNothing) {
  RequestParser parser({});
  InputBuffer input;
  input.append("*2\r\n$3\r\nSET\r\n$67108864\r\n");
  EXPECT_EQ(parser.parse(input.view()), Status::kNeedMore);
  EXPECT_GT(parser.wanted(), std::size_t{64} << 20);
  EXPECT_LE(input.space(parser.wanted()).size() + input.size(), 32u * 1024);
}

TEST(RequestParser, ALargeBulkInSmallPiecesIsLookedAtOnce) {
  RequestParser parser({});
  InputBuffer input;
  input.append("*1\r\n$8388608\r\n");
  const std::string piece(512, '\n');  // would be found if anyone searched the bulk
  for (std::size_t sent = 0; sent < 8388608; sent += piece.size()) {
    ASSERT_EQ(parser.parse(input.view()), Status::kNeedMore);
    input.append(piece);
  }
  input.append("\r\n");
  ASSERT_EQ(parser.parse(input.view()), Status::kRequest);
  EXPECT_EQ(parser.arguments(input.view())[0].size(), 8388608u);
  EXPECT_LE(input.capacity(), 32u << 20);
}

TEST(InputBuffer, KeepsNoMemoryWhileEmpty) {
  InputBuffer input;
  input.append("abc");
  EXPECT_GT(input.capacity(), 0u);
  input.consume(3);
  EXPECT_EQ(input.capacity(), 0u);
}

TEST(ParseInteger, IsAsStrictAsRedis) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("9223372036854775807"), 9223372036854775807);
  for (const auto* bad : {"", "-", "+1", "01", "-0", "1 ", " 1", "1.0", "9223372036854775808"}) {
    EXPECT_FALSE(parse_integer(bad)) << bad;
  }
}

}  // namespace
}  // namespace kachel::server
