#include "engine/row_coding.h"

#include <gtest/gtest.h>

namespace kachel {
namespace {

Row some_row() {
  return {0x1234,          4096, 512, 900, 880, 1'700'000'000'000, 3000, 7, 905, 1'800'000'000'000,
          {11, UINT64_MAX}};
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
  for (const Fence& fence :
       {Fence{{7, 3}, {}, UINT64_MAX, 0},
        Fence{{7, kSubjectScope}, {{std::byte{1}, std::byte{2}}}, 5, 1'700'000'000'000}}) {
    EXPECT_EQ(decode_fence(encode_fence_key(fence), encode_fence(fence)), fence);
  }
}

TEST(RowCoding, TakesTheShortestFormOnly) {
  const std::string key = encode_fence_key({.space = {1, 2}});
  EXPECT_TRUE(decode_fence(key, bytes_of({0x01})));
  EXPECT_FALSE(decode_fence(key, bytes_of({0x81, 0x00})));
}

TEST(RowCoding, RefusesMoreThan64Bits) {
  EXPECT_FALSE(
      decode_fence(encode_fence_key({.space = {1, 2}}),
                   bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})));
}

// segment, offset, size, sequence, lag, expiry, raw, covers, expiry sequence, erase by
TEST(RowCoding, RefusesWhatNoRowHolds) {
  EXPECT_TRUE(decode_row(bytes_of({1, 2, 3, 9, 8, 0, 1, 0, 0, 0})));
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 10, 0, 1, 0, 0, 0}))) << "version below 0";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0, 0, 1, 0, 0, 0})))
      << "a size past 4 GiB";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0, 0}))) << "cut off";
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0, 0, 0, 0}))) << "no whole tag";
  EXPECT_EQ(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}))->tags,
            ScopeTags{7});
  EXPECT_FALSE(decode_row(bytes_of({1, 2, 3, 9, 0, 0, 1, 0, 0, 0}) + std::string(8 * 18, 'x')))
      << "more tags than an entry has";
}

TEST(RowCoding, RefusesAScopeFenceWithoutItsMac) {
  const Fence fence{{7, kModelScope}, {{std::byte{1}}}, 5, 9};
  const std::string key = encode_fence_key(fence);
  EXPECT_FALSE(decode_fence(key.substr(0, key.size() - 1), encode_fence(fence)));
  EXPECT_FALSE(decode_fence(key.substr(0, 6), encode_fence(fence)));
  EXPECT_FALSE(decode_fence(encode_fence_key({.space = {7, 3}}) + "x", bytes_of({1})));
}

TEST(RowCoding, RefusesCountsOfNoNamespace) {
  EXPECT_TRUE(decode_counts(1, bytes_of({5, 1, 1, 2, 3, 4, 0})));
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 2, 1, 2, 3, 4, 0}))) << "neither yes nor no";
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 1, 1, 2, 0x80, 0x02, 4, 0}))) << "database 256";
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 1, 9, 2, 3, 4, 0}))) << "fewer than it says";
  EXPECT_FALSE(decode_counts(1, bytes_of({5, 1, 1, 2, 3, 4, 0, 1, 1}))) << "bytes of no namespace";
}

TEST(RowCoding, SharesOutTheBytesOfAnEarlierVersionByEntries) {
  const auto old = decode_counts(1, bytes_of({100, 0, 2, 2, 0, 3, 7, 1, 1, 0}));
  ASSERT_TRUE(old);
  const decltype(old->live) expected{{{2, 0}, {3, 75}}, {{7, 1}, {1, 25}}};
  EXPECT_EQ(old->live, expected);
  EXPECT_EQ(decode_counts(1, encode_counts(*old))->live, expected);
  EXPECT_TRUE(decode_counts(1, bytes_of({100, 0, 1, 2, 0, 0, 0}))) << "none at all";
}

}  // namespace
}  // namespace kachel
