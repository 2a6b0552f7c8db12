#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <set>

#include "tests/unit/bench/temporary_file.h"
#include "tools/bench/values.h"

namespace kachel::bench {
namespace {

struct Shape {
  Range size;
  double compressibility;
};

class Compressibility : public testing::TestWithParam<Shape> {};

TEST_P(Compressibility, IsWhatWasStated) {
  const Shape& shape = GetParam();
  const auto values = generated_values({shape.size, shape.compressibility, 7});
  ASSERT_TRUE(values) << values.error().message;
  std::vector<char> scratch;
  double bytes = 0;
  double compressed = 0;
  for (std::uint64_t key = 1000; key < 1200; ++key) {
    const std::string_view value = (*values)->value(key, scratch);
    bytes += static_cast<double>(value.size());
    compressed += static_cast<double>(value.size()) / measured_compressibility(value);
  }
  EXPECT_NEAR(bytes / compressed, shape.compressibility, 0.08 * shape.compressibility);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Compressibility,
                         testing::Values(Shape{{1024, 1024}, 1}, Shape{{1024, 1024}, 2},
                                         Shape{{1024, 1024}, 3}, Shape{{100, 100}, 1.5},
                                         Shape{{65536, 65536}, 2}, Shape{{65536, 65536}, 10},
                                         Shape{{256, 65536}, 2}, Shape{{4096, 8192}, 4}));

TEST(BenchValues, WhatCannotBeIsRefusedWithWhatCan) {
  const auto values = generated_values({{64, 64}, 8, 0});
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(values.error().message.find("nearest"), std::string::npos);
}

TEST(BenchValues, AreTheSameForTheSameKeyAndSeedOnly) {
  const auto values = generated_values({{10, 1000}, 1, 1}).value();
  const auto again = generated_values({{10, 1000}, 1, 1}).value();
  const auto others = generated_values({{10, 1000}, 1, 2}).value();
  std::vector<char> one;
  std::vector<char> two;
  std::set<std::string> all;
  for (std::uint64_t key = 0; key < 1000; ++key) {
    const std::string_view value = values->value(key, one);
    EXPECT_GE(value.size(), 10U);
    EXPECT_LE(value.size(), 1000U);
    EXPECT_EQ(value, again->value(key, two));
    EXPECT_NE(value, others->value(key, two));
    EXPECT_TRUE(all.emplace(value).second);
  }
}

TEST(BenchValues, OfSizeZero) {
  const auto values = generated_values({{0, 0}, 1, 1}).value();
  std::vector<char> scratch;
  EXPECT_EQ(values->value(5, scratch), "");
}

TEST(BenchValues, ComeFromACorpus) {
  const TemporaryFile file(
      "{\"text\": \"one\", \"n\": 1}\n{\"text\": \"two\\nlines\", \"n\": 2}\n");
  std::vector<char> scratch;
  std::set<std::string> texts;
  std::set<std::string> numbers;
  std::set<std::string> lines;
  const auto by_text = corpus_values({file.path(), "text", 0}).value();
  const auto by_number = corpus_values({file.path(), "n", 0}).value();
  const auto by_line = corpus_values({file.path(), "", 0}).value();
  for (std::uint64_t key = 0; key < 100; ++key) {
    texts.emplace(by_text->value(key, scratch));
    numbers.emplace(by_number->value(key, scratch));
    lines.emplace(by_line->value(key, scratch));
  }
  EXPECT_EQ(texts, (std::set<std::string>{"one", "two\nlines"}));
  EXPECT_EQ(numbers, (std::set<std::string>{"1", "2"}));
  EXPECT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines.begin()->starts_with("{"));
}

TEST(BenchValues, AFieldThatIsMissingIsNamedWithItsLine) {
  const TemporaryFile file("{\"text\": \"one\"}\n{\"other\": 1}\n");
  const auto values = corpus_values({file.path(), "text", 0});
  ASSERT_FALSE(values);
  EXPECT_NE(values.error().message.find("line 2"), std::string::npos) << values.error().message;
  EXPECT_FALSE(corpus_values({file.path() + ".not", "text", 0}));
  EXPECT_FALSE(corpus_values({TemporaryFile("").path(), "", 0}));
}

}  // namespace
}  // namespace kachel::bench
