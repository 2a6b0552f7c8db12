#include "server/requests_ahead.h"

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

using Keys = std::vector<std::string>;

Keys ahead(std::string_view input) {
  std::array<std::string_view, 4> keys;
  const std::size_t count = gets_ahead(input, keys);
  return {keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(RequestsAhead, AreTheKeysOfGets) {
  const std::string input =
      request({"GET", "one"}) + request({"get", ""}) + request({"GET", std::string("a\r\nb\0", 5)});
  EXPECT_EQ(ahead(input), (Keys{"one", "", std::string("a\r\nb\0", 5)}));
}

TEST(RequestsAhead, EndWithWhatIsNoGet) {
  const std::string one = request({"GET", "one"});
  for (const std::string& other :
       {request({"SET", "k", "v"}), request({"GET"}), request({"DEL", "k"}),
        std::string("GET k\r\n"), std::string("*2\r\n$3\r\nGET\r\n$x\r\n"),
        std::string("*2\r\n$3\r\nGET\r\n$\r\n\r\n"), std::string("*2\r\n$3\r\nGET\r\n$12345\r\n"),
        std::string("*2\r\n$3\r\nGET\r\n$-1\r\n")}) {
    EXPECT_EQ(ahead(one + other + one), Keys{"one"}) << other;
  }
}

TEST(RequestsAhead, AreWhole) {
  const std::string two = request({"GET", "one"}) + request({"GET", "two"});
  for (std::size_t bytes = 0; bytes < two.size(); ++bytes) {
    const std::size_t whole = bytes >= two.size() / 2 ? 1 : 0;
    EXPECT_EQ(ahead(two.substr(0, bytes)).size(), whole) << bytes;
  }
  EXPECT_EQ(ahead(two), (Keys{"one", "two"}));
}

TEST(RequestsAhead, AreNoMoreThanThereIsRoomFor) {
  std::string input;
  for (int i = 0; i < 9; ++i)
    input += request({"GET", std::to_string(i)});
  EXPECT_EQ(ahead(input), (Keys{"0", "1", "2", "3"}));
}

class Foresight : public SessionTest {};

TEST_F(Foresight, TheKeysOfAPipelineAreForeseenOnce) {
  std::string input;
  for (int i = 0; i < 20; ++i)
    input += request({"GET", "k" + std::to_string(i)});
  feed(input);
  Keys expected;
  for (int i = 0; i < 20; ++i)
    expected.push_back("k" + std::to_string(i));
  EXPECT_EQ(store.foreseen, expected);
}

TEST_F(Foresight, TheKeysBehindAWriteAreForeseenAfterIt) {
  feed(request({"GET", "a"}) + request({"GET", "b"}) + request({"SET", "c", "v"}) +
       request({"GET", "d"}) + request({"GET", "e"}));
  EXPECT_EQ(store.foreseen, (Keys{"a", "b", "d", "e"}));
}

TEST_F(Foresight, OneKeyIsReadAtOnce) {
  send({"GET", "a"});
  EXPECT_TRUE(store.foreseen.empty());
}

TEST_F(Foresight, OfManyKeysAllAreForeseen) {
  Keys words = {"MGET"};
  for (int i = 0; i < 40; ++i)
    words.push_back(std::to_string(i));
  send(words);
  EXPECT_EQ(store.foreseen, Keys(words.begin() + 1, words.end()));
}

}  // namespace
}  // namespace kachel::server
