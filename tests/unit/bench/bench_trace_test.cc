#include <gtest/gtest.h>
#include <string>
#include <vector>
#include <zstd.h>

#include "tests/unit/bench/temporary_file.h"
#include "tools/bench/line_reader.h"
#include "tools/bench/trace.h"

namespace kachel::bench {
namespace {

std::string compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

std::vector<std::string> lines_of(const std::string& bytes) {
  const TemporaryFile file(bytes);
  std::vector<std::string> lines;
  const auto read = for_each_line(file.path(), [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  EXPECT_TRUE(read);
  return lines;
}

TEST(BenchLines, AreTheSamePlainAndCompressed) {
  std::string text;
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 20'000; ++i) {
    expected.push_back(std::string(i % 97 + 1, 'x') + std::to_string(i));
    text += expected.back() + '\n';
  }
  EXPECT_EQ(lines_of(text), expected);
  EXPECT_EQ(lines_of(compressed(text)), expected);
  text.pop_back();  // the last line need not end
  EXPECT_EQ(lines_of(text), expected);
  // Frames one after the other, as `zstd` and `cat` make them.
  EXPECT_EQ(lines_of(compressed("a\n") + compressed("b\n")), (std::vector<std::string>{"a", "b"}));
}

TEST(BenchLines, AZstdFileThatIsCutShortOrDamagedIsAnError) {
  std::string bytes = compressed("some text that is long enough to be cut\n");
  const auto ignore = [](std::string_view) { return true; };
  EXPECT_FALSE(for_each_line(TemporaryFile(bytes.substr(0, bytes.size() - 5)).path(), ignore));
  bytes[6] = static_cast<char>(~bytes[6]);
  bytes[8] = static_cast<char>(~bytes[8]);
  EXPECT_FALSE(for_each_line(TemporaryFile(bytes.substr(0, 12)).path(), ignore));
}

TEST(BenchTrace, ArraysAreKeysOneByOne) {
  const TemporaryFile file(
      "{\"timestamp\": 5000, \"hash_ids\": [10, 11]}\n"
      "{\"timestamp\": 5250, \"hash_ids\": [10, 12, 11]}\n");
  const Trace trace = read_trace({file.path()}).value();
  EXPECT_EQ(trace.keys, 3U);
  ASSERT_EQ(trace.requests.size(), 5U);
  const std::uint64_t keys[] = {0, 1, 0, 2, 1};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(trace.requests[i].key, keys[i]);
    EXPECT_EQ(trace.requests[i].at_ns, i < 2 ? 0 : 250'000'000);
  }
}

TEST(BenchTrace, TimesHaveUnitsAndNeverGoBack) {
  const TemporaryFile file(
      "{\"at\": 1000000, \"key\": \"a\"}\n{\"at\": 1000007, \"key\": \"b\"}\n"
      "{\"at\": 1000003, \"key\": \"a\"}\n");
  const Trace trace = read_trace({file.path(), "key", "at", 1000}).value();
  EXPECT_EQ(trace.keys, 2U);
  EXPECT_EQ(trace.requests[1].at_ns, 7000);
  EXPECT_EQ(trace.requests[2].at_ns, 7000);
  EXPECT_EQ(trace.requests[2].key, 0U);
}

TEST(BenchTrace, WhatIsMissingIsNamed) {
  const TemporaryFile file("{\"key\": \"a\"}\n");
  EXPECT_NE(read_trace({file.path(), "key", "at", 1}).error().message.find("--trace-time"),
            std::string::npos);
  EXPECT_NE(read_trace({file.path(), "hash_ids", "", 1}).error().message.find("--trace-key"),
            std::string::npos);
  EXPECT_TRUE(read_trace({file.path(), "key", "", 1}));
  EXPECT_FALSE(read_trace({TemporaryFile("not json\n").path(), "key", "", 1}));
  EXPECT_FALSE(read_trace({TemporaryFile("").path(), "key", "", 1}));
}

}  // namespace
}  // namespace kachel::bench
