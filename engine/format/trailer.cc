#include "engine/format/trailer.h"

#include <algorithm>

#include "engine/format/record_rules.h"
#include "engine/lifetime_bucket.h"

namespace kachel::format {
namespace {

constexpr std::uint32_t kFirstVersionWithTags = 2;
constexpr std::size_t kSegmentIdOffset = 32;
constexpr std::size_t kTableOffsetOffset = 40;
constexpr std::size_t kTableBytesOffset = 48;
constexpr std::size_t kEntriesOffset = 56;
constexpr std::size_t kLowestSequenceOffset = 64;
constexpr std::size_t kHighestSequenceOffset = 72;
constexpr std::size_t kLowestDeadlineOffset = 80;
constexpr std::size_t kHighestDeadlineOffset = 88;
constexpr std::size_t kRawBytesOffset = 96;
constexpr std::size_t kTableChecksumOffset = 104;
constexpr std::size_t kLowestEraseByOffset = 112;
static_assert(kLowestEraseByOffset + 8 + kChecksumBytes == kTrailerBytes);

// When the bytes of this record have no more business being there; 0: not by time alone.
std::int64_t deadline_ms(const RecordSummary& record) {
  return record.type == RecordType::kPut ? earlier(record.expires_at_ms, record.erase_by_ms) : 0;
}

Error corrupt(std::uint64_t segment_id, const char* what) {
  return {ErrorCode::kCorrupt, "trailer of segment " + std::to_string(segment_id) + ": " + what};
}

Trailer load_trailer(const std::byte* from) {
  Trailer trailer;
  trailer.store_id = load<StoreId>(from + kStoreIdOffset);
  trailer.segment_id = load<std::uint64_t>(from + kSegmentIdOffset);
  trailer.table_offset = load<std::uint64_t>(from + kTableOffsetOffset);
  trailer.table_bytes = load<std::uint64_t>(from + kTableBytesOffset);
  trailer.entries = load<std::uint64_t>(from + kEntriesOffset);
  trailer.lowest_sequence = load<std::uint64_t>(from + kLowestSequenceOffset);
  trailer.highest_sequence = load<std::uint64_t>(from + kHighestSequenceOffset);
  trailer.lowest_deadline_ms = load<std::int64_t>(from + kLowestDeadlineOffset);
  trailer.highest_deadline_ms = load<std::int64_t>(from + kHighestDeadlineOffset);
  trailer.raw_bytes = load<std::uint64_t>(from + kRawBytesOffset);
  trailer.table_checksum = load<std::uint64_t>(from + kTableChecksumOffset);
  trailer.lowest_erase_by_ms = load<std::int64_t>(from + kLowestEraseByOffset);
  return trailer;
}

// Every length against the file's before anything is added up.
bool fits(const Trailer& trailer, std::uint64_t file_bytes) {
  const std::uint64_t end = file_bytes - kTrailerBytes;
  return trailer.table_offset % kRecordAlignment == 0 &&
         trailer.table_offset >= kSegmentHeaderBytes && trailer.table_offset <= end &&
         trailer.table_bytes <= end - trailer.table_offset &&
         align_up(trailer.table_offset + trailer.table_bytes + kTrailerBytes, kFooterAlignment) ==
             file_bytes &&
         trailer.entries <= trailer.table_bytes / kMinTableEntryBytes;
}

bool is_ordered(const Trailer& trailer) {
  return trailer.lowest_sequence <= trailer.highest_sequence &&
         trailer.highest_sequence <= kMaxNumber &&
         (trailer.lowest_sequence == 0) == (trailer.entries == 0) &&
         trailer.lowest_deadline_ms >= 0 && trailer.highest_deadline_ms >= 0 &&
         trailer.lowest_erase_by_ms >= 0;
}

}  // namespace

void encode_trailer(const Trailer& trailer, std::span<std::byte, kTrailerBytes> to,
                    std::uint64_t offset) {
  begin_structure(to, kTrailerMagic, trailer.store_id);
  store(to.data() + kSegmentIdOffset, trailer.segment_id);
  store(to.data() + kTableOffsetOffset, trailer.table_offset);
  store(to.data() + kTableBytesOffset, trailer.table_bytes);
  store(to.data() + kEntriesOffset, trailer.entries);
  store(to.data() + kLowestSequenceOffset, trailer.lowest_sequence);
  store(to.data() + kHighestSequenceOffset, trailer.highest_sequence);
  store(to.data() + kLowestDeadlineOffset, trailer.lowest_deadline_ms);
  store(to.data() + kHighestDeadlineOffset, trailer.highest_deadline_ms);
  store(to.data() + kRawBytesOffset, trailer.raw_bytes);
  store(to.data() + kTableChecksumOffset, trailer.table_checksum);
  store(to.data() + kLowestEraseByOffset, trailer.lowest_erase_by_ms);
  seal_structure(to, checksum_seed({trailer.store_id, trailer.segment_id, offset}));
}

void Totals::add(const RecordSummary& record, Trailer& trailer) {
  ++trailer.entries;
  if (trailer.lowest_sequence == 0 || record.sequence < trailer.lowest_sequence) {
    trailer.lowest_sequence = record.sequence;
  }
  trailer.highest_sequence = std::max(trailer.highest_sequence, record.sequence);
  // Only puts have deadlines: what else must outlive the segment is appended again by
  // reclaim, and must not keep the segment.
  if (record.type != RecordType::kPut) return;
  trailer.raw_bytes += record.raw_bytes;
  trailer.lowest_erase_by_ms = earlier(trailer.lowest_erase_by_ms, record.erase_by_ms);
  const std::int64_t deadline = deadline_ms(record);
  timeless |= deadline == 0;
  trailer.lowest_deadline_ms = earlier(trailer.lowest_deadline_ms, deadline);
  highest_deadline_ms = std::max(highest_deadline_ms, deadline);
  trailer.highest_deadline_ms = timeless ? 0 : highest_deadline_ms;
}

Result<Trailer> decode_trailer(std::span<const std::byte> bytes, std::uint64_t file_bytes,
                               const StoreId& store_id, std::uint64_t segment_id) {
  if (bytes.size() < kTrailerBytes || file_bytes < kSegmentHeaderBytes + kTrailerBytes ||
      !has_magic(bytes.last(kTrailerBytes), kTrailerMagic)) {
    return Error{ErrorCode::kNotFound,
                 "segment " + std::to_string(segment_id) + " has no trailer: it is not sealed"};
  }
  bytes = bytes.last(kTrailerBytes);
  const std::uint64_t seed = checksum_seed({store_id, segment_id, file_bytes - kTrailerBytes});
  if (!is_sealed(bytes, seed)) return corrupt(segment_id, "the checksum does not fit");
  if (is_too_new(bytes)) return too_new(bytes, "segment " + std::to_string(segment_id));

  Trailer trailer = load_trailer(bytes.data());
  if (trailer.store_id != store_id || trailer.segment_id != segment_id) {
    return corrupt(segment_id, "it belongs to another segment");
  }
  if (!fits(trailer, file_bytes)) return corrupt(segment_id, "the table is not inside the file");
  if (load<std::uint32_t>(bytes.data() + kVersionOffset) < kFirstVersionWithTags) {
    trailer.has_whole_table = false;
    trailer.lowest_erase_by_ms = trailer.lowest_deadline_ms;
  }
  if (!is_ordered(trailer)) {
    return corrupt(segment_id, "values that it can not have");
  }
  return trailer;
}

}  // namespace kachel::format
