// Commands and their replies in tables: what is sent, what comes back.
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "tests/unit/server/session_fixture.h"

namespace kachel::server {

struct Exchange {
  std::string command;  // words separated by spaces, '' for an empty one
  std::string reply;
};

class CommandsTest : public SessionTest {
 protected:
  static std::vector<std::string> words(const std::string& line) {
    std::vector<std::string> found;
    std::string word;
    for (const char c : line + " ") {
      if (c != ' ') {
        word.push_back(c);
      } else if (!word.empty()) {
        found.push_back(word == "''" ? "" : word);
        word.clear();
      }
    }
    return found;
  }
  void run(const std::vector<Exchange>& exchanges) {
    for (const Exchange& each : exchanges) {
      EXPECT_EQ(say(words(each.command)), each.reply) << each.command;
      EXPECT_TRUE(session->idle()) << each.command;
    }
  }
  std::string now_plus(std::int64_t ms) { return std::to_string(store.now_ms() + ms); }
};

inline const std::string kOk = "+OK\r\n";
inline const std::string kNull = "$-1\r\n";
inline const std::string kSyntax = "-ERR syntax error\r\n";
inline const std::string kNotInteger = "-ERR value is not an integer or out of range\r\n";
inline std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
inline std::string invalid_time(const std::string& command) {
  return "-ERR invalid expire time in '" + command + "' command\r\n";
}
inline std::string arity(const std::string& command) {
  return "-ERR wrong number of arguments for '" + command + "' command\r\n";
}

}  // namespace kachel::server
