// Reading what segment files say of themselves: headers, trailers, tables, and a scan where
// there is no table. Blocking; start-up and the blocking pool only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/core.h"
#include "engine/format/footer.h"
#include "engine/format/scanner.h"
#include "io/zeroizing.h"

namespace kachel {

/// kCorrupt when the file ends before.
Result<ZeroizingBytes> read_exactly(const io::File& file, std::uint64_t offset, std::size_t length);

/// All records of a sealed segment, from its table; by scanning when that is missing or
/// damaged. In order of offset. What void records and the last mark say is read from them.
Result<std::vector<format::RecordSummary>> read_summaries(const format::StoreId& store_id,
                                                          const MacKey& mac_key,
                                                          const Segment& segment,
                                                          format::ScanResult* scanned = nullptr);

/// A segment's table, or for one that has none yet what it would be by now. Log thread.
struct SegmentTableView {
  SegmentPointer segment;
  std::optional<format::EncodedFooter> open;
};
SegmentTableView table_of(const format::StoreId& store_id, const SegmentPointer& segment);
/// The records it names, in order of offset. `unsure`: part of the segment can't be read.
Result<std::vector<format::RecordSummary>> read_table(const format::StoreId& store_id,
                                                      const MacKey& mac_key,
                                                      const SegmentTableView& table,
                                                      bool* unsure = nullptr);

/// The trailer; kNotFound for an unsealed segment.
Result<format::Trailer> read_trailer(const format::StoreId& store_id, std::uint64_t segment_id,
                                     const io::File& file, std::uint64_t file_bytes);

/// The segment's dictionary, from a copy that is whole. kCorrupt when there is none.
Result<format::SegmentDictionary> read_dictionary(const format::StoreId& store_id,
                                                  const Segment& segment);
/// Says in `header` which dictionary lies in a segment whose own header is lost, if there is one.
Result<void> find_dictionary(const format::StoreId& store_id, std::uint64_t segment_id,
                             const io::File& file, format::SegmentHeader& header);

/// The header of a sealed segment as far as its footer tells: all that reading it takes. What
/// it does not tell is as of a segment of `file_bytes` made at `created_ms`. kNotFound or
/// kCorrupt when there is no whole footer.
Result<format::SegmentHeader> header_from_footer(const format::StoreId& store_id,
                                                 std::uint64_t segment_id, const io::File& file,
                                                 std::uint64_t file_bytes, std::int64_t created_ms);

}  // namespace kachel
