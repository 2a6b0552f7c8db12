#include "engine/reclaim_encoder.h"

namespace kachel {
namespace {
bool needs_dictionary(const format::DecodedRecord& record) {
  return record.meta.codec == format::Codec::kZstdDictionary;
}
}  // namespace

bool ReclaimEncoder::may_use(const Dictionary::Pointer& dictionary, std::int64_t death_ms) const {
  return dictionary && dictionary->outlives(death_ms, core_.clock.now_ms());
}

bool ReclaimEncoder::may_use(const Encoding& encoding, std::int64_t death_ms) const {
  return encoding.codec != format::Codec::kZstdDictionary || may_use(encoding.dictionary, death_ms);
}

std::optional<Encoding> ReclaimEncoder::encode_copy(const format::DecodedRecord& record,
                                                    bool pressed) const {
  const format::RecordMeta& meta = record.meta;
  const std::int64_t death_ms = earlier(meta.expires_at_ms, meta.erase_by_ms);
  Dictionary::Pointer newest = core_.dictionaries.current(meta.space.tenant);
  if (!may_use(newest, death_ms) || meta.raw_bytes > kMaxDictionaryValueBytes) newest = nullptr;
  if (!may_use(as_it_is(record), death_ms)) {
    return encode(record, newest, pressed ? Effort::kFast : Effort::kDense);
  }
  // Once more would gain nothing.
  const bool is_dense = (meta.flags & format::kFlagMoved) != 0 &&
                        (!needs_dictionary(record) || segment_.dictionary == newest);
  if (pressed || !newest || is_dense) return std::nullopt;
  auto encoding = encode(record, newest, Effort::kDense);
  if (encoding && encoding->payload.size() >= record.payload.size()) return std::nullopt;
  return encoding;
}

std::optional<Encoding> ReclaimEncoder::encode_held(const format::DecodedRecord& record) const {
  return needs_dictionary(record) ? without_dictionary(record) : std::nullopt;
}

Encoding ReclaimEncoder::as_it_is(const format::DecodedRecord& record) const {
  Encoding encoding;
  encoding.codec = record.meta.codec;
  if (needs_dictionary(record)) encoding.dictionary = segment_.dictionary;
  encoding.payload = record.payload;
  return encoding;
}

std::optional<Encoding> ReclaimEncoder::without_dictionary(
    const format::DecodedRecord& record) const {
  return encode(record, nullptr, Effort::kFast);
}

std::optional<Encoding> ReclaimEncoder::encode(const format::DecodedRecord& record,
                                               const Dictionary::Pointer& dictionary,
                                               Effort effort) const {
  ZeroizingBytes value(record.meta.raw_bytes);
  if (!decompress(record.meta.codec, record.payload, value, segment_.dictionary.get())) {
    return std::nullopt;
  }
  const Compressed stored = dictionary ? compress(value, *dictionary, effort)
                                       : compress(value, core_.options.compression_level);
  Encoding encoding;
  encoding.codec = stored.codec;
  if (stored.codec == format::Codec::kZstdDictionary) encoding.dictionary = dictionary;
  encoding.own.assign(stored.bytes.begin(), stored.bytes.end());
  encoding.payload = encoding.own;
  return encoding;
}

}  // namespace kachel
