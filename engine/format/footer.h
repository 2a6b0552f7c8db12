// What a segment says about itself: header, table of records, trailer. docs/format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/format/record.h"
#include "engine/mac.h"
#include "io/error.h"

namespace kachel::format {

inline constexpr std::uint32_t kFormatVersion = 4;
inline constexpr std::uint32_t kMinReaderVersion = 4;
/// What this build reads: a superblock in doubt is of version 5, all else of version 4.
inline constexpr std::uint32_t kReaderVersion = 5;
inline constexpr std::size_t kSegmentHeaderBytes = 4096;
inline constexpr std::size_t kTrailerBytes = 128;
inline constexpr std::size_t kFooterAlignment = 4096;
inline constexpr std::uint32_t kSegmentFlagSurvivors = 1;
inline constexpr std::uint32_t kSegmentFlagMadeAnew = 2;  // by a start: much of it is a guess
inline constexpr std::uint32_t kSegmentFlags = kSegmentFlagSurvivors | kSegmentFlagMadeAnew;

struct SegmentHeader {
  StoreId store_id{};
  std::uint64_t segment_id = 0;
  std::int64_t created_ms = 0;
  std::uint64_t first_sequence = 0;
  std::uint32_t bucket = 0;
  std::uint32_t flags = 0;
  std::uint64_t capacity_bytes = 0;
  // Of the segment's dictionary (segment_dictionary.h); both 0 when it has none. No id, but a
  // length: a power cut has taken it, and only its place is left.
  std::uint64_t dictionary_id = 0;
  std::uint32_t dictionary_copy_bytes = 0;
};
std::vector<std::byte> encode_segment_header(const SegmentHeader& header);
/// kForeign: another store's; kVersion: too new; kCorrupt otherwise.
Result<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes,
                                            const StoreId& store_id, std::uint64_t segment_id);

/// One record as the index needs it: what a footer's table holds, and a scan yields.
struct RecordSummary {
  RecordType type = RecordType::kPut;
  std::uint8_t flags = 0;
  std::uint64_t offset = 0;  // bytes from the start of the file
  std::uint32_t size = 0;    // bytes, padding included
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;
  Namespace space;
  Mac mac;         // kPut, kErase, kExpiry: of the key; kScopeFence: of the scope; else the id
  ScopeTags tags;  // kPut; kHold: both halves of the scope's MAC, or none
  std::int64_t expires_at_ms = 0;  // of what is only held 0, as the next: holds have no end
  std::int64_t erase_by_ms = 0;    // kPut
  std::uint64_t raw_bytes = 0;
  std::uint64_t covers = 0;
  std::int64_t created_ms = 0;  // not in the table; 0: not known
  // Not in the table (records of these types are found by scanning or not needed later).
  std::uint64_t first_void = 0, last_void = 0;
  std::uint64_t durable_through = 0, written_through = 0;
};
RecordSummary summarize(const RecordMeta& meta, std::uint64_t offset, std::size_t size,
                        const MacKey& key);

struct Trailer {
  StoreId store_id{};
  std::uint64_t segment_id = 0;
  std::uint64_t table_offset = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t lowest_sequence = 0;
  std::uint64_t highest_sequence = 0;
  std::int64_t lowest_deadline_ms = 0;
  std::int64_t highest_deadline_ms = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t table_checksum = 0;
  std::int64_t lowest_erase_by_ms = 0;  // 0: none
  // Not of version 1, whose tables have no scope tags: they are as good as damaged, and the records
  // are scanned instead. Then lowest_erase_by_ms is a lower bound.
  bool has_whole_table = true;
};

/// Counts, sequences and deadlines of records, into the trailer's fields.
struct Totals {
  bool timeless = false;  // some put has no deadline
  std::int64_t highest_deadline_ms = 0;
  void add(const RecordSummary& record, Trailer& trailer);
};

/// Table, padding and trailer, to be appended at `data_end` (a multiple of 8). `records` in
/// order of offset. Fills in everything of the trailer.
struct EncodedFooter {
  std::vector<std::byte> bytes;
  Trailer trailer;
};
/// Builds the table as the records come, some 30 bytes each, instead of keeping them.
class FooterBuilder {
 public:
  /// `records` in order of offset.
  void add(const SegmentHeader& header, const RecordSummary& record);
  /// The builder is empty afterwards.
  EncodedFooter finish(const StoreId& store_id, const SegmentHeader& header,
                       std::uint64_t data_end);
  std::uint64_t entries() const { return trailer_.entries; }
  /// What the trailer would say of the records so far.
  const Trailer& totals() const { return trailer_; }
  /// The table so far, for decode_table() with this trailer.
  EncodedFooter snapshot(const StoreId& store_id, const SegmentHeader& header,
                         std::uint64_t data_end) const;

 private:
  std::vector<std::byte> table_;
  std::uint64_t end_ = 0;       // of the record before; 0: none yet
  std::uint64_t sequence_ = 0;  // of the record before
  Trailer trailer_;
  Totals totals_;
};
EncodedFooter encode_footer(const StoreId& store_id, const SegmentHeader& header,
                            std::uint64_t data_end, std::span<const RecordSummary> records);

/// `bytes`: the last kTrailerBytes of a file of `file_bytes`. kNotFound when there is no
/// trailer (an unsealed segment), kCorrupt when there is a damaged one.
Result<Trailer> decode_trailer(std::span<const std::byte> bytes, std::uint64_t file_bytes,
                               const StoreId& store_id, std::uint64_t segment_id);

/// Verifies the table's checksum, then decodes it. `bytes`: the table, and what follows it of
/// the padding, if that is to be verified too. kCorrupt.
Result<std::vector<RecordSummary>> decode_table(std::span<const std::byte> bytes,
                                                const SegmentHeader& header,
                                                const Trailer& trailer);
class Reader;

/// The same entry by entry, for who does not want them all in memory. It checks what the entries
/// say, and in finish() the trailer's totals; the table's checksum is the caller's.
class TableCursor {
 public:
  /// An entry is never longer, bytes.
  static constexpr std::size_t kMaxEntryBytes = 512;

  /// Both outlive the cursor.
  TableCursor(const SegmentHeader& header, const Trailer& trailer);
  bool has_next() const { return totals_.entries < trailer_.entries; }
  /// Takes an entry from the reader, which has all of it. kCorrupt.
  Result<RecordSummary> next(Reader& reader);
  /// After the last one. kCorrupt.
  Result<void> finish() const;

 private:
  const SegmentHeader& header_;
  const Trailer& trailer_;
  std::uint64_t end_;
  std::uint64_t sequence_;
  Trailer totals_;
  Totals sums_;
};

/// The first sequence that the segment's header says, from its footer alone. `bytes` as for
/// decode_table(). kCorrupt.
Result<std::uint64_t> first_sequence_of(std::span<const std::byte> bytes, const Trailer& trailer);

}  // namespace kachel::format
