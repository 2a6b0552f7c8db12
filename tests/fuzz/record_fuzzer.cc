// One record: whatever decodes lies inside its bytes, encodes to the same bytes again, and
// nothing is read outside.
//
// Input: a byte of choices (1: put right checksums in; 2: decompress too), then the record.
#include "engine/codec.h"
#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/footer.h"
#include "engine/format/record.h"
#include "engine/format/record_rules.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

const Place kPlace{{std::byte{0xa0}}, 7, 4096};
constexpr std::size_t kMaxValueBytes = 64 * 1024;  // decompressed here

/// As a writer would have, so that what is behind the checksums is reached.
void seal(Bytes& bytes) {
  const auto extent = peek_record(bytes);
  if (!extent || extent->size > bytes.size()) return;
  const std::uint64_t seed = checksum_seed(kPlace);
  std::byte* const at = bytes.data();
  const std::size_t payload_bytes = load<std::uint32_t>(at + kPayloadLengthOffset);
  const std::span<const std::byte> all(bytes);
  const auto payload = all.subspan(extent->meta_end, payload_bytes);
  store(at + kPayloadChecksumOffset, payload.empty() ? 0 : checksum(payload, seed));
  const auto meta = all.first(extent->meta_end).subspan(kRecordFixedBytes);
  store(at + kHeaderChecksumOffset, checksum(all.first(kHeaderChecksumOffset), meta, seed));
}

void check_bounds(const DecodedRecord& record, std::span<const std::byte> bytes) {
  KACHEL_CHECK(record.size <= bytes.size() && record.size % kRecordAlignment == 0, "size");
  const auto whole = bytes.first(record.size);
  KACHEL_CHECK(is_within(record.payload, whole), "the payload is outside");
  KACHEL_CHECK(is_within(record.meta.key, whole), "the key is outside");
  KACHEL_CHECK(is_within(record.meta.model, whole), "the model is outside");
  KACHEL_CHECK(record.meta.subjects.size() <= kMaxSubjects, "too many subjects");
  for (const std::string_view subject : record.meta.subjects)
    KACHEL_CHECK(is_within(subject, whole), "a subject is outside");
}

void check_encodes_again(const DecodedRecord& record, std::span<const std::byte> bytes) {
  RecordMeta meta = record.meta;
  if ((meta.flags & kFlagVersioned) == 0) meta.version = 0;
  EncodedRecord again = encode_record(meta, record.payload);
  again.finish(kPlace, meta.sequence);
  KACHEL_CHECK(is_same(again.bytes(), bytes.first(record.size)), "there are two ways to write it");
}

void check_meta_alone(const DecodedRecord& record, std::span<const std::byte> bytes) {
  const auto extent = peek_record(bytes);
  KACHEL_CHECK(extent && extent->size == record.size, "peek_record sees another size");
  const Bytes front = exact_copy(bytes.first(extent->meta_end));
  const auto meta = decode_record_meta(front, kPlace);
  KACHEL_CHECK(meta && meta->size == record.size && meta->payload.empty() &&
                   meta->meta.sequence == record.meta.sequence && meta->meta.key == record.meta.key,
               "the meta alone reads differently");
}

void check_value(const DecodedRecord& record) {
  if (record.meta.raw_bytes > kMaxValueBytes) return;
  Bytes value(record.meta.raw_bytes);
  const auto done = decompress(record.meta.codec, record.payload, value);
  KACHEL_CHECK(done || done.error().code == ErrorCode::kCorrupt, "another error");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  Bytes bytes = exact_copy(input.rest());
  if ((choice & 1) != 0) seal(bytes);
  // Even where the whole does not decode.
  if (const auto meta = decode_record_meta(bytes, kPlace); meta) {
    KACHEL_CHECK(is_within(meta->meta.key, bytes), "the key is outside");
  }
  const auto record = decode_record(bytes, kPlace);
  if (!record) {
    KACHEL_CHECK(record.error().code == kachel::ErrorCode::kCorrupt, "another error");
    return 0;
  }
  check_bounds(*record, bytes);
  check_encodes_again(*record, bytes);
  check_meta_alone(*record, bytes);
  if ((choice & 2) != 0) check_value(*record);
  const RecordSummary summary = summarize(record->meta, kPlace.offset, record->size, {});
  KACHEL_CHECK(summary.version > 0 && summary.version <= summary.sequence, "version");
  return 0;
}
