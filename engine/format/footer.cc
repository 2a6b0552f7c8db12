// The table of a footer. Its trailer: trailer.cc.
#include "engine/format/footer.h"

#include "engine/format/record_rules.h"
#include "engine/format/trailer.h"

namespace kachel::format {
namespace {

constexpr std::uint8_t kTableFlagTagged = 0x80;  // the entry ends in scope tags

constexpr std::size_t kScopeHalves = 2;  // of a scope's MAC, as tags

constexpr bool has_tags(RecordType type) {
  return type == RecordType::kPut || type == RecordType::kHold;
}

// Where the entry before ended, which the next one is coded against.
struct Before {
  std::uint64_t end = kSegmentHeaderBytes;
  std::uint64_t sequence = 0;
};

std::uint64_t version_lag(const RecordSummary& record) {
  return record.version == 0 ? 0 : record.sequence - record.version;
}

void write_tags(VectorSink& sink, const ScopeTags& tags) {
  if (tags.empty()) return;
  sink.varint(tags.size());
  for (const ScopeTag tag : tags)
    sink.u64(tag);
}

void read_tags(Reader& reader, ScopeTags& tags) {
  const std::uint64_t count = reader.varint_up_to(kMaxScopeTags);
  if (count == 0) return reader.fail();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i)
    tags.push_back(reader.u64());
}

void write_entry(VectorSink& sink, const RecordSummary& record, Before& before) {
  sink.u8(static_cast<std::uint8_t>(record.type));
  const bool tagged = has_tags(record.type) && !record.tags.empty();
  sink.u8(record.flags | (tagged ? kTableFlagTagged : 0));
  sink.varint((record.offset - before.end) / kRecordAlignment);
  sink.varint(record.size / kRecordAlignment);
  sink.varint(zigzag(static_cast<std::int64_t>(record.sequence - before.sequence)));
  sink.varint(version_lag(record));
  sink.varint(record.space.tenant);
  sink.u8(record.space.database);
  sink.varint(static_cast<std::uint64_t>(record.expires_at_ms));
  sink.varint(record.raw_bytes);
  sink.varint(record.covers);
  if (has_mac(record.type)) sink.bytes(record.mac.bytes);
  if (record.type == RecordType::kPut) {
    sink.varint(static_cast<std::uint64_t>(record.erase_by_ms));
  }
  if (has_tags(record.type)) write_tags(sink, record.tags);
  before = {record.offset + record.size, record.sequence};
}

// Gap and length, against the room that is left before the table.
void read_extent(Reader& reader, RecordSummary& record, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t room = (end - begin) / kRecordAlignment;
  const std::uint64_t gap = reader.varint_up_to(room);
  const std::uint64_t size = reader.varint_up_to(room - gap);
  constexpr std::uint64_t kLargest =
      align_up(kRecordFixedBytes + kMaxMetaBytes + kMaxPayloadBytes, kRecordAlignment);
  static_assert(kLargest <= UINT32_MAX);
  if (size * kRecordAlignment <= kRecordFixedBytes || size > kLargest / kRecordAlignment) {
    return reader.fail();
  }
  record.offset = begin + gap * kRecordAlignment;
  record.size = static_cast<std::uint32_t>(size * kRecordAlignment);
}

void read_sequence(Reader& reader, RecordSummary& record, std::uint64_t before) {
  record.sequence = before + static_cast<std::uint64_t>(unzigzag(reader.varint()));
  const std::uint64_t lag = reader.varint();
  if (lag >= record.sequence || record.sequence > kMaxNumber) return reader.fail();
  record.version = record.sequence - lag;
}

RecordSummary read_entry(Reader& reader, const Before& before, const SegmentHeader& header,
                         std::uint64_t data_end) {
  RecordSummary record;
  const std::uint8_t type = reader.u8();
  record.type = static_cast<RecordType>(type);
  const std::uint8_t flags = reader.u8();
  const bool tagged = (flags & kTableFlagTagged) != 0;
  record.flags = flags & ~kTableFlagTagged;
  read_extent(reader, record, before.end, data_end);
  read_sequence(reader, record, before.sequence);
  record.space.tenant = static_cast<std::uint32_t>(reader.varint_up_to(UINT32_MAX));
  record.space.database = reader.u8();
  record.expires_at_ms = reader.time_ms();
  record.raw_bytes = reader.varint_up_to(kMaxPayloadBytes);
  record.covers = reader.varint();
  if (!is_record_type(type) || (record.flags & ~kKnownFlags) != 0 ||
      record.sequence < header.first_sequence || !is_database(record.type, record.space.database)) {
    reader.fail();
  }
  if (has_mac(record.type)) {
    const auto mac = reader.bytes(record.mac.bytes.size());
    if (!mac.empty()) record.mac.bytes = load<decltype(record.mac.bytes)>(mac.data());
  }
  if (record.type == RecordType::kPut) record.erase_by_ms = reader.time_ms();
  if (tagged && !has_tags(record.type)) reader.fail();
  if (tagged) read_tags(reader, record.tags);
  if (record.type == RecordType::kHold &&
      record.tags.size() != (has_scope(record.type, record.space) ? kScopeHalves : 0)) {
    reader.fail();
  }
  return record;
}

bool same_totals(const Trailer& a, const Trailer& b) {
  return a.entries == b.entries && a.lowest_sequence == b.lowest_sequence &&
         a.highest_sequence == b.highest_sequence && a.lowest_deadline_ms == b.lowest_deadline_ms &&
         a.highest_deadline_ms == b.highest_deadline_ms && a.raw_bytes == b.raw_bytes &&
         a.lowest_erase_by_ms == b.lowest_erase_by_ms;
}

}  // namespace

RecordSummary summarize(const RecordMeta& meta, std::uint64_t offset, std::size_t size,
                        const MacKey& key) {
  RecordSummary summary;
  summary.type = meta.type;
  summary.flags = meta.flags;
  summary.offset = offset;
  summary.size = static_cast<std::uint32_t>(size);
  summary.sequence = meta.sequence;
  summary.version = meta.version == 0 ? meta.sequence : meta.version;
  summary.space = meta.space;
  if (meta.type == RecordType::kPut) {
    summary.mac = key_mac(key, meta.space, meta.key);
    summary.tags = scope_tags(key, meta.space.tenant, meta.model, meta.subjects);
  } else if (has_mac(meta.type)) {
    summary.mac = meta.mac;
  }
  if (has_scope(meta.type, meta.space)) summary.tags = {meta.scope.low(), meta.scope.high()};
  if ((meta.flags & kFlagHeld) == 0) {
    summary.expires_at_ms = stored_deadline(meta.expires_at_ms);
    summary.erase_by_ms = stored_deadline(meta.erase_by_ms);
  }
  summary.raw_bytes = meta.raw_bytes;
  summary.covers = meta.covers;
  summary.created_ms = meta.created_ms;
  summary.first_void = meta.first_void;
  summary.last_void = meta.last_void;
  summary.durable_through = meta.durable_through;
  summary.written_through = meta.written_through;
  return summary;
}

void FooterBuilder::add(const SegmentHeader& header, const RecordSummary& record) {
  Before before{end_, sequence_};
  if (end_ == 0) before = {kSegmentHeaderBytes, header.first_sequence};
  VectorSink sink(table_);
  write_entry(sink, record, before);
  end_ = before.end;
  sequence_ = before.sequence;
  totals_.add(record, trailer_);
}

EncodedFooter FooterBuilder::snapshot(const StoreId& store_id, const SegmentHeader& header,
                                      std::uint64_t data_end) const {
  FooterBuilder copy = *this;
  return copy.finish(store_id, header, data_end);
}

EncodedFooter FooterBuilder::finish(const StoreId& store_id, const SegmentHeader& header,
                                    std::uint64_t data_end) {
  FooterBuilder built;
  std::swap(built, *this);
  EncodedFooter footer{std::move(built.table_), built.trailer_};
  std::vector<std::byte>& bytes = footer.bytes;
  Trailer& trailer = footer.trailer;
  trailer.store_id = store_id;
  trailer.segment_id = header.segment_id;
  trailer.table_offset = data_end;
  trailer.table_bytes = bytes.size();
  trailer.table_checksum = checksum(bytes, checksum_seed({store_id, header.segment_id, data_end}));

  const std::uint64_t file_bytes =
      align_up(data_end + bytes.size() + kTrailerBytes, kFooterAlignment);
  bytes.resize(file_bytes - data_end);
  encode_trailer(trailer, std::span(bytes).last<kTrailerBytes>(), file_bytes - kTrailerBytes);
  return footer;
}

EncodedFooter encode_footer(const StoreId& store_id, const SegmentHeader& header,
                            std::uint64_t data_end, std::span<const RecordSummary> records) {
  FooterBuilder builder;
  for (const RecordSummary& record : records)
    builder.add(header, record);
  return builder.finish(store_id, header, data_end);
}

namespace {
Error corrupt_table(const Trailer& trailer, const char* what) {
  return {ErrorCode::kCorrupt,
          "table of segment " + std::to_string(trailer.segment_id) + ": " + what};
}

/// The table without what follows it.
Result<std::span<const std::byte>> verified_table(std::span<const std::byte> bytes,
                                                  const Trailer& trailer) {
  if (bytes.size() < trailer.table_bytes) return corrupt_table(trailer, "cut off");
  if (trailer.table_offset < kSegmentHeaderBytes ||
      trailer.entries > trailer.table_bytes / kMinTableEntryBytes) {
    return corrupt_table(trailer, "the trailer does not fit");
  }
  const auto table = bytes.first(trailer.table_bytes);
  if (checksum(table, checksum_seed({trailer.store_id, trailer.segment_id,
                                     trailer.table_offset})) != trailer.table_checksum) {
    return corrupt_table(trailer, "the checksum does not fit");
  }
  if (!all_zero(bytes.subspan(table.size()))) {
    return corrupt_table(trailer, "the padding is not zero");
  }
  return table;
}

Result<std::vector<RecordSummary>> read_entries(std::span<const std::byte> table,
                                                const SegmentHeader& header,
                                                const Trailer& trailer) {
  std::vector<RecordSummary> records;
  records.reserve(trailer.entries);
  Reader reader(table);
  TableCursor cursor(header, trailer);
  while (reader.remaining() > 0 && cursor.has_next()) {
    auto record = cursor.next(reader);
    if (!record) return record.error();
    records.push_back(std::move(*record));
  }
  if (!reader.finished()) return corrupt_table(trailer, "an entry is not as its type says");
  return records;
}
}  // namespace

TableCursor::TableCursor(const SegmentHeader& header, const Trailer& trailer)
    : header_(header),
      trailer_(trailer),
      end_(kSegmentHeaderBytes),
      sequence_(header.first_sequence) {}

Result<RecordSummary> TableCursor::next(Reader& reader) {
  RecordSummary record = read_entry(reader, {end_, sequence_}, header_, trailer_.table_offset);
  if (!reader.ok()) return corrupt_table(trailer_, "an entry is not as its type says");
  end_ = record.offset + record.size;
  sequence_ = record.sequence;
  sums_.add(record, totals_);
  return record;
}

Result<void> TableCursor::finish() const {
  if (same_totals(totals_, trailer_)) return {};
  return corrupt_table(trailer_, "the trailer's totals do not fit");
}

Result<std::vector<RecordSummary>> decode_table(std::span<const std::byte> bytes,
                                                const SegmentHeader& header,
                                                const Trailer& trailer) {
  auto table = verified_table(bytes, trailer);
  if (!table) return table.error();
  auto records = read_entries(*table, header, trailer);
  if (!records) return records;
  Trailer totals;
  Totals sums;
  for (const RecordSummary& record : *records)
    sums.add(record, totals);
  if (!same_totals(totals, trailer)) {
    return corrupt_table(trailer, "the trailer's totals do not fit");
  }
  return records;
}

Result<std::uint64_t> first_sequence_of(std::span<const std::byte> bytes, const Trailer& trailer) {
  auto table = verified_table(bytes, trailer);
  if (!table) return table.error();
  // The table says how far each sequence is from the one before: told from any first one, the
  // lowest is as far from the trailer's as that first one is from the true one.
  SegmentHeader assumed;
  assumed.first_sequence = kMaxNumber / 2;
  auto records = read_entries(*table, assumed, trailer);
  if (!records) return records.error();
  Trailer totals;
  Totals sums;
  for (const RecordSummary& record : *records)
    sums.add(record, totals);
  const std::uint64_t above_first = totals.lowest_sequence - assumed.first_sequence;
  if (records->empty() || trailer.lowest_sequence < above_first) {
    return corrupt_table(trailer, "the trailer's totals do not fit");
  }
  return trailer.lowest_sequence - above_first;
}

}  // namespace kachel::format
