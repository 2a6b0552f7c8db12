#include "engine/inspect/segment_view.h"

#include <algorithm>

#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/file_window.h"
#include "engine/segment_files.h"

namespace kachel::inspect {
namespace {

Result<bool> load_header(const StoreView& store, SegmentView& segment, const OnFinding& report) {
  auto bytes = read_exactly(*segment.file, 0, format::kSegmentHeaderBytes);
  if (!bytes && bytes.error().code != ErrorCode::kCorrupt) return bytes.error();
  auto header = bytes ? format::decode_segment_header(*bytes, store.store_id(), segment.id)
                      : Result<format::SegmentHeader>(Error{
                            ErrorCode::kCorrupt, "the file is shorter than a segment's header"});
  if (header) {
    segment.header = *header;
    return true;
  }
  if (header.error().code == ErrorCode::kVersion) return header.error();
  if (header.error().code == ErrorCode::kForeign) {
    report({FindingCode::kForeignSegment, segment.path, 0, segment.file_bytes,
            header.error().message});
    return false;
  }
  if (bytes) {
    // A whole header under another's name, by its own word.
    const auto own_id = format::load<std::uint64_t>(bytes->data() + 32);
    if (own_id != segment.id && format::decode_segment_header(*bytes, store.store_id(), own_id)) {
      report({FindingCode::kMisplacedSegment, segment.path, 0, segment.file_bytes,
              "is segment " + std::to_string(own_id) + " of this store"});
      return false;
    }
  }
  report(
      {FindingCode::kHeader, segment.path, 0, format::kSegmentHeaderBytes, header.error().message});
  auto told =
      header_from_footer(store.store_id(), segment.id, *segment.file, segment.file_bytes, 0);
  if (told) {
    segment.header = *told;
    return true;
  }
  if (told.error().code == ErrorCode::kIo) return told.error();
  segment.header = {};
  segment.header.store_id = store.store_id();
  segment.header.segment_id = segment.id;
  auto found = find_dictionary(store.store_id(), segment.id, *segment.file, segment.header);
  if (!found) return found.error();
  return true;
}

/// Both copies, which must say the same.
Result<void> load_dictionary(const StoreView& store, SegmentView& segment,
                             const OnFinding& report) {
  const std::size_t copy = segment.header.dictionary_copy_bytes;
  if (segment.header.dictionary_id == 0) return {};
  std::optional<format::SegmentDictionary> whole;
  for (std::size_t i = 0; i < format::kDictionaryCopies; ++i) {
    const std::uint64_t at = format::kSegmentHeaderBytes + i * copy;
    auto bytes = read_exactly(*segment.file, at, copy);
    if (!bytes && bytes.error().code != ErrorCode::kCorrupt) return bytes.error();
    auto decoded = bytes ? format::decode_dictionary(*bytes, {store.store_id(), segment.id, at})
                         : Result<format::SegmentDictionary>(bytes.error());
    if (decoded && decoded->id != segment.header.dictionary_id) {
      decoded = Error{ErrorCode::kCorrupt, "it is not the dictionary that the header names"};
    }
    if (decoded && whole && *whole != *decoded) {
      decoded = Error{ErrorCode::kCorrupt, "the two copies differ"};
    }
    if (!decoded) {
      report({FindingCode::kDictionaryCopy, segment.path, at, copy,
              "copy " + std::to_string(i + 1) + ": " + decoded.error().message});
      continue;
    }
    if (!whole) whole = std::move(*decoded);
  }
  if (whole) {
    auto made = Dictionary::make(std::move(*whole), 1, 0);
    if (made) {
      segment.dictionary = std::move(*made);
      return {};
    }
  }
  report({FindingCode::kDictionary, segment.path, format::kSegmentHeaderBytes,
          format::kDictionaryCopies * copy, "no copy of its dictionary is whole"});
  return {};
}

}  // namespace

Result<std::optional<SegmentView>> open_segment(const StoreView& store, std::uint64_t id,
                                                const OnFinding& report) {
  SegmentView segment;
  segment.id = id;
  segment.path = segment_path(id);
  auto file = store.storage().open(segment.path, io::OpenMode::kRead);
  if (!file) return file.error();
  segment.file = std::move(*file);
  auto size = segment.file->size();
  if (!size) return size.error();
  segment.file_bytes = *size;
  if (*size == 0) return std::optional<SegmentView>();  // a spare
  auto ours = load_header(store, segment, report);
  if (!ours) return ours.error();
  if (!*ours) return std::optional<SegmentView>();
  segment.data_begin = format::records_begin(segment.header);
  segment.data_end = *size;
  if (*size >= segment.data_begin) {
    if (auto loaded = load_dictionary(store, segment, report); !loaded) return loaded.error();
  }
  auto trailer = read_trailer(store.store_id(), id, *segment.file, *size);
  if (trailer && trailer->table_offset >= segment.data_begin) {
    // Its records are looked at without a table where that does not say all.
    if (trailer->has_whole_table) segment.trailer = *trailer;
    segment.is_sealed = true;
    segment.data_end = trailer->table_offset;
  } else if (trailer || trailer.error().code == ErrorCode::kCorrupt) {
    report({FindingCode::kFooter, segment.path, *size - format::kTrailerBytes,
            format::kTrailerBytes,
            trailer ? "the table begins before the records do" : trailer.error().message});
  } else if (trailer.error().code != ErrorCode::kNotFound) {
    return trailer.error();
  }
  return std::optional<SegmentView>(std::move(segment));
}

struct TableReader::State {
  explicit State(const SegmentView& of)
      : segment(of),
        window(*of.file, of.file_bytes),
        cursor(of.header, *of.trailer),
        offset(of.trailer->table_offset),
        end(offset + of.trailer->table_bytes) {}
  const SegmentView& segment;
  format::FileWindow window;
  format::TableCursor cursor;
  std::uint64_t offset;
  const std::uint64_t end;
};

TableReader::TableReader(const SegmentView& segment) : state_(std::make_unique<State>(segment)) {}
TableReader::~TableReader() = default;

Result<std::optional<format::RecordSummary>> TableReader::next() {
  State& s = *state_;
  using Next = std::optional<format::RecordSummary>;
  if (!s.cursor.has_next()) {
    if (auto fits = check_end(); !fits) return fits.error();
    return Next();
  }
  const auto want = std::min<std::uint64_t>(s.end - s.offset, format::TableCursor::kMaxEntryBytes);
  const auto bytes = s.window.at(s.offset, want);
  if (!bytes) return bytes.error();
  format::Reader reader(*bytes);
  auto record = s.cursor.next(reader);
  if (!record) return record.error();
  s.offset += bytes->size() - reader.remaining();
  return Next(std::move(*record));
}

Result<void> TableReader::check_end() {
  State& s = *state_;
  if (s.offset != s.end) {
    return Error{ErrorCode::kCorrupt, "the table is longer than its entries"};
  }
  return s.cursor.finish();
}

Result<void> TableReader::check() const {
  const SegmentView& segment = state_->segment;
  const format::Trailer& trailer = *segment.trailer;
  format::StreamingChecksum sum(
      format::checksum_seed({trailer.store_id, segment.id, trailer.table_offset}));
  format::FileWindow window(*segment.file, segment.file_bytes);
  const std::uint64_t end = trailer.table_offset + trailer.table_bytes;
  for (std::uint64_t at = trailer.table_offset; at < end;) {
    const auto piece = window.at(at, std::min<std::uint64_t>(end - at, format::kWindowBytes));
    if (!piece) return piece.error();
    sum.update(*piece);
    at += piece->size();
  }
  if (sum.value() != trailer.table_checksum) {
    return Error{ErrorCode::kCorrupt, "the table does not fit its checksum"};
  }
  const auto padding = window.at(end, segment.file_bytes - format::kTrailerBytes - end);
  if (!padding) return padding.error();
  if (format::all_zero(*padding)) return {};
  return Error{ErrorCode::kCorrupt, "bytes between table and trailer are not zero"};
}

}  // namespace kachel::inspect
