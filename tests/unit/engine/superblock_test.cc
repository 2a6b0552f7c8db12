#include "engine/format/superblock.h"

#include <gtest/gtest.h>

#include "format_testing.h"

namespace kachel::format {
namespace {

Superblock test_superblock(std::uint64_t generation) {
  Superblock superblock;
  superblock.store_id = test_store();
  superblock.created_ms = 1700000000000;
  superblock.generation = generation;
  superblock.boot_id.fill(std::byte{0x5b});
  superblock.state = StoreState::kClean;
  superblock.highest_wall_ms = 1700000000123;
  superblock.sequence_limit = 123456;
  superblock.segment_id_limit = 789;
  return superblock;
}

Bytes both_copies(std::uint64_t first, std::uint64_t second) {
  Bytes bytes = encode_superblock_copy(test_superblock(first));
  const Bytes other = encode_superblock_copy(test_superblock(second));
  bytes.insert(bytes.end(), other.begin(), other.end());
  return bytes;
}

// As a newer format would write it.
Bytes newer_copy() {
  Bytes bytes = encode_superblock_copy(test_superblock(9));
  store(bytes.data() + 8, kReaderVersion + 1);
  store(bytes.data() + 12, kReaderVersion + 1);
  reseal(bytes, 0);
  return bytes;
}

TEST(Superblock, ComesBackAsWritten) {
  const auto superblock = decode_superblock(encode_superblock_copy(test_superblock(4)));
  ASSERT_TRUE(superblock) << superblock.error().message;
  EXPECT_EQ(superblock->store_id, test_store());
  EXPECT_EQ(superblock->created_ms, 1700000000000);
  EXPECT_EQ(superblock->generation, 4u);
  EXPECT_EQ(superblock->boot_id, test_superblock(4).boot_id);
  EXPECT_EQ(superblock->state, StoreState::kClean);
  EXPECT_EQ(superblock->highest_wall_ms, 1700000000123);
  EXPECT_EQ(superblock->sequence_limit, 123456u);
  EXPECT_EQ(superblock->segment_id_limit, 789u);
}

TEST(Superblock, HasTheseVeryBytes) {
  const Bytes bytes = encode_superblock_copy(test_superblock(4));
  EXPECT_EQ(hex(std::span(bytes).first(96)),
            "4b414348454c53420400000004000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0068e5cf"
            "8b01000004000000000000005b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b0100000000000000"
            "7b68e5cf8b01000040e20100000000001503000000000000");
  EXPECT_EQ(hex(std::span(bytes).last(8)), "ff55716f65bcda93");
}

TEST(Superblock, TheHigherGenerationCounts) {
  EXPECT_EQ(decode_superblock(both_copies(4, 5))->generation, 5u);
  EXPECT_EQ(decode_superblock(both_copies(6, 5))->generation, 6u);
}

TEST(Superblock, EveryFlippedBitIsFoundAndTheOtherCopyCounts) {
  Bytes bytes = both_copies(4, 5);
  Bytes one = encode_superblock_copy(test_superblock(5));
  for (std::size_t bit = 0; bit < one.size() * 8; ++bit) {
    flip(one, bit);
    ASSERT_FALSE(decode_superblock(one)) << "bit " << bit;
    flip(one, bit);
    flip(bytes, bit + kSuperblockCopyBytes * 8);
    const auto older = decode_superblock(bytes);
    ASSERT_TRUE(older && older->generation == 4) << "bit " << bit;
    flip(bytes, bit + kSuperblockCopyBytes * 8);
  }
}

TEST(Superblock, ATruncatedFileHasItsFirstCopyOrNothing) {
  const Bytes bytes = both_copies(4, 5);
  for (std::size_t size = 0; size < bytes.size(); size += 8) {
    const auto superblock = decode_superblock(copy_of(std::span(bytes).first(size)));
    if (size < kSuperblockCopyBytes) {
      ASSERT_FALSE(superblock) << size;
    } else {
      ASSERT_TRUE(superblock && superblock->generation == 4) << size;
    }
  }
}

TEST(Superblock, SaysWhatIsWrong) {
  EXPECT_EQ(decode_superblock({}).error().code, ErrorCode::kForeign);
  EXPECT_EQ(decode_superblock(Bytes(8192)).error().code, ErrorCode::kForeign);
  Bytes damaged = both_copies(1, 2);
  flip(damaged, 800);
  flip(damaged, 40'000);
  EXPECT_EQ(decode_superblock(damaged).error().code, ErrorCode::kCorrupt);
}

TEST(Superblock, AnUnknownStateIsRefused) {
  Superblock superblock = test_superblock(1);
  superblock.state = static_cast<StoreState>(4);
  EXPECT_EQ(decode_superblock(encode_superblock_copy(superblock)).error().code,
            ErrorCode::kCorrupt);
}

TEST(Superblock, OfACopySaysWhatIsInDoubt) {
  Superblock copy = test_superblock(4);
  copy.doubtful_through = 123455;
  copy.copied_ms = 1700000000456;
  const Bytes bytes = encode_superblock_copy(copy);
  // Earlier versions refuse it.
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 8), 5u);
  EXPECT_EQ(load<std::uint32_t>(bytes.data() + 12), 5u);
  const auto superblock = decode_superblock(bytes);
  ASSERT_TRUE(superblock) << superblock.error().message;
  EXPECT_EQ(superblock->doubtful_through, 123455u);
  EXPECT_EQ(superblock->copied_ms, 1700000000456);
  copy.doubtful_through = 123456;  // was never given out
  EXPECT_FALSE(decode_superblock(encode_superblock_copy(copy)));
  copy.doubtful_through = 0;
  EXPECT_FALSE(decode_superblock(encode_superblock_copy(copy)));
  copy.copied_ms = 0;
  EXPECT_EQ(encode_superblock_copy(copy), encode_superblock_copy(test_superblock(4)));
}

TEST(Superblock, AnUpgradeHalfwayIsRefused) {
  Bytes bytes = encode_superblock_copy(test_superblock(4));
  const Bytes newer = newer_copy();
  bytes.insert(bytes.end(), newer.begin(), newer.end());
  const auto superblock = decode_superblock(bytes);
  ASSERT_FALSE(superblock);
  EXPECT_EQ(superblock.error().code, ErrorCode::kVersion);
  EXPECT_NE(superblock.error().message.find("version 5"), std::string::npos);
}

TEST(Superblock, DamageThatLooksNewerDoesNotHideAGoodCopy) {
  Bytes bytes = both_copies(4, 5);
  store(bytes.data() + kSuperblockCopyBytes + 8, std::uint32_t{0xffff});
  store(bytes.data() + kSuperblockCopyBytes + 12, std::uint32_t{0xffff});
  const auto superblock = decode_superblock(bytes);
  ASSERT_TRUE(superblock);
  EXPECT_EQ(superblock->generation, 4u);
}

TEST(KeyFile, ComesBackAsWritten) {
  const Bytes bytes = encode_key_file({test_store(), test_mac_key()});
  ASSERT_EQ(bytes.size(), kKeyFileBytes);
  const auto key = decode_key_file(bytes, test_store());
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->store_id, test_store());
  EXPECT_EQ(key->mac_key, test_mac_key());
}

TEST(KeyFile, HasTheseVeryBytes) {
  EXPECT_EQ(hex(encode_key_file({test_store(), test_mac_key()})),
            "4b414348454c4b590400000004000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00010203"
            "0405060708090a0b0c0d0e0f00000000000000006d1fc08e12f228be");
}

TEST(KeyFile, EveryFlippedBitAndEveryTruncationIsFound) {
  Bytes bytes = encode_key_file({test_store(), test_mac_key()});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flip(bytes, bit);
    ASSERT_FALSE(decode_key_file(bytes, test_store())) << "bit " << bit;
    flip(bytes, bit);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(decode_key_file(copy_of(std::span(bytes).first(size)), test_store()));
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_key_file(bytes, test_store()));
}

TEST(KeyFile, SaysWhatIsWrong) {
  Bytes bytes = encode_key_file({test_store(), test_mac_key()});
  EXPECT_EQ(decode_key_file(bytes, test_store(1)).error().code, ErrorCode::kForeign);
  EXPECT_EQ(decode_key_file({}, test_store()).error().code, ErrorCode::kCorrupt);
  store(bytes.data() + 8, kReaderVersion + 1);
  store(bytes.data() + 12, kReaderVersion + 1);
  EXPECT_EQ(decode_key_file(bytes, test_store()).error().code, ErrorCode::kCorrupt);
  reseal(bytes, 0);
  EXPECT_EQ(decode_key_file(bytes, test_store()).error().code, ErrorCode::kVersion);
}

}  // namespace
}  // namespace kachel::format
