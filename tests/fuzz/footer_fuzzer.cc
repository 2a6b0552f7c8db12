// Segment header, trailer and table. Whatever decodes holds its bounds and encodes to the same
// bytes again.
//
// Input: a byte of choices (1: put right checksums in; 2: put the identity in; 4: the table's
// place and length too), the changed fields of a header, a trailer, then a table.
#include "engine/format/footer.h"
#include "engine/format/record_rules.h"
#include "engine/format/trailer.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};
constexpr std::uint64_t kSegment = 7;
constexpr std::uint64_t kHeaderMagic = magic_of("KACHELSG");
constexpr std::size_t kHeaderFieldBytes = 80;  // of the header, what is not zeros

enum Choice : std::uint8_t { kSeal = 1, kIdentify = 2, kPlaceTable = 4 };

void identify(std::span<std::byte> structure, std::uint64_t magic) {
  begin_structure(structure, magic, kStore);
  store(structure.data() + 32, kSegment);
}

Bytes make_header(Input& input, std::uint8_t choice) {
  Bytes bytes(kSegmentHeaderBytes);
  std::ranges::copy(input.bytes(kHeaderFieldBytes), bytes.begin());
  if ((choice & kIdentify) != 0) identify(bytes, kHeaderMagic);
  if ((choice & kSeal) != 0) seal_structure(bytes, checksum_seed({kStore, kSegment, 0}));
  return bytes;
}

SegmentHeader check_header(const Bytes& bytes) {
  const auto header = decode_segment_header(bytes, kStore, kSegment);
  if (!header) {
    KACHEL_CHECK(!header.error().message.empty(), "an error says nothing");
    SegmentHeader otherwise;
    otherwise.store_id = kStore;
    otherwise.segment_id = kSegment;
    otherwise.first_sequence = 1;
    return otherwise;
  }
  KACHEL_CHECK(header->store_id == kStore && header->segment_id == kSegment, "another's");
  // The version of a newer writer is all that may differ.
  const Bytes again = encode_segment_header(*header);
  KACHEL_CHECK(is_same(std::span(again).subspan(16, 4072), std::span(bytes).subspan(16, 4072)),
               "the header encodes differently");
  return *header;
}

Bytes make_trailer(Input& input, std::uint8_t choice, std::span<const std::byte> table_of_input) {
  Bytes bytes(kTrailerBytes);
  std::ranges::copy(input.bytes(kTrailerBytes), bytes.begin());
  if ((choice & kIdentify) != 0) identify(bytes, kTrailerMagic);
  if ((choice & kPlaceTable) == 0) return bytes;
  std::byte* const at = bytes.data();
  const auto table_offset = kSegmentHeaderBytes + load<std::uint16_t>(at + 40) * 8u;
  store(at + 40, std::uint64_t{table_offset});
  store(at + 48, std::uint64_t{table_of_input.size()});
  return bytes;
}

void seal_trailer(Bytes& trailer, std::span<const std::byte> table, std::uint64_t file_bytes) {
  std::byte* const at = trailer.data();
  const std::uint64_t table_offset = load<std::uint64_t>(at + 40);
  store(at + 104, checksum(table, checksum_seed({kStore, kSegment, table_offset})));
  seal_structure(trailer, checksum_seed({kStore, kSegment, file_bytes - kTrailerBytes}));
}

void check_table(std::span<const std::byte> table, const SegmentHeader& header,
                 const Trailer& trailer) {
  const auto records = decode_table(table, header, trailer);
  if (!records) {
    KACHEL_CHECK(records.error().code == ErrorCode::kCorrupt, "another error");
    return;
  }
  std::uint64_t end = kSegmentHeaderBytes;
  for (const RecordSummary& record : *records) {
    KACHEL_CHECK(record.offset >= end && record.offset % kRecordAlignment == 0, "records overlap");
    KACHEL_CHECK(record.size > kRecordFixedBytes, "a record has no size");
    end = record.offset + record.size;
    KACHEL_CHECK(end <= trailer.table_offset, "a record is not before the table");
    KACHEL_CHECK(record.version > 0 && record.version <= record.sequence, "version");
    KACHEL_CHECK(record.expires_at_ms >= 0 && record.erase_by_ms >= 0, "time");
  }
  const EncodedFooter again = encode_footer(kStore, header, trailer.table_offset, *records);
  KACHEL_CHECK(again.trailer.table_bytes == trailer.table_bytes &&
                   again.trailer.table_checksum == trailer.table_checksum &&
                   again.trailer.entries == trailer.entries &&
                   again.trailer.lowest_deadline_ms == trailer.lowest_deadline_ms &&
                   again.trailer.highest_deadline_ms == trailer.highest_deadline_ms,
               "the footer encodes differently");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  const SegmentHeader header = check_header(make_header(input, choice));
  const auto trailer_part = input.bytes(kTrailerBytes);
  const Bytes table = exact_copy(input.rest());
  Input trailer_input(trailer_part);
  Bytes bytes = make_trailer(trailer_input, choice, table);
  const std::uint64_t table_offset = load<std::uint64_t>(bytes.data() + 40);
  // As long as its own word says, where that can be.
  const std::uint64_t file_bytes =
      align_up(std::min<std::uint64_t>(table_offset, 1u << 30) + table.size() + kTrailerBytes,
               kFooterAlignment);
  if ((choice & kSeal) != 0) seal_trailer(bytes, table, file_bytes);
  const auto trailer = decode_trailer(bytes, file_bytes, kStore, kSegment);
  if (!trailer) {
    KACHEL_CHECK(!trailer.error().message.empty(), "an error says nothing");
    return 0;
  }
  KACHEL_CHECK(trailer->table_offset + trailer->table_bytes + kTrailerBytes <= file_bytes,
               "the table is not inside the file");
  check_table(table, header, *trailer);
  return 0;
}
