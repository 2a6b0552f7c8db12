#include "engine/row_coding.h"

#include <algorithm>
#include <cstring>

#include "engine/format/bytes.h"

namespace kachel {
namespace {

constexpr std::uint64_t kMarkerVersion = 2;  // an index with another is built anew
constexpr std::size_t kRowKeyBytes = 1 + 4 + 1 + 16;
constexpr std::size_t kFenceKeyBytes = 1 + 4 + 1;
constexpr std::size_t kCountsKeyBytes = 2 + 8;

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void put_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

std::uint64_t get_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes)
    value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

using format::Reader;

constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 48;  // of entries or bytes in a segment

Reader reader_of(std::string_view bytes) {
  return Reader(format::as_bytes(bytes));
}

// In units of the records' alignment; what would not fit afterwards fails.
std::uint64_t get_units(Reader& reader, std::uint64_t limit) {
  return reader.varint_up_to(limit / format::kRecordAlignment) * format::kRecordAlignment;
}

Namespace get_namespace(Reader& reader) {
  Namespace space;
  space.tenant = static_cast<std::uint32_t>(reader.varint_up_to(UINT32_MAX));
  space.database = static_cast<std::uint8_t>(reader.varint_up_to(UINT8_MAX));
  return space;
}

}  // namespace

std::string encode_row_key(const RowKey& key) {
  std::string out;
  out.reserve(kRowKeyBytes);
  out.push_back(kRowPrefix);
  put_big_endian(out, key.space.tenant, 4);
  out.push_back(static_cast<char>(key.space.database));
  out.append(reinterpret_cast<const char*>(key.mac.bytes.data()), key.mac.bytes.size());
  return out;
}

std::optional<RowKey> decode_row_key(std::string_view bytes) {
  if (bytes.size() != kRowKeyBytes || bytes[0] != kRowPrefix) return std::nullopt;
  RowKey key;
  key.space.tenant = static_cast<std::uint32_t>(get_big_endian(bytes.substr(1, 4)));
  key.space.database = static_cast<std::uint8_t>(bytes[5]);
  std::memcpy(key.mac.bytes.data(), bytes.data() + 6, key.mac.bytes.size());
  return key;
}

std::string encode_row(const Row& row) {
  std::string out;
  out.reserve(48);
  put_varint(out, row.segment_id);
  put_varint(out, row.offset / format::kRecordAlignment);
  put_varint(out, row.size / format::kRecordAlignment);
  put_varint(out, row.sequence);
  put_varint(out, row.sequence - row.version);
  put_varint(out, static_cast<std::uint64_t>(row.expires_at_ms));
  put_varint(out, row.raw_bytes);
  put_varint(out, row.covers);
  put_varint(out, row.expiry_sequence);
  put_varint(out, static_cast<std::uint64_t>(row.erase_by_ms));
  for (const ScopeTag tag : row.tags)
    out.append(reinterpret_cast<const char*>(&tag), sizeof tag);
  return out;
}

std::optional<Row> decode_row(std::string_view bytes) {
  Reader reader = reader_of(bytes);
  Row row;
  row.segment_id = reader.varint();
  row.offset = get_units(reader, UINT64_MAX);
  row.size = static_cast<std::uint32_t>(get_units(reader, UINT32_MAX));
  row.sequence = reader.varint();
  row.version = row.sequence - reader.varint_up_to(row.sequence);
  row.expires_at_ms = reader.time_ms();
  row.raw_bytes = reader.varint();
  row.covers = reader.varint();
  row.expiry_sequence = reader.varint();
  row.erase_by_ms = reader.time_ms();
  const std::size_t tags = reader.ok() ? reader.remaining() / sizeof(ScopeTag) : 0;
  if (tags > kMaxScopeTags) return std::nullopt;
  row.tags.resize(tags);
  for (ScopeTag& tag : row.tags)
    tag = reader.u64();
  if (!reader.finished()) return std::nullopt;
  return row;
}

std::string encode_fence_key(const Fence& fence) {
  std::string out(1, kFencePrefix);
  put_big_endian(out, fence.space.tenant, 4);
  out.push_back(static_cast<char>(fence.space.database));
  if (is_scope(fence.space)) {
    out.append(reinterpret_cast<const char*>(fence.mac.bytes.data()), fence.mac.bytes.size());
  }
  return out;
}

std::string encode_fence(const Fence& fence) {
  std::string out;
  put_varint(out, fence.version);
  if (is_scope(fence.space)) put_varint(out, static_cast<std::uint64_t>(fence.created_ms));
  return out;
}

bool is_fence_key(std::string_view key) {
  return !key.empty() && key[0] == kFencePrefix;
}

std::optional<Fence> decode_fence(std::string_view key, std::string_view value) {
  if (key.size() < kFenceKeyBytes || !is_fence_key(key)) return std::nullopt;
  Fence fence;
  fence.space = {static_cast<std::uint32_t>(get_big_endian(key.substr(1, 4))),
                 static_cast<std::uint8_t>(key[5])};
  key.remove_prefix(kFenceKeyBytes);
  if (key.size() != (is_scope(fence.space) ? sizeof fence.mac.bytes : 0)) return std::nullopt;
  std::memcpy(fence.mac.bytes.data(), key.data(), key.size());
  Reader reader = reader_of(value);
  fence.version = reader.varint();
  if (is_scope(fence.space)) fence.created_ms = reader.time_ms();
  if (!reader.finished()) return std::nullopt;
  return fence;
}

std::string encode_hold_key(const Mac& id) {
  std::string out(1, kHoldPrefix);
  out.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  return out;
}

std::string encode_hold(const Hold& hold) {
  std::string out;
  put_varint(out, hold.space.tenant);
  put_varint(out, hold.space.database);
  put_varint(out, hold.version);
  if (is_scope(hold.space)) {
    out.append(reinterpret_cast<const char*>(hold.scope.bytes.data()), hold.scope.bytes.size());
  }
  return out;
}

bool is_hold_key(std::string_view key) {
  return !key.empty() && key[0] == kHoldPrefix;
}

std::optional<Hold> decode_hold(std::string_view key, std::string_view value) {
  Hold hold;
  if (key.size() != 1 + hold.id.bytes.size() || !is_hold_key(key)) return std::nullopt;
  std::memcpy(hold.id.bytes.data(), key.data() + 1, hold.id.bytes.size());
  Reader reader = reader_of(value);
  hold.space = get_namespace(reader);
  hold.version = reader.varint();
  if (hold.space.database != kSubjectScope && hold.space.database != format::kAllDatabases) {
    return std::nullopt;
  }
  if (is_scope(hold.space)) {
    const auto scope = reader.bytes(hold.scope.bytes.size());
    if (!scope.empty()) std::memcpy(hold.scope.bytes.data(), scope.data(), scope.size());
  }
  if (!reader.finished()) return std::nullopt;
  return hold;
}

std::string marker_key() {
  return {kMetaPrefix, 'm'};
}

std::string encode_marker(const Marker& marker) {
  std::string out;
  put_varint(out, kMarkerVersion);
  out.append(reinterpret_cast<const char*>(marker.store_id.data()), marker.store_id.size());
  put_varint(out, marker.applied_through);
  put_varint(out, marker.open_segments.size());
  for (const auto& [id, offset] : marker.open_segments) {
    put_varint(out, id);
    put_varint(out, offset);
  }
  return out;
}

std::optional<Marker> decode_marker(std::string_view bytes) {
  Reader reader = reader_of(bytes);
  if (reader.varint() != kMarkerVersion) return std::nullopt;
  Marker marker;
  const auto id = reader.bytes(marker.store_id.size());
  if (!reader.ok()) return std::nullopt;
  std::memcpy(marker.store_id.data(), id.data(), id.size());
  marker.applied_through = reader.varint();
  const std::uint64_t open = reader.varint();
  for (std::uint64_t i = 0; i < open && reader.ok(); ++i) {
    const std::uint64_t segment = reader.varint();
    marker.open_segments.emplace_back(segment, reader.varint());
  }
  if (!reader.finished()) return std::nullopt;
  return marker;
}

std::string encode_counts_key(std::uint64_t segment_id) {
  std::string out{kMetaPrefix, 's'};
  put_big_endian(out, segment_id, 8);
  return out;
}

std::optional<std::uint64_t> decode_counts_key(std::string_view bytes) {
  if (bytes.size() != kCountsKeyBytes || bytes[0] != kMetaPrefix || bytes[1] != 's') {
    return std::nullopt;
  }
  return get_big_endian(bytes.substr(2));
}

namespace {

/// An earlier version did not say whose the bytes are: about as they are shared out by entries.
void divide_bytes(SegmentCounts& counts) {
  double entries = 0;
  for (const auto& [space, share] : counts.live)
    entries += static_cast<double>(share.entries);
  if (entries == 0) return;
  for (auto& [space, share] : counts.live) {
    share.bytes = static_cast<std::uint64_t>(static_cast<double>(counts.live_bytes) *
                                             static_cast<double>(share.entries) / entries);
  }
}

}  // namespace

std::string encode_counts(const SegmentCounts& counts) {
  std::string out;
  put_varint(out, counts.live_bytes);
  put_varint(out, counts.has_later_expiries ? 1 : 0);
  put_varint(out, counts.live.size());
  for (const auto& [space, share] : counts.live) {
    put_varint(out, space.tenant);
    put_varint(out, space.database);
    put_varint(out, share.entries);
  }
  put_varint(out, static_cast<std::uint64_t>(counts.due_ms));
  for (const auto& [space, share] : counts.live)
    put_varint(out, share.bytes);
  return out;
}

std::optional<SegmentCounts> decode_counts(std::uint64_t segment_id, std::string_view bytes) {
  Reader reader = reader_of(bytes);
  SegmentCounts counts;
  counts.segment_id = segment_id;
  counts.live_bytes = reader.varint_up_to(kMaxCount);
  counts.has_later_expiries = reader.varint_up_to(1) != 0;
  const std::uint64_t spaces = reader.varint();
  for (std::uint64_t i = 0; i < spaces && reader.ok(); ++i) {
    const Namespace space = get_namespace(reader);
    counts.live.emplace_back(space, LiveShare{reader.varint_up_to(kMaxCount), 0});
  }
  counts.due_ms = reader.time_ms();
  if (reader.finished()) {
    divide_bytes(counts);
    return counts;
  }
  for (auto& [space, share] : counts.live)
    share.bytes = reader.varint_up_to(kMaxCount);
  if (!reader.finished()) return std::nullopt;
  return counts;
}

}  // namespace kachel
