#include "engine/format/scanner.h"

#include <gtest/gtest.h>

#include "format_testing.h"

namespace kachel::format {
namespace {

constexpr StoreId kStore = test_store();
constexpr std::uint64_t kSegment = 9;

// An open segment in memory.
class Segment {
 public:
  Segment() : bytes_(kSegmentHeaderBytes) {}

  std::uint64_t append(std::string_view key, std::size_t payload_bytes) {
    Random random(payload_bytes + key.size());
    const Bytes payload = some_bytes(random, payload_bytes);
    RecordMeta meta;
    meta.key = key;
    meta.raw_bytes = payload_bytes;
    EncodedRecord record = encode_record(meta, payload);
    const std::uint64_t offset = bytes_.size();
    record.finish({kStore, kSegment, offset}, ++sequence_);
    bytes_.insert(bytes_.end(), record.bytes().begin(), record.bytes().end());
    return offset;
  }
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
  std::uint64_t sequence_ = 0;
};

struct Scanned {
  ScanResult result;
  std::vector<std::string> keys;
  std::vector<std::uint64_t> offsets;
};

Scanned scan(const MemoryFile& file, std::uint64_t from = kSegmentHeaderBytes) {
  Scanned scanned;
  const auto result = scan_segment(file, kStore, kSegment, from,
                                   [&](const DecodedRecord& record, std::uint64_t offset) {
                                     scanned.keys.emplace_back(record.meta.key);
                                     scanned.offsets.push_back(offset);
                                   });
  EXPECT_TRUE(result);
  if (result) scanned.result = *result;
  return scanned;
}

Scanned scan(const Segment&, Bytes bytes) {
  return scan(MemoryFile(std::move(bytes)));
}
Scanned scan(Segment& segment) {
  return scan(segment, segment.bytes());
}

using Keys = std::vector<std::string>;

class Scanner : public testing::Test {
 protected:
  Scanner()
      : first_(segment_.append("first", 100)),
        middle_(segment_.append("middle", 3000)),
        last_(segment_.append("last", 5)),
        end_(segment_.bytes().size()) {}

  // One damaged range in the middle, of `damaged_bytes`.
  void expect_middle_lost(const Scanned& scanned, std::uint64_t damaged_bytes) const {
    EXPECT_EQ(scanned.keys, (Keys{"first", "last"}));
    EXPECT_EQ(scanned.result.records, 2u);
    EXPECT_EQ(scanned.result.data_end, end_);
    EXPECT_EQ(scanned.result.damaged_ranges, 1u);
    EXPECT_EQ(scanned.result.damaged_bytes, damaged_bytes);
    EXPECT_EQ(scanned.result.tail_bytes, 0u);
  }

  Segment segment_;
  std::uint64_t first_, middle_, last_, end_;
};

TEST_F(Scanner, FindsEveryRecordOfACleanSegment) {
  const Scanned scanned = scan(segment_);
  EXPECT_EQ(scanned.keys, (Keys{"first", "middle", "last"}));
  EXPECT_EQ(scanned.offsets, (std::vector<std::uint64_t>{first_, middle_, last_}));
  EXPECT_EQ(scanned.result.records, 3u);
  EXPECT_EQ(scanned.result.data_end, end_);
  EXPECT_EQ(scanned.result.damaged_ranges, 0u);
  EXPECT_EQ(scanned.result.tail_bytes, 0u);
}

TEST_F(Scanner, StartsWhereItIsTold) {
  const Scanned scanned = scan(MemoryFile(segment_.bytes()), middle_);
  EXPECT_EQ(scanned.keys, (Keys{"middle", "last"}));
  const Scanned past = scan(MemoryFile(segment_.bytes()), end_ + 4096);
  EXPECT_EQ(past.result.data_end, end_ + 4096);
  EXPECT_EQ(past.result.records, 0u);
}

TEST_F(Scanner, DamageInAHeaderOrAMetaCostsThatRecord) {
  for (const std::uint64_t at : {middle_, middle_ + 13, middle_ + 39, middle_ + 45}) {
    segment_.bytes()[at] ^= std::byte{0x10};
    expect_middle_lost(scan(segment_), last_ - middle_);
    segment_.bytes()[at] ^= std::byte{0x10};
  }
}

TEST_F(Scanner, DamageInAPayloadCostsThatRecord) {
  for (const std::uint64_t at : {middle_ + 100, last_ - 9}) {
    segment_.bytes()[at] ^= std::byte{0x10};
    expect_middle_lost(scan(segment_), last_ - middle_);
    segment_.bytes()[at] ^= std::byte{0x10};
  }
}

TEST_F(Scanner, NeighboursWithDamagedPayloadsAreCountedOneByOne) {
  segment_.append("end", 10);
  segment_.bytes()[middle_ + 100] ^= std::byte{1};
  segment_.bytes()[last_ + 60] ^= std::byte{1};
  const Scanned scanned = scan(segment_);
  EXPECT_EQ(scanned.keys, (Keys{"first", "end"}));
  EXPECT_EQ(scanned.result.damaged_ranges, 2u);
  EXPECT_EQ(scanned.result.damaged_bytes, end_ - middle_);
}

// The value of a damaged record is the user's: what looks like a record in it is not one.
TEST_F(Scanner, ARecordInsideADamagedPayloadIsNotServed) {
  Bytes& bytes = segment_.bytes();
  const std::uint64_t inner = middle_ + 512;
  RecordMeta meta;
  meta.key = "forged";
  EncodedRecord forged = encode_record(meta, {});
  forged.finish({kStore, kSegment, inner}, 50);
  std::copy(forged.bytes().begin(), forged.bytes().end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(inner));
  expect_middle_lost(scan(segment_), last_ - middle_);
}

TEST_F(Scanner, EveryTruncationKeepsTheRecordsBeforeIt) {
  for (std::uint64_t size = kSegmentHeaderBytes; size < end_; size += 3) {
    const Bytes cut = copy_of(std::span(segment_.bytes()).first(size));
    const Scanned scanned = scan(segment_, cut);
    const std::uint64_t whole = size < middle_ ? 0 : size < last_ ? 1 : 2;
    const std::uint64_t data_end = whole == 0 ? first_ : whole == 1 ? middle_ : last_;
    ASSERT_EQ(scanned.result.records, whole) << size;
    ASSERT_EQ(scanned.result.data_end, data_end) << size;
    ASSERT_EQ(scanned.result.damaged_ranges, 0u) << size;
    ASSERT_LE(scanned.result.tail_bytes, size - data_end) << size;
    ASSERT_EQ(scanned.result.tail_bytes > 0, size > data_end) << size;
  }
}

TEST_F(Scanner, ZerosAtTheTailAreNothing) {
  Bytes bytes = segment_.bytes();
  bytes.resize(bytes.size() + 3'000'005);
  const Scanned scanned = scan(segment_, bytes);
  EXPECT_EQ(scanned.result.data_end, end_);
  EXPECT_EQ(scanned.result.tail_bytes, 0u);
}

TEST_F(Scanner, GarbageAtTheTailIsCounted) {
  Random random(1);
  Bytes bytes = segment_.bytes();
  const Bytes garbage = some_bytes(random, 999);
  bytes.insert(bytes.end(), garbage.begin(), garbage.end());
  const Scanned scanned = scan(segment_, bytes);
  EXPECT_EQ(scanned.result.records, 3u);
  EXPECT_EQ(scanned.result.data_end, end_);
  EXPECT_EQ(scanned.result.tail_bytes, 999u);
  EXPECT_EQ(scanned.result.damaged_ranges, 0u);
}

TEST_F(Scanner, ADamagedLastRecordIsTail) {
  segment_.bytes()[last_ + 60] ^= std::byte{1};
  const Scanned scanned = scan(segment_);
  EXPECT_EQ(scanned.result.data_end, last_);
  EXPECT_EQ(scanned.result.damaged_ranges, 0u);
  EXPECT_EQ(scanned.result.tail_bytes, end_ - last_);
}

TEST_F(Scanner, ZerosBetweenRecordsAreNoDamage) {
  segment_.bytes().resize(end_ + 4096);
  segment_.append("after the gap", 10);
  const Scanned scanned = scan(segment_);
  EXPECT_EQ(scanned.result.records, 4u);
  EXPECT_EQ(scanned.result.damaged_ranges, 0u);
  EXPECT_EQ(scanned.result.data_end, segment_.bytes().size());
}

TEST_F(Scanner, AZeroedPageInsideAPayloadCostsThatRecord) {
  Bytes& bytes = segment_.bytes();
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(middle_ + 200), 1024, std::byte{0});
  expect_middle_lost(scan(segment_), last_ - middle_);
}

TEST_F(Scanner, RecordsOfAnotherPlaceAreDamage) {
  Bytes bytes = segment_.bytes();
  const Bytes first = copy_of(std::span(bytes).subspan(first_, middle_ - first_));
  std::copy(first.begin(), first.end(), bytes.begin() + static_cast<std::ptrdiff_t>(middle_));
  const Scanned scanned = scan(segment_, bytes);
  EXPECT_EQ(scanned.keys, (Keys{"first", "last"}));
  EXPECT_EQ(scanned.result.damaged_ranges, 1u);
}

TEST(ScannerEdges, AnEmptyRegionHasNoRecords) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, kSegmentHeaderBytes}) {
    const Scanned scanned = scan(MemoryFile(Bytes(size)));
    EXPECT_EQ(scanned.result.records, 0u);
    EXPECT_EQ(scanned.result.data_end, kSegmentHeaderBytes);
    EXPECT_EQ(scanned.result.tail_bytes, 0u);
  }
}

TEST(ScannerEdges, RecordsLargerThanTheWindowAreRead) {
  Segment segment;
  segment.append("a", 10);
  const std::uint64_t large = segment.append("large", 3'500'000);
  const std::uint64_t after = segment.append("b", 1'048'000);
  segment.append("c", 1'048'576);
  EXPECT_EQ(scan(segment).keys, (Keys{"a", "large", "b", "c"}));
  segment.bytes()[large + 3'000'000] ^= std::byte{1};
  const Scanned scanned = scan(segment);
  EXPECT_EQ(scanned.keys, (Keys{"a", "b", "c"}));
  EXPECT_EQ(scanned.result.damaged_ranges, 1u);
  EXPECT_EQ(scanned.result.damaged_bytes, after - large);
}

TEST(ScannerEdges, ManyRecordsAcrossWindowsAreReadInBoundedChunks) {
  Segment segment;
  Random random(7);
  for (int i = 0; i < 400; ++i)
    segment.append("key", below(random, 20'000));
  const MemoryFile file(segment.bytes());
  EXPECT_EQ(scan(file).result.records, 400u);
  EXPECT_LE(file.largest_read(), 1024u * 1024);
}

// A torn length must not make the scan ask for the memory it states.
TEST(ScannerEdges, AStatedLengthIsNotTrustedBeforeItsChecksum) {
  Segment segment;
  const std::uint64_t only = segment.append("key", 100);
  store(segment.bytes().data() + only + 12, static_cast<std::uint32_t>(kMaxPayloadBytes));
  segment.append("next", 10);
  const MemoryFile file(segment.bytes());
  EXPECT_EQ(scan(file).keys, (Keys{"next"}));
  EXPECT_LE(file.largest_read(), 1024u * 1024);
}

TEST(ScannerEdges, RandomDamageNeverCostsAnUntouchedRecord) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Segment segment;
    std::vector<std::uint64_t> begins;
    begins.reserve(31);
    for (int i = 0; i < 30; ++i)
      begins.push_back(segment.append("key", below(random, 400)));
    begins.push_back(segment.bytes().size());
    std::vector<bool> is_hit(30);
    for (std::uint64_t hits = below(random, 6); hits > 0; --hits) {
      const std::size_t record = below(random, 30);
      const std::uint64_t size = begins[record + 1] - begins[record];
      flip(segment.bytes(), (begins[record] + below(random, size)) * 8 + below(random, 8));
      is_hit[record] = true;
    }
    const Scanned scanned = scan(segment);
    std::size_t next = 0;
    for (std::size_t i = 0; i < 30; ++i) {
      const bool is_found = next < scanned.offsets.size() && scanned.offsets[next] == begins[i];
      ASSERT_TRUE(is_found || is_hit[i]) << "seed " << seed << ", record " << i;
      if (is_found) ++next;
    }
    ASSERT_EQ(next, scanned.offsets.size());
  }
}

TEST(ScannerEdges, AReadThatEndsBeforeTheFileIsAnError) {
  Segment segment;
  segment.append("first", 100);
  const std::uint64_t second = segment.append("second", 100);
  MemoryFile file(segment.bytes());
  file.end_reads_at(second);
  const auto result = scan_segment(file, kStore, kSegment, kSegmentHeaderBytes,
                                   [](const DecodedRecord&, std::uint64_t) {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
}

TEST(ScannerEdges, AFailingDeviceIsAnError) {
  Segment segment;
  segment.append("key", 100);
  MemoryFile file(segment.bytes());
  file.fail_reads();
  const auto result = scan_segment(file, kStore, kSegment, kSegmentHeaderBytes,
                                   [](const DecodedRecord&, std::uint64_t) {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace kachel::format
