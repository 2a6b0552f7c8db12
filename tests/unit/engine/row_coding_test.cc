#include "engine/row_coding.h"

#include <gtest/gtest.h>

namespace kachel {
namespace {

Row some_row() {
  return {0x1234, 4096, 512, 900, 880, 1'700'000'000'000, 3000, 7, 905};
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values)
    bytes.push_back(static_cast<char>(value));
  return bytes;
}

TEST(RowCoding, ReturnsWhatWasEncoded) {
  EXPECT_EQ(decode_row(encode_row(some_row())), some_row());
  const RowKey key{{7, 3}, {{std::byte{1}, std::byte{2}}}};
  EXPECT_EQ(decode_row_key(encode_row_key(key)), key);
  EXPECT_EQ(decode_fence(encode_fence(UINT64_MAX)), UINT64_MAX);
}

TEST(RowCoding, TakesTheShortestFormOnly) {
  EXPECT_TRUE(decode_fence(bytes_of({0x01})));
  EXPECT_FALSE(decode_fence(bytes_of({0x81, 0x00})));
}

TEST(RowCoding, RefusesMoreThan64Bits) {
  EXPECT_FALSE(
      decode_fence(bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})));
}

// segment, offset, size, sequence, lag, expiry, raw, covers, expiry sequence
TEST(RowCoding, RefusesWhatNoRowHolds) {
  EXPECT_TRUE(decode_row(bytes_of({1, 2, 3, 9, 8, 0, 1, 0, 0})));
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 10, 0, 1, 0, 0}))) << "version below 0";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0, 0, 1, 0, 0})))
      << "a size past 4 GiB";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0}))) << "cut off";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0, 0, 0}))) << "too long";
}

TEST(RowCoding, RefusesCountsOfNoNamespace) {
  EXPECT_TRUE(decode_counts(1, bytes_of({5, 1, 1, 2, 3, 4})));
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 2, 1, 2, 3, 4}))) << "neither yes nor no";
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 1, 1, 2, 0x80, 0x02, 4}))) << "database 256";
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 1, 9, 2, 3, 4}))) << "fewer than it says";
}

}  // namespace
}  // namespace kachel
