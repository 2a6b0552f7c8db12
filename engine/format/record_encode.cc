#include <cstring>
#include <stdexcept>

#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/record.h"
#include "engine/format/record_rules.h"

namespace kachel::format {
namespace {

std::uint64_t time_code(std::int64_t ms) {
  return static_cast<std::uint64_t>(stored_time(ms));
}
std::uint64_t deadline_code(std::int64_t ms) {
  return static_cast<std::uint64_t>(stored_deadline(ms));
}

template <typename Sink>
void write_text(Sink& sink, std::string_view text) {
  sink.varint(text.size());
  sink.bytes(as_bytes(text));
}

template <typename Sink>
void write_put(Sink& sink, const RecordMeta& meta) {
  sink.varint(deadline_code(meta.erase_by_ms));
  sink.varint(meta.raw_bytes);
  sink.varint(meta.tokens_in);
  sink.varint(meta.tokens_out);
  sink.varint(meta.cost_micro_usd);
  write_text(sink, meta.model);
  sink.varint(meta.subjects.size());
  for (const std::string_view subject : meta.subjects)
    write_text(sink, subject);
}

template <typename Sink>
void write_meta(Sink& sink, const RecordMeta& meta) {
  const RecordType type = meta.type;
  if (meta.version != 0) sink.u64(meta.version);
  if (has_namespace(type)) {
    sink.varint(meta.space.tenant);
    sink.varint(meta.space.database);
  }
  sink.varint(time_code(meta.created_ms));
  if (type == RecordType::kPut || type == RecordType::kExpiry) {
    sink.varint(deadline_code(meta.expires_at_ms));
  }
  if (type == RecordType::kPut) write_put(sink, meta);
  if (type == RecordType::kErase) sink.varint(meta.covers);
  if (type == RecordType::kPut) {
    write_text(sink, meta.key);
  } else if (has_mac(type)) {
    sink.bytes(meta.mac.bytes);
  }
  if (has_scope(type, meta.space)) sink.bytes(meta.scope.bytes);
  if (type == RecordType::kVoid) {
    sink.varint(meta.first_void);
    sink.varint(meta.last_void);
  }
  if (type == RecordType::kMark) {
    sink.varint(meta.durable_through);
    sink.varint(meta.written_through);
  }
}

void write_fixed(std::byte* to, const RecordMeta& meta, std::size_t meta_bytes,
                 std::size_t payload_bytes) {
  const auto flags = static_cast<std::uint8_t>((meta.flags & (kFlagMoved | kFlagHeld)) |
                                               (meta.version != 0 ? kFlagVersioned : 0));
  std::memset(to, 0, kRecordFixedBytes);
  store(to, kRecordMagic);
  store(to + kTypeOffset, meta.type);
  store(to + kCodecOffset, meta.codec);
  store(to + kFlagsOffset, flags);
  store(to + kKindOffset, meta.kind);
  store(to + kMetaLengthOffset, static_cast<std::uint32_t>(meta_bytes));
  store(to + kPayloadLengthOffset, static_cast<std::uint32_t>(payload_bytes));
}

}  // namespace

EncodedRecord encode_record(const RecordMeta& meta, std::span<const std::byte> payload) {
  // Callers have checked their input: a fault here is a bug, and a record that no reader
  // would take must not reach the log.
  if (const char* fault = record_fault(meta, payload.size())) throw std::logic_error(fault);
  SizeSink measure;
  write_meta(measure, meta);
  if (measure.size() > kMaxMetaBytes) throw std::logic_error("the meta is above the limit");

  const std::size_t end = kRecordFixedBytes + measure.size() + payload.size();
  EncodedRecord record;
  record.size_ = align_up(end, kRecordAlignment);
  record.bytes_ = make_zeroizing_array(record.size_);
  write_fixed(record.data(), meta, measure.size(), payload.size());
  PointerSink sink(record.data() + kRecordFixedBytes);
  write_meta(sink, meta);
  sink.bytes(payload);
  std::memset(sink.position(), 0, record.size_ - end);
  return record;
}

void EncodedRecord::finish(const Place& place, std::uint64_t sequence) {
  std::byte* fixed = data();
  const std::uint64_t seed = checksum_seed(place);
  const std::size_t meta_bytes = load<std::uint32_t>(fixed + kMetaLengthOffset);
  const std::size_t payload_bytes = load<std::uint32_t>(fixed + kPayloadLengthOffset);
  const std::byte* meta = fixed + kRecordFixedBytes;
  const bool is_versioned = (std::to_integer<unsigned>(fixed[kFlagsOffset]) & kFlagVersioned) != 0;
  if (sequence == 0 || sequence > kMaxNumber ||
      (is_versioned && load<std::uint64_t>(meta) > sequence)) {
    throw std::logic_error("no such sequence, or a version past it");
  }
  store(fixed + kSequenceOffset, sequence);
  store(fixed + kPayloadChecksumOffset,
        payload_bytes == 0 ? 0 : checksum({meta + meta_bytes, payload_bytes}, seed));
  store(fixed + kHeaderChecksumOffset,
        checksum({fixed, kHeaderChecksumOffset}, {meta, meta_bytes}, seed));
}

}  // namespace kachel::format
