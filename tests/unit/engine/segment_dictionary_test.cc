#include "engine/format/segment_dictionary.h"

#include <gtest/gtest.h>

#include "engine/format/structure.h"
#include "format_testing.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kOfSegment = 77;

SegmentDictionary some_dictionary(std::size_t content_bytes = 5000) {
  Random random(5);
  SegmentDictionary dictionary;
  dictionary.id = 0x1122334455667788;
  dictionary.space = {3, 2};
  dictionary.created_ms = 1'700'000'000'000;
  dictionary.lowest_expires_ms = 1'700'000'100'000;
  dictionary.lowest_erase_by_ms = 1'700'000'200'000;
  for (std::uint8_t i = 1; i <= 9; ++i) {
    DictionarySample& sample = dictionary.samples.emplace_back();
    sample.mac.bytes.fill(static_cast<std::byte>(i));
    sample.version = 100u + i;
  }
  dictionary.scopes = {{4, 103}, {9, 101}, {200, 109}};
  const Bytes content = some_bytes(random, content_bytes);
  dictionary.content.assign(content.begin(), content.end());
  return dictionary;
}

Place place_of(std::size_t copy, std::size_t bytes) {
  return {test_store(), kOfSegment, kSegmentHeaderBytes + copy * bytes};
}

TEST(SegmentDictionary, EachCopyComesBack) {
  for (const std::size_t size : {1U, 3000U, 3900U, 4096U, 70'000U}) {
    const SegmentDictionary dictionary = some_dictionary(size);
    const std::size_t copy = copy_bytes(dictionary);
    EXPECT_EQ(copy % 4096, 0u);
    const ZeroizingBytes all = encode_dictionary(dictionary, test_store(), kOfSegment);
    ASSERT_EQ(all.size(), kDictionaryCopies * copy);
    EXPECT_EQ(peek_copy_bytes(std::span(all).first(4096)), copy);
    for (std::size_t i = 0; i < kDictionaryCopies; ++i) {
      const auto decoded =
          decode_dictionary(std::span(all).subspan(i * copy, copy), place_of(i, copy));
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(*decoded, dictionary);
    }
  }
}

TEST(SegmentDictionary, EveryFlippedBitIsFound) {
  const SegmentDictionary dictionary = some_dictionary(3000);
  const std::size_t copy = copy_bytes(dictionary);
  ZeroizingBytes all = encode_dictionary(dictionary, test_store(), kOfSegment);
  const auto bytes = std::span(all).first(copy);
  for (std::size_t bit = 0; bit < copy * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    ASSERT_FALSE(decode_dictionary(bytes, place_of(0, copy))) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
}

// Two scopes with their versions take as much room as four bare tags did.
TEST(SegmentDictionary, OfVersionThreeHasTagsThatMayBeOfAnySample) {
  SegmentDictionary dictionary = some_dictionary();
  dictionary.scopes = {{4, 101}, {200, 300}};
  const std::size_t copy = copy_bytes(dictionary);
  ZeroizingBytes all = encode_dictionary(dictionary, test_store(), kOfSegment);
  const auto bytes = std::span(all).first(copy);
  for (const std::size_t version_at : {8U, 12U})
    store(bytes.data() + version_at, std::uint32_t{3});
  store(bytes.data() + 60, std::uint32_t{4});
  seal_structure(bytes, checksum_seed(place_of(0, copy)));
  EXPECT_EQ(peek_copy_bytes(bytes.first(4096)), copy);
  const auto decoded = decode_dictionary(bytes, place_of(0, copy));
  ASSERT_TRUE(decoded) << decoded.error().message;
  dictionary.scopes = {{4, 101}, {101, 101}, {200, 101}, {300, 101}};
  EXPECT_EQ(*decoded, dictionary) << "101 is the lowest version of its samples";
}

TEST(SegmentDictionary, EveryTruncationIsFound) {
  const SegmentDictionary dictionary = some_dictionary(9000);
  const std::size_t copy = copy_bytes(dictionary);
  const ZeroizingBytes all = encode_dictionary(dictionary, test_store(), kOfSegment);
  for (std::size_t size = 0; size < copy; size += 7)
    ASSERT_FALSE(decode_dictionary(std::span(all).first(size), place_of(0, copy))) << size;
}

TEST(SegmentDictionary, AWholeOneElsewhereIsFound) {
  const SegmentDictionary dictionary = some_dictionary();
  const std::size_t copy = copy_bytes(dictionary);
  const ZeroizingBytes all = encode_dictionary(dictionary, test_store(), kOfSegment);
  const auto first = std::span(all).first(copy);
  EXPECT_FALSE(decode_dictionary(first, place_of(1, copy)));
  EXPECT_FALSE(decode_dictionary(first, {test_store(), kOfSegment + 1, kSegmentHeaderBytes}));
  EXPECT_FALSE(decode_dictionary(first, {test_store(1), kOfSegment, kSegmentHeaderBytes}));
}

TEST(SegmentDictionary, WhatIsNoneIsNotTakenForOne) {
  const Bytes zeros(8192);
  EXPECT_EQ(peek_copy_bytes(zeros), 0u);
  EXPECT_EQ(peek_copy_bytes({}), 0u);
  EXPECT_FALSE(decode_dictionary(zeros, place_of(0, 8192)));
}

}  // namespace
}  // namespace kachel::format
