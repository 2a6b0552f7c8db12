#include <gtest/gtest.h>
#include <string>

#include "server/arguments.h"

namespace kachel::server {
namespace {

TEST(Glob, MatchesAsRedisDoes) {
  struct Case {
    std::string_view pattern, text;
    bool matches;
  };
  const Case cases[] = {
      {"*", "", true},        {"*", "abc", true},       {"", "", true},
      {"", "a", false},       {"a?c", "abc", true},     {"a?c", "ac", false},
      {"a*c", "abbbc", true}, {"a*c", "abbbd", false},  {"*b*", "abc", true},
      {"[abc]x", "bx", true}, {"[^abc]x", "bx", false}, {"[^abc]x", "zx", true},
      {"[a-c]x", "bx", true}, {"[c-a]x", "bx", true},   {"[a-c]x", "dx", false},
      {"\\*", "*", true},     {"\\*", "a", false},      {"[\\]]", "]", true},
      {"h[a", "ha", true},    {"a\\", "a\\", true},     {"user:*:1", "user:x:y:1", true},
      {"**a", "bba", true},   {"?", "", false},         {"A", "a", false},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(glob_matches(each.pattern, each.text), each.matches)
        << each.pattern << " " << each.text;
  }
  EXPECT_TRUE(glob_matches("MAX*", "maxmemory", true));
}

TEST(Glob, ManyStarsDoNotExplode) {
  std::string pattern;
  for (int i = 0; i < 50; ++i)
    pattern += "*a";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace kachel::server
