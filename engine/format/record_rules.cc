#include "engine/format/record_rules.h"

#include "engine/field_key.h"

namespace kachel::format {
namespace {

const char* put_fault(const RecordMeta& meta, std::size_t payload_bytes) {
  if (meta.raw_bytes > kMaxPayloadBytes) return "the raw length is above the limit";
  if (meta.codec == Codec::kRaw && meta.raw_bytes != payload_bytes) {
    return "a raw payload is not of its raw length";
  }
  if (meta.codec != Codec::kRaw && payload_bytes == 0) return "a compressed payload is empty";
  if (has_fields(meta.space) && !parse_field_key(meta.key)) return "a field names no hash";
  if (meta.model.size() > kMaxModelBytes) return "the model is too long";
  if (meta.subjects.size() > kMaxSubjects) return "too many subjects";
  for (const std::string_view subject : meta.subjects) {
    if (subject.size() > kMaxSubjectBytes) return "a subject is too long";
  }
  return nullptr;
}

}  // namespace

const char* record_fault(const RecordMeta& meta, std::size_t payload_bytes) {
  if (payload_bytes > kMaxPayloadBytes) return "the payload is above the limit";
  if (has_namespace(meta.type) && !is_database(meta.type, meta.space.database)) {
    return "no such database";
  }
  if ((meta.flags & kFlagHeld) != 0 &&
      (meta.type != RecordType::kPut || (meta.flags & kFlagMoved) == 0)) {
    return "only a moved put is held";
  }
  switch (meta.type) {
    case RecordType::kPut:
      return put_fault(meta, payload_bytes);
    case RecordType::kVoid:
      if (meta.first_void == 0 || meta.first_void > meta.last_void) {
        return "the voided range is empty";
      }
      if (meta.last_void > kMaxNumber) return "no such sequence";
      break;
    case RecordType::kMark:
      if (meta.durable_through > meta.written_through) {
        return "a mark calls durable what was not written";
      }
      if (meta.written_through > kMaxNumber) return "no such sequence";
      break;
    default:
      break;
  }
  if (payload_bytes != 0 || meta.codec != Codec::kRaw || meta.kind != Kind::kBlob) {
    return "only puts have a payload, a codec and a kind";
  }
  return nullptr;
}

}  // namespace kachel::format
