#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/record.h"
#include "engine/format/record_rules.h"

namespace kachel::format {
namespace {

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("damaged record: ") + what};
}

void read_mac(Reader& reader, Mac& mac) {
  const auto bytes = reader.bytes(mac.bytes.size());
  if (!bytes.empty()) mac.bytes = load<decltype(mac.bytes)>(bytes.data());
}

std::string_view read_text(Reader& reader, std::uint64_t limit) {
  return reader.text(reader.varint_up_to(limit));
}

void read_put(Reader& reader, RecordMeta& meta) {
  meta.erase_by_ms = reader.time_ms();
  meta.raw_bytes = reader.varint();
  meta.tokens_in = reader.varint();
  meta.tokens_out = reader.varint();
  meta.cost_micro_usd = reader.varint();
  meta.model = read_text(reader, kMaxModelBytes);
  const std::uint64_t subjects = reader.varint_up_to(kMaxSubjects);
  meta.subjects.reserve(subjects);
  for (std::uint64_t i = 0; i < subjects; ++i) {
    meta.subjects.push_back(read_text(reader, kMaxSubjectBytes));
  }
}

// The counterpart of write_meta: the same order.
void read_meta(Reader& reader, RecordMeta& meta) {
  const RecordType type = meta.type;
  meta.version = (meta.flags & kFlagVersioned) != 0 ? reader.u64() : meta.sequence;
  if (has_namespace(type)) {
    meta.space.tenant = static_cast<std::uint32_t>(reader.varint_up_to(UINT32_MAX));
    meta.space.database = static_cast<std::uint8_t>(reader.varint_up_to(UINT8_MAX));
  }
  meta.created_ms = reader.time_ms();
  if (type == RecordType::kPut || type == RecordType::kExpiry) {
    meta.expires_at_ms = reader.time_ms();
  }
  if (type == RecordType::kPut) read_put(reader, meta);
  if (type == RecordType::kErase) meta.covers = reader.varint();
  if (type == RecordType::kPut) {
    meta.key = read_text(reader, kMaxMetaBytes);
  } else if (has_mac(type)) {
    read_mac(reader, meta.mac);
  }
  if (has_scope(type, meta.space)) read_mac(reader, meta.scope);
  if (type == RecordType::kVoid) {
    meta.first_void = reader.varint();
    meta.last_void = reader.varint();
  }
  if (type == RecordType::kMark) {
    meta.durable_through = reader.varint();
    meta.written_through = reader.varint();
  }
}

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t offset) {
  return std::to_integer<std::uint8_t>(bytes[offset]);
}

const char* fixed_fault(std::span<const std::byte> fixed) {
  if (load<std::uint32_t>(fixed.data()) != kRecordMagic) return "no magic";
  if (!is_record_type(byte_at(fixed, kTypeOffset))) return "unknown type";
  if (byte_at(fixed, kCodecOffset) > static_cast<std::uint8_t>(Codec::kZstdDictionary)) {
    return "unknown codec";
  }
  if ((byte_at(fixed, kFlagsOffset) & ~kKnownFlags) != 0) return "unknown flags";
  if (byte_at(fixed, kKindOffset) > static_cast<std::uint8_t>(Kind::kEmbedding)) {
    return "unknown kind";
  }
  if (load<std::uint32_t>(fixed.data() + kMetaLengthOffset) > kMaxMetaBytes) {
    return "the meta is above the limit";
  }
  if (load<std::uint32_t>(fixed.data() + kPayloadLengthOffset) > kMaxPayloadBytes) {
    return "the payload is above the limit";
  }
  const auto sequence = load<std::uint64_t>(fixed.data() + kSequenceOffset);
  if (sequence == 0 || sequence > kMaxNumber) return "no such sequence";
  return nullptr;
}

// `extent` is of these bytes, which hold at least extent.meta_end.
Result<DecodedRecord> decode_header(std::span<const std::byte> bytes, RecordExtent extent,
                                    std::uint64_t seed) {
  const std::byte* fixed = bytes.data();
  const auto meta_bytes = bytes.first(extent.meta_end).subspan(kRecordFixedBytes);
  if (checksum(bytes.first(kHeaderChecksumOffset), meta_bytes, seed) !=
      load<std::uint64_t>(fixed + kHeaderChecksumOffset)) {
    return corrupt("the header's checksum does not fit");
  }
  DecodedRecord record;
  RecordMeta& meta = record.meta;
  meta.type = static_cast<RecordType>(byte_at(bytes, kTypeOffset));
  meta.codec = static_cast<Codec>(byte_at(bytes, kCodecOffset));
  meta.flags = byte_at(bytes, kFlagsOffset);
  meta.kind = static_cast<Kind>(byte_at(bytes, kKindOffset));
  meta.sequence = load<std::uint64_t>(fixed + kSequenceOffset);
  record.size = extent.size;

  Reader reader(meta_bytes);
  read_meta(reader, meta);
  if (!reader.finished()) return corrupt("the meta is not as its type says");
  if (meta.version == 0 || meta.version > meta.sequence) return corrupt("version past sequence");
  const std::size_t payload_bytes = load<std::uint32_t>(fixed + kPayloadLengthOffset);
  if (const char* fault = record_fault(meta, payload_bytes)) return corrupt(fault);
  return record;
}

}  // namespace

Result<RecordExtent> peek_record(std::span<const std::byte> bytes) {
  if (bytes.size() < kRecordFixedBytes) return corrupt("cut off in the fixed part");
  if (const char* fault = fixed_fault(bytes)) return corrupt(fault);
  RecordExtent extent;
  extent.meta_end = kRecordFixedBytes + load<std::uint32_t>(bytes.data() + kMetaLengthOffset);
  extent.size = align_up(extent.meta_end + load<std::uint32_t>(bytes.data() + kPayloadLengthOffset),
                         kRecordAlignment);
  return extent;
}

Result<DecodedRecord> decode_record_meta(std::span<const std::byte> bytes, const Place& place) {
  const auto extent = peek_record(bytes);
  if (!extent) return extent.error();
  if (bytes.size() < extent->meta_end) return corrupt("cut off in the meta");
  return decode_header(bytes, *extent, checksum_seed(place));
}

Result<DecodedRecord> decode_record(std::span<const std::byte> bytes, const Place& place) {
  const auto extent = peek_record(bytes);
  if (!extent) return extent.error();
  if (bytes.size() < extent->size) return corrupt("cut off");
  const std::uint64_t seed = checksum_seed(place);
  auto record = decode_header(bytes, *extent, seed);
  if (!record) return record;

  const std::size_t payload_bytes = load<std::uint32_t>(bytes.data() + kPayloadLengthOffset);
  const auto payload = bytes.subspan(extent->meta_end, payload_bytes);
  const std::uint64_t expected = payload.empty() ? 0 : checksum(payload, seed);
  if (load<std::uint64_t>(bytes.data() + kPayloadChecksumOffset) != expected) {
    return corrupt("the payload's checksum does not fit");
  }
  if (!all_zero(bytes.first(extent->size).subspan(extent->meta_end + payload_bytes))) {
    return corrupt("the padding is not zero");
  }
  record->payload = payload;
  return record;
}

}  // namespace kachel::format
