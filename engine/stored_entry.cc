#include "engine/stored_entry.h"

#include "engine/codec.h"

namespace kachel {

StoredEntry decode_stored_entry(const Core& core, const Segment& segment, Namespace space,
                                const Row& row, std::span<const std::byte> bytes) {
  auto record = format::decode_record(bytes, {core.store_id, segment.id, row.offset});
  if (!record) return {};
  const format::RecordMeta& meta = record->meta;
  if (meta.type != format::RecordType::kPut || meta.space != space) return {};
  const bool is_promised = row.version == 0
                               ? (meta.flags & format::kFlagHeld) == 0  // those are no entries
                               : meta.version == row.version && meta.raw_bytes == row.raw_bytes;
  if (!is_promised) return {};
  Entry::Pointer entry = Entry::make(meta.raw_bytes);
  if (!decompress(meta.codec, record->payload, std::as_writable_bytes(entry->mutable_value()),
                  segment.dictionary.get())) {
    return {};
  }
  entry->metadata.kind = meta.kind;
  entry->metadata.model = meta.model;
  entry->metadata.subjects.assign(meta.subjects.begin(), meta.subjects.end());
  entry->tags = scope_tags(core.mac_key, space.tenant, meta.model, meta.subjects);
  entry->metadata.erase_by_ms = meta.erase_by_ms;
  entry->metadata.tokens_in = meta.tokens_in;
  entry->metadata.tokens_out = meta.tokens_out;
  entry->metadata.cost_micro_usd = meta.cost_micro_usd;
  entry->version = meta.version;
  entry->created_ms = meta.created_ms;
  entry->stored_bytes = row.size;
  if (row.version == 0 || meta.expires_at_ms == row.expires_at_ms) {
    note_place(*entry, segment.id, row.offset);
  }
  return {std::move(entry), ZeroizingString(meta.key), meta.expires_at_ms};
}

}  // namespace kachel
