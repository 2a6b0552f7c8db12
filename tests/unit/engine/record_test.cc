#include "engine/format/record.h"

#include <gtest/gtest.h>
#include <stdexcept>

#include "engine/format/checksum.h"
#include "engine/format/record_rules.h"
#include "format_testing.h"

namespace kachel::format {
namespace {

constexpr Place kPlace{test_store(), 7, 8192};

void expect_same(const RecordMeta& decoded, const RecordMeta& written) {
  EXPECT_EQ(decoded.type, written.type);
  EXPECT_EQ(decoded.codec, written.codec);
  EXPECT_EQ(decoded.flags & kFlagMoved, written.flags & kFlagMoved);
  EXPECT_EQ((decoded.flags & kFlagVersioned) != 0, written.version != 0);
  EXPECT_EQ(decoded.kind, written.kind);
  EXPECT_EQ(decoded.sequence, written.sequence);
  EXPECT_EQ(decoded.version, written.version == 0 ? written.sequence : written.version);
  EXPECT_EQ(decoded.space, written.space);
  EXPECT_EQ(decoded.created_ms, written.created_ms);
  EXPECT_EQ(decoded.expires_at_ms, written.expires_at_ms);
  EXPECT_EQ(decoded.erase_by_ms, written.erase_by_ms);
  EXPECT_EQ(decoded.raw_bytes, written.raw_bytes);
  EXPECT_EQ(decoded.tokens_in, written.tokens_in);
  EXPECT_EQ(decoded.tokens_out, written.tokens_out);
  EXPECT_EQ(decoded.cost_micro_usd, written.cost_micro_usd);
  EXPECT_EQ(decoded.covers, written.covers);
  EXPECT_EQ(decoded.model, written.model);
  EXPECT_EQ(decoded.subjects, written.subjects);
  EXPECT_EQ(decoded.key, written.key);
  EXPECT_EQ(decoded.mac, written.mac);
  EXPECT_EQ(decoded.first_void, written.first_void);
  EXPECT_EQ(decoded.last_void, written.last_void);
  EXPECT_EQ(decoded.durable_through, written.durable_through);
  EXPECT_EQ(decoded.written_through, written.written_through);
}

class EveryType : public testing::TestWithParam<RecordType> {};
INSTANTIATE_TEST_SUITE_P(Record, EveryType, testing::ValuesIn(kAllTypes));

TEST_P(EveryType, ComesBackAsWritten) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    OwnedRecord written;
    fill_record(written, GetParam(), random);
    const EncodedRecord encoded = written.encode(kPlace);
    ASSERT_EQ(encoded.size() % kRecordAlignment, 0u);
    const auto decoded = decode_record(encoded.bytes(), kPlace);
    ASSERT_TRUE(decoded) << "seed " << seed << ": " << decoded.error().message;
    EXPECT_EQ(decoded->size, encoded.size());
    EXPECT_EQ(copy_of(decoded->payload), written.payload);
    expect_same(decoded->meta, written.meta);
  }
}

TEST_P(EveryType, MetaIsReadWithoutThePayload) {
  Random random(5);
  OwnedRecord written;
  fill_record(written, GetParam(), random);
  const EncodedRecord encoded = written.encode(kPlace);
  const auto extent = peek_record(encoded.bytes().first(kRecordFixedBytes));
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->size, encoded.size());
  const Bytes front = copy_of(encoded.bytes().first(extent->meta_end));
  const auto decoded = decode_record_meta(front, kPlace);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->size, encoded.size());
  EXPECT_TRUE(decoded->payload.empty());
  expect_same(decoded->meta, written.meta);
}

TEST_P(EveryType, EveryFlippedBitIsFound) {
  Random random(11);
  OwnedRecord written;
  fill_record(written, GetParam(), random);
  Bytes bytes = copy_of(written.encode(kPlace).bytes());
  const std::size_t meta_end = peek_record(bytes)->meta_end;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flip(bytes, bit);
    const auto decoded = decode_record(bytes, kPlace);
    ASSERT_FALSE(decoded) << "bit " << bit;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
    if (bit < meta_end * 8) {
      EXPECT_FALSE(decode_record_meta(bytes, kPlace)) << "bit " << bit;
    }
    flip(bytes, bit);
  }
  EXPECT_TRUE(decode_record(bytes, kPlace));
}

TEST_P(EveryType, EveryTruncationIsFound) {
  Random random(12);
  OwnedRecord written;
  fill_record(written, GetParam(), random);
  const EncodedRecord encoded = written.encode(kPlace);
  const std::size_t meta_end = peek_record(encoded.bytes())->meta_end;
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    const Bytes cut = copy_of(encoded.bytes().first(size));
    EXPECT_FALSE(decode_record(cut, kPlace)) << size;
    EXPECT_EQ(decode_record_meta(cut, kPlace).has_value(), size >= meta_end) << size;
  }
}

TEST_P(EveryType, InTheWrongPlaceIsRefused) {
  Random random(13);
  OwnedRecord written;
  fill_record(written, GetParam(), random);
  const EncodedRecord encoded = written.encode(kPlace);
  for (const Place& wrong : {Place{kPlace.store_id, kPlace.segment_id, kPlace.offset + 8},
                             Place{kPlace.store_id, kPlace.segment_id + 1, kPlace.offset},
                             Place{test_store(0xa1), kPlace.segment_id, kPlace.offset}}) {
    EXPECT_FALSE(decode_record(encoded.bytes(), wrong));
    EXPECT_FALSE(decode_record_meta(encoded.bytes(), wrong));
  }
}

// Puts the checksums right again, as only a writer with a fault of its own would.
void repair(Bytes& bytes) {
  const std::uint64_t seed = checksum_seed(kPlace);
  const std::size_t meta_bytes = load<std::uint32_t>(bytes.data() + kMetaLengthOffset);
  const auto meta = std::span<const std::byte>(bytes).subspan(kRecordFixedBytes, meta_bytes);
  store(bytes.data() + kHeaderChecksumOffset,
        checksum(std::span<const std::byte>(bytes).first(kHeaderChecksumOffset), meta, seed));
}

// Damage that the checksums do not show must be caught by the rules, or be a valid record:
// then it encodes to the same bytes again. Never a read outside (sanitizers).
TEST_P(EveryType, WhatIsAcceptedEncodesToTheSameBytes) {
  unsigned accepted = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    OwnedRecord written;
    fill_record(written, GetParam(), random, 40);
    Bytes bytes = copy_of(written.encode(kPlace).bytes());
    const std::size_t meta_end = peek_record(bytes)->meta_end;
    for (std::uint64_t hits = 1 + below(random, 3); hits > 0; --hits) {
      const bool is_fixed = below(random, 4) == 0;
      const std::size_t at = is_fixed
                                 ? kTypeOffset + below(random, 4)
                                 : kRecordFixedBytes + below(random, meta_end - kRecordFixedBytes);
      bytes[at] = static_cast<std::byte>(below(random, 3) == 0 ? some_number(random, 4) : random());
    }
    repair(bytes);
    const auto decoded = decode_record(bytes, kPlace);
    if (!decoded) continue;
    ++accepted;
    RecordMeta again = decoded->meta;
    if ((again.flags & kFlagVersioned) == 0) again.version = 0;
    EncodedRecord encoded = encode_record(again, decoded->payload);
    encoded.finish(kPlace, again.sequence);
    ASSERT_EQ(hex(encoded.bytes()), hex(bytes)) << "seed " << seed;
  }
  EXPECT_GT(accepted, 0u);
}

TEST(Record, HasTheseVeryBytes) {
  OwnedRecord record;
  record.meta.kind = Kind::kCompletion;
  record.meta.flags = kFlagMoved;
  record.meta.sequence = 1000;
  record.meta.version = 998;
  record.meta.space = {3, 2};
  record.meta.created_ms = 1700000000000;
  record.meta.expires_at_ms = 1700000060000;
  record.meta.erase_by_ms = 1700000120000;
  record.meta.tokens_in = 300;
  record.meta.tokens_out = 5;
  record.meta.cost_micro_usd = 70;
  record.meta.raw_bytes = 5;
  record.model = "gpt";
  record.subjects = {"ann", ""};
  record.key = "key";
  record.payload = copy_of(as_bytes("value"));
  record.link();
  EXPECT_EQ(hex(record.encode(kPlace).bytes()),
            "4b524543010003012f00000005000000e803000000000000a3fd71570a18dc59d1877c73"
            "649dd9f6e603000000000000030280d095ffbc31e0a499ffbc31c0f99cffbc3105ac0205"
            "46036770740203616e6e00036b657976616c756500000000");
}

TEST(Record, MarkHasTheseVeryBytes) {
  OwnedRecord record;
  record.meta.type = RecordType::kMark;
  record.meta.sequence = 12;
  record.meta.created_ms = 1;
  record.meta.durable_through = 9;
  record.meta.written_through = 11;
  EXPECT_EQ(hex(record.encode(kPlace).bytes()),
            "4b5245430600000003000000000000000c0000000000000000000000000000009389f2b4"
            "3bed6e1601090b0000000000");
}

TEST(Record, LargestFieldsComeBack) {
  Random random(3);
  OwnedRecord written;
  fill_record(written, RecordType::kPut, random);
  written.model.assign(kMaxModelBytes, 'm');
  written.subjects.assign(kMaxSubjects, std::string(kMaxSubjectBytes, 's'));
  written.key.assign(std::size_t{64} * 1024, 'k');
  written.payload = some_bytes(random, 300'000);
  written.meta.codec = Codec::kZstd;
  written.link();
  const EncodedRecord encoded = written.encode(kPlace);
  const auto decoded = decode_record(encoded.bytes(), kPlace);
  ASSERT_TRUE(decoded);
  expect_same(decoded->meta, written.meta);
  EXPECT_EQ(copy_of(decoded->payload), written.payload);
}

TEST(Record, WhatNoReaderWouldTakeIsNotEncoded) {
  const std::string model(kMaxModelBytes + 1, 'm');
  const std::string key(kMaxMetaBytes, 'k');
  std::vector<RecordMeta> metas(7);
  metas[0].model = model;
  metas[1].subjects.assign(kMaxSubjects + 1, "s");
  metas[2].key = key;
  metas[3].space.database = kAllDatabases;
  metas[4].raw_bytes = 1;
  metas[5].type = RecordType::kVoid;
  metas[6].type = RecordType::kMark;
  metas[6].durable_through = 1;
  for (const RecordMeta& meta : metas)
    EXPECT_THROW(encode_record(meta, {}), std::logic_error);
  RecordMeta erase;
  erase.type = RecordType::kErase;
  EXPECT_THROW(encode_record(erase, as_bytes("payload")), std::logic_error);
}

TEST(Record, AVersionPastTheSequenceIsNotFinished) {
  RecordMeta meta;
  meta.version = 5;
  EncodedRecord record = encode_record(meta, {});
  EXPECT_THROW(record.finish(kPlace, 4), std::logic_error);
  EXPECT_THROW(encode_record({}, {}).finish(kPlace, 0), std::logic_error);
}

TEST(Record, AMomentBeforeTheEpochIsPastAndNotNever) {
  RecordMeta meta;
  meta.expires_at_ms = -5;
  meta.created_ms = -5;
  EncodedRecord record = encode_record(meta, {});
  record.finish(kPlace, 1);
  const auto decoded = decode_record(record.bytes(), kPlace);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->meta.expires_at_ms, 1);
  EXPECT_EQ(decoded->meta.created_ms, 0);
}

TEST(Record, RefusesNumbersThatNoStoreGivesOut) {
  OwnedRecord record;
  record.meta.sequence = kMaxNumber;
  EXPECT_TRUE(decode_record(record.encode(kPlace).bytes(), kPlace));
  record.meta.sequence = kMaxNumber + 1;
  EXPECT_THROW(record.encode(kPlace), std::logic_error);

  record.meta = {};
  record.meta.type = RecordType::kVoid;
  record.meta.first_void = 1;
  record.meta.last_void = kMaxNumber + 1;
  EXPECT_THROW(encode_record(record.meta, {}), std::logic_error);
}

}  // namespace
}  // namespace kachel::format
