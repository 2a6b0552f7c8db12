#include "engine/format/footer.h"

#include <gtest/gtest.h>

#include "engine/format/checksum.h"
#include "engine/format/segment_dictionary.h"
#include "format_testing.h"

namespace kachel::format {
namespace {

constexpr StoreId kStore = test_store();
constexpr std::uint64_t kSegment = 0x1234;

SegmentHeader test_header() {
  return {kStore, kSegment, 1700000000000, 100, 42, kSegmentFlagSurvivors, 64 << 20};
}

struct Sealed {
  SegmentHeader header = test_header();
  std::vector<RecordSummary> records;
  std::uint64_t data_end = kSegmentHeaderBytes;
  EncodedFooter footer;

  std::uint64_t file_bytes() const { return data_end + footer.bytes.size(); }
  std::span<const std::byte> trailer() const { return std::span(footer.bytes).last(kTrailerBytes); }
  std::span<const std::byte> table() const {
    return std::span(footer.bytes).first(footer.trailer.table_bytes);
  }
};

Sealed seal(std::uint64_t seed, std::size_t count) {
  Random random(seed);
  Sealed sealed;
  for (std::size_t i = 0; i < count; ++i) {
    OwnedRecord record;
    fill_record(record, kAllTypes[below(random, std::size(kAllTypes))], random);
    record.meta.sequence = sealed.header.first_sequence + below(random, 1000);
    record.meta.version = below(random, 2) == 0 ? 0 : 1 + below(random, record.meta.sequence);
    const std::size_t size = encode_record(record.meta, record.payload).size();
    sealed.data_end += 8 * below(random, 3);
    sealed.records.push_back(summarize(record.meta, sealed.data_end, size, test_mac_key()));
    sealed.data_end += size;
  }
  sealed.footer = encode_footer(kStore, sealed.header, sealed.data_end, sealed.records);
  return sealed;
}

void expect_same(const RecordSummary& a, const RecordSummary& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.offset, b.offset);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.space, b.space);
  EXPECT_EQ(a.mac, b.mac);
  EXPECT_EQ(a.expires_at_ms, b.expires_at_ms);
  EXPECT_EQ(a.erase_by_ms, b.erase_by_ms);
  EXPECT_EQ(a.raw_bytes, b.raw_bytes);
  EXPECT_EQ(a.covers, b.covers);
}

TEST(SegmentHeader, ComesBackAsWritten) {
  const auto bytes = encode_segment_header(test_header());
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const auto header = decode_segment_header(bytes, kStore, kSegment);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->store_id, kStore);
  EXPECT_EQ(header->segment_id, kSegment);
  EXPECT_EQ(header->created_ms, 1700000000000);
  EXPECT_EQ(header->first_sequence, 100u);
  EXPECT_EQ(header->bucket, 42u);
  EXPECT_EQ(header->flags, kSegmentFlagSurvivors);
  EXPECT_EQ(header->capacity_bytes, 64u << 20);
  EXPECT_EQ(header->dictionary_id, 0u);
}

TEST(SegmentHeader, SaysWhatDictionaryTheSegmentHas) {
  SegmentHeader header = test_header();
  header.dictionary_id = 0x0102030405060708;
  header.dictionary_copy_bytes = 3 * 4096;
  const auto decoded = decode_segment_header(encode_segment_header(header), kStore, kSegment);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->dictionary_id, header.dictionary_id);
  EXPECT_EQ(records_begin(*decoded), 7u * 4096);
  for (const std::uint32_t bytes : {0u, 4095u, 17u << 20}) {
    header.dictionary_copy_bytes = bytes;
    EXPECT_FALSE(decode_segment_header(encode_segment_header(header), kStore, kSegment)) << bytes;
  }
}

TEST(SegmentHeader, SaysWhereADictionaryThatIsLostHasBeen) {
  SegmentHeader header = test_header();
  header.dictionary_copy_bytes = 4096;
  const auto decoded = decode_segment_header(encode_segment_header(header), kStore, kSegment);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->dictionary_id, 0u);
  EXPECT_EQ(records_begin(*decoded), 3u * 4096);
  header.dictionary_copy_bytes = 4095;
  EXPECT_FALSE(decode_segment_header(encode_segment_header(header), kStore, kSegment));
}

TEST(SegmentHeader, HasTheseVeryBytes) {
  const auto bytes = encode_segment_header(test_header());
  EXPECT_EQ(hex(std::span(bytes).first(72)),
            "4b414348454c53470400000004000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf34120000"
            "000000000068e5cf8b01000064000000000000002a000000010000000000000400000000");
  EXPECT_TRUE(all_zero(std::span(bytes).subspan(72, 4016)));
  EXPECT_EQ(hex(std::span(bytes).last(8)), "e6158225de88d483");
}

TEST(SegmentHeader, EveryFlippedBitIsFound) {
  auto bytes = encode_segment_header(test_header());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flip(bytes, bit);
    ASSERT_FALSE(decode_segment_header(bytes, kStore, kSegment)) << "bit " << bit;
    flip(bytes, bit);
  }
}

TEST(SegmentHeader, EveryTruncationIsFound) {
  const auto bytes = encode_segment_header(test_header());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut = copy_of(std::span(bytes).first(size));
    ASSERT_FALSE(decode_segment_header(cut, kStore, kSegment)) << size;
  }
}

TEST(SegmentHeader, SaysWhetherItIsForeignOrMisplaced) {
  const auto bytes = encode_segment_header(test_header());
  EXPECT_EQ(decode_segment_header(bytes, test_store(1), kSegment).error().code,
            ErrorCode::kForeign);
  EXPECT_EQ(decode_segment_header(bytes, kStore, kSegment + 1).error().code, ErrorCode::kCorrupt);
  const Bytes zeros(kSegmentHeaderBytes);
  EXPECT_EQ(decode_segment_header(zeros, kStore, kSegment).error().code, ErrorCode::kCorrupt);
}

TEST(SegmentHeader, ANewerFormatIsRefusedByName) {
  auto bytes = encode_segment_header(test_header());
  store(bytes.data() + 8, std::uint32_t{7});
  store(bytes.data() + 12, std::uint32_t{7});
  // Without the checksum it is damage that looks like one.
  EXPECT_EQ(decode_segment_header(bytes, kStore, kSegment).error().code, ErrorCode::kCorrupt);
  reseal(bytes, checksum_seed({kStore, kSegment, 0}));
  EXPECT_EQ(decode_segment_header(bytes, test_store(3), kSegment).error().code,
            ErrorCode::kForeign);
  const auto header = decode_segment_header(bytes, kStore, kSegment);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, ErrorCode::kVersion);
  EXPECT_NE(header.error().message.find("version 7"), std::string::npos);
}

TEST(Footer, ComesBackAsWritten) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Sealed sealed = seal(seed, seed % 40);
    ASSERT_EQ(sealed.file_bytes() % kFooterAlignment, 0u);
    const auto trailer = decode_trailer(sealed.trailer(), sealed.file_bytes(), kStore, kSegment);
    ASSERT_TRUE(trailer) << trailer.error().message;
    EXPECT_EQ(trailer->entries, sealed.records.size());
    const auto table = decode_table(sealed.table(), sealed.header, *trailer);
    ASSERT_TRUE(table) << "seed " << seed << ": " << table.error().message;
    ASSERT_EQ(table->size(), sealed.records.size());
    for (std::size_t i = 0; i < table->size(); ++i)
      expect_same((*table)[i], sealed.records[i]);
  }
}

TEST(Footer, TotalsAreThoseOfItsRecords) {
  Sealed sealed;
  const auto add = [&](RecordType type, std::uint64_t sequence, std::int64_t expires_at_ms,
                       std::int64_t erase_by_ms) {
    RecordSummary record;
    record.type = type;
    record.offset = sealed.data_end;
    record.size = 64;
    record.sequence = record.version = sequence;
    record.expires_at_ms = expires_at_ms;
    record.erase_by_ms = erase_by_ms;
    record.raw_bytes = 10;
    sealed.records.push_back(record);
    sealed.data_end += 64;
    return encode_footer(kStore, sealed.header, sealed.data_end, sealed.records).trailer;
  };
  EXPECT_EQ(add(RecordType::kMark, 120, 0, 0).highest_deadline_ms, 0);
  EXPECT_EQ(add(RecordType::kPut, 101, 500, 400).highest_deadline_ms, 400);
  const Trailer two = add(RecordType::kPut, 110, 300, 0);
  EXPECT_EQ(two.lowest_deadline_ms, 300);
  EXPECT_EQ(two.highest_deadline_ms, 400);
  EXPECT_EQ(two.lowest_sequence, 101u);
  EXPECT_EQ(two.highest_sequence, 120u);
  EXPECT_EQ(two.raw_bytes, 20u);
  EXPECT_EQ(add(RecordType::kErase, 111, 0, 0).highest_deadline_ms, 400);
  const Trailer timeless = add(RecordType::kPut, 112, 0, 0);
  EXPECT_EQ(timeless.lowest_deadline_ms, 300);
  EXPECT_EQ(timeless.highest_deadline_ms, 0);
}

TEST(Footer, HasTheseVeryBytes) {
  Sealed sealed;
  RecordSummary put;
  put.flags = kFlagMoved | kFlagVersioned;
  put.offset = 4096;
  put.size = 128;
  put.sequence = 102;
  put.version = 90;
  put.space = {300, 1};
  put.mac = key_mac(test_mac_key(), put.space, "key");
  put.expires_at_ms = 1700000000000;
  put.erase_by_ms = 1700000001000;
  put.raw_bytes = 200;
  RecordSummary mark;
  mark.type = RecordType::kMark;
  mark.offset = 4096 + 136;
  mark.size = 48;
  mark.sequence = mark.version = 101;
  sealed.records = {put, mark};
  sealed.data_end = 4096 + 136 + 48;
  sealed.footer = encode_footer(kStore, sealed.header, sealed.data_end, sealed.records);
  EXPECT_EQ(hex(sealed.table()),
            "01030010040cac020180d095ffbc31c801009f16ff1bd9c3e969bd99d22c577f31f2e8d7"
            "95ffbc310600010601000000000000");
  EXPECT_EQ(hex(sealed.trailer()),
            "4b414348454c46540400000004000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf34120000"
            "00000000b810000000000000330000000000000002000000000000006500000000000000"
            "66000000000000000068e5cf8b0100000068e5cf8b010000c800000000000000aca0146a"
            "703e63dbe86be5cf8b01000053dfa54ee15fe6c9");
}

TEST(Footer, EveryFlippedBitIsFound) {
  const Sealed sealed = seal(3, 12);
  Bytes bytes = sealed.footer.bytes;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flip(bytes, bit);
    const auto trailer =
        decode_trailer(std::span(bytes).last(kTrailerBytes), sealed.file_bytes(), kStore, kSegment);
    const bool is_found =
        !trailer || !decode_table(std::span(bytes).first(bytes.size() - kTrailerBytes),
                                  sealed.header, *trailer);
    ASSERT_TRUE(is_found) << "bit " << bit;
    flip(bytes, bit);
  }
}

TEST(Footer, EveryTruncationOfTheTableIsFound) {
  const Sealed sealed = seal(4, 12);
  for (std::size_t size = 0; size < sealed.table().size(); ++size) {
    const Bytes cut = copy_of(sealed.table().first(size));
    ASSERT_FALSE(decode_table(cut, sealed.header, sealed.footer.trailer)) << size;
  }
}

TEST(Footer, ATruncatedFileHasNoTrailer) {
  const Sealed sealed = seal(4, 12);
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{100}, sealed.data_end}) {
    const Bytes last(std::min<std::uint64_t>(bytes, kTrailerBytes));
    EXPECT_EQ(decode_trailer(last, bytes, kStore, kSegment).error().code, ErrorCode::kNotFound);
  }
}

TEST(Footer, InTheWrongPlaceIsRefused) {
  const Sealed sealed = seal(5, 12);
  const std::uint64_t bytes = sealed.file_bytes();
  EXPECT_FALSE(decode_trailer(sealed.trailer(), bytes + 4096, kStore, kSegment));
  EXPECT_FALSE(decode_trailer(sealed.trailer(), bytes, kStore, kSegment + 1));
  EXPECT_FALSE(decode_trailer(sealed.trailer(), bytes, test_store(1), kSegment));
}

TEST(Footer, ATableBelowTheHeadersFirstSequenceIsRefused) {
  Sealed sealed = seal(6, 12);
  sealed.header.first_sequence = sealed.footer.trailer.lowest_sequence + 1;
  sealed.footer = encode_footer(kStore, sealed.header, sealed.data_end, sealed.records);
  EXPECT_FALSE(decode_table(sealed.table(), sealed.header, sealed.footer.trailer));
}

TEST(Footer, TellsTheFirstSequenceOfItsHeader) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Sealed sealed = seal(seed, 1 + seed % 20);
    const auto first = first_sequence_of(sealed.table(), sealed.footer.trailer);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(*first, sealed.header.first_sequence);
  }
  const Sealed empty = seal(1, 0);
  EXPECT_FALSE(first_sequence_of(empty.table(), empty.footer.trailer));
}

// As the records' test of the same name: damage under right checksums.
TEST(Footer, WhatIsAcceptedStaysInBoundsAndEncodesToTheSameBytes) {
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    Random random(seed);
    const Sealed sealed = seal(seed, 1 + seed % 6);
    Bytes table = copy_of(sealed.table());
    table[below(random, table.size())] = static_cast<std::byte>(random());
    Trailer trailer = sealed.footer.trailer;
    trailer.table_checksum =
        checksum(table, checksum_seed({kStore, kSegment, trailer.table_offset}));
    const auto records = decode_table(table, sealed.header, trailer);
    if (!records) continue;
    std::uint64_t end = kSegmentHeaderBytes;
    for (const RecordSummary& record : *records) {
      ASSERT_GE(record.offset, end);
      ASSERT_LE(record.version, record.sequence);
      end = record.offset + record.size;
    }
    ASSERT_LE(end, trailer.table_offset);
    const auto again = encode_footer(kStore, sealed.header, trailer.table_offset, *records);
    ASSERT_EQ(hex(std::span(again.bytes).first(table.size())), hex(table)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kachel::format
