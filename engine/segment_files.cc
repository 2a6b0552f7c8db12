#include "engine/segment_files.h"

#include <utility>

namespace kachel {
namespace {

/// The table has no room for what these say; without it a start would take a gap in the
/// sequences for something lost.
void read_statement(const format::StoreId& store_id, const Segment& segment,
                    format::RecordSummary& summary) {
  auto bytes = read_exactly(*segment.file, summary.offset, summary.size);
  if (!bytes) return;
  auto record = format::decode_record(*bytes, {store_id, segment.id, summary.offset});
  if (!record) return;
  summary.first_void = record->meta.first_void;
  summary.last_void = record->meta.last_void;
  summary.durable_through = record->meta.durable_through;
  summary.written_through = record->meta.written_through;
}

void read_statements(const format::StoreId& store_id, const Segment& segment,
                     std::vector<format::RecordSummary>& summaries) {
  bool marked = false;
  for (auto it = summaries.rbegin(); it != summaries.rend(); ++it) {
    if (it->type == format::RecordType::kVoid) read_statement(store_id, segment, *it);
    if (it->type == format::RecordType::kMark && !std::exchange(marked, true)) {
      read_statement(store_id, segment, *it);
    }
  }
}

Result<std::vector<format::RecordSummary>> read_table(const format::StoreId& store_id,
                                                      const Segment& segment) {
  auto size = segment.file->size();
  if (!size) return size.error();
  auto trailer = read_trailer(store_id, segment.id, *segment.file, *size);
  if (!trailer) return trailer.error();
  if (!trailer->has_whole_table) {
    return Error{ErrorCode::kCorrupt, "a table of version 1 has no scope tags"};
  }
  auto bytes = read_exactly(*segment.file, trailer->table_offset, trailer->table_bytes);
  if (!bytes) return bytes.error();
  auto summaries = format::decode_table(*bytes, segment.header(store_id), *trailer);
  if (summaries) read_statements(store_id, segment, *summaries);
  return summaries;
}

}  // namespace

Result<ZeroizingBytes> read_exactly(const io::File& file, std::uint64_t offset,
                                    std::size_t length) {
  ZeroizingBytes bytes(length);
  auto got = file.read_at(offset, bytes);
  if (!got) return got.error();
  if (*got == length) return bytes;
  auto size = file.size();
  if (!size) return size.error();
  const bool inside = offset + length <= *size;
  return Error{inside ? ErrorCode::kIo : ErrorCode::kCorrupt, "the file ends early"};
}

SegmentTableView table_of(const format::StoreId& store_id, const SegmentPointer& segment) {
  const SegmentState state = segment->state;
  if (state != SegmentState::kOpen && state != SegmentState::kSealing) return {segment, {}};
  return {segment,
          segment->footer.snapshot(store_id, segment->header(store_id), segment->data_end)};
}

Result<std::vector<format::RecordSummary>> read_table(const format::StoreId& store_id,
                                                      const MacKey& mac_key,
                                                      const SegmentTableView& table, bool* unsure) {
  if (table.open) {
    const auto bytes = std::span(table.open->bytes).first(table.open->trailer.table_bytes);
    return format::decode_table(bytes, table.segment->header(store_id), table.open->trailer);
  }
  format::ScanResult scanned;
  auto records = read_summaries(store_id, mac_key, *table.segment, &scanned);
  if (unsure != nullptr) *unsure = scanned.damaged_ranges != 0 || scanned.tail_bytes != 0;
  return records;
}

Result<format::Trailer> read_trailer(const format::StoreId& store_id, std::uint64_t segment_id,
                                     const io::File& file, std::uint64_t file_bytes) {
  if (file_bytes < format::kSegmentHeaderBytes + format::kTrailerBytes) {
    return Error{ErrorCode::kNotFound, "no trailer"};
  }
  auto bytes = read_exactly(file, file_bytes - format::kTrailerBytes, format::kTrailerBytes);
  if (!bytes) return bytes.error();
  return format::decode_trailer(*bytes, file_bytes, store_id, segment_id);
}

Result<std::vector<format::RecordSummary>> read_summaries(const format::StoreId& store_id,
                                                          const MacKey& mac_key,
                                                          const Segment& segment,
                                                          format::ScanResult* scanned) {
  auto table = read_table(store_id, segment);
  if (table || table.error().code == ErrorCode::kIo) return table;
  // The table may have been torn while it was written over records that a start had dropped:
  // those are not to come back.
  auto size = segment.file->size();
  if (!size) return size.error();
  const auto trailer = read_trailer(store_id, segment.id, *segment.file, *size);
  const std::uint64_t data_end = trailer ? trailer->table_offset : *size;
  std::vector<format::RecordSummary> summaries;
  auto scan = format::scan_segment(
      *segment.file, store_id, segment.id, segment.data_begin,
      [&](const format::DecodedRecord& record, std::uint64_t offset) {
        if (offset >= data_end) return;
        summaries.push_back(format::summarize(record.meta, offset, record.size, mac_key));
        // Only the table knows what a put superseded: so it may be anything.
        if (record.meta.type == format::RecordType::kPut) summaries.back().covers = 1;
      });
  if (!scan) return scan.error();
  if (scanned != nullptr) *scanned = *scan;
  return summaries;
}

Result<format::SegmentDictionary> read_dictionary(const format::StoreId& store_id,
                                                  const Segment& segment) {
  Result<format::SegmentDictionary> found = Error{ErrorCode::kCorrupt, "no dictionary"};
  for (std::size_t i = 0; i < format::kDictionaryCopies; ++i) {
    const std::uint64_t at = format::kSegmentHeaderBytes + i * segment.dictionary_copy_bytes;
    auto bytes = read_exactly(*segment.file, at, segment.dictionary_copy_bytes);
    if (!bytes && bytes.error().code != ErrorCode::kCorrupt) return bytes.error();
    if (!bytes) continue;
    found = format::decode_dictionary(*bytes, {store_id, segment.id, at});
    if (found && found->id == segment.dictionary_id) return found;
    if (!found && found.error().code != ErrorCode::kCorrupt) return found;
  }
  return Error{ErrorCode::kCorrupt,
               segment_path(segment.id) + ": no copy of its dictionary is whole"};
}

Result<void> find_dictionary(const format::StoreId& store_id, std::uint64_t segment_id,
                             const io::File& file, format::SegmentHeader& header) {
  auto begin = read_exactly(file, format::kSegmentHeaderBytes, format::kSegmentHeaderBytes);
  if (!begin) return begin.error().code == ErrorCode::kCorrupt ? Result<void>() : begin.error();
  const std::size_t copy = format::peek_copy_bytes(*begin);
  if (copy == 0) return {};
  for (std::size_t i = 0; i < format::kDictionaryCopies; ++i) {
    const std::uint64_t at = format::kSegmentHeaderBytes + i * copy;
    auto bytes = read_exactly(file, at, copy);
    if (!bytes && bytes.error().code != ErrorCode::kCorrupt) return bytes.error();
    if (!bytes) continue;
    auto dictionary = format::decode_dictionary(*bytes, {store_id, segment_id, at});
    if (!dictionary) continue;
    header.dictionary_id = dictionary->id;
    header.dictionary_copy_bytes = static_cast<std::uint32_t>(copy);
    return {};
  }
  return {};
}

Result<format::SegmentHeader> header_from_footer(const format::StoreId& store_id,
                                                 std::uint64_t segment_id, const io::File& file,
                                                 std::uint64_t file_bytes,
                                                 std::int64_t created_ms) {
  auto trailer = read_trailer(store_id, segment_id, file, file_bytes);
  if (!trailer) return trailer.error();
  auto table = read_exactly(file, trailer->table_offset, trailer->table_bytes);
  if (!table) return table.error();
  auto first_sequence = format::first_sequence_of(*table, *trailer);
  if (!first_sequence) return first_sequence.error();
  format::SegmentHeader header;
  header.store_id = store_id;
  header.segment_id = segment_id;
  header.created_ms = created_ms;
  header.first_sequence = *first_sequence;
  header.capacity_bytes = file_bytes;
  if (auto found = find_dictionary(store_id, segment_id, file, header); !found) {
    return found.error();
  }
  return header;
}

}  // namespace kachel
