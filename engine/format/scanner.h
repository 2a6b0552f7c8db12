// Walks the records of a segment that has no (usable) footer, over whatever the file holds.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/format/footer.h"
#include "io/file.h"

namespace kachel::format {

struct ScanResult {
  std::uint64_t data_end = 0;  // offset after the last well-formed record
  std::uint64_t records = 0;
  std::uint64_t damaged_ranges = 0;  // stretches that were no record, followed by one
  std::uint64_t damaged_bytes = 0;   // their bytes
  std::uint64_t tail_bytes = 0;      // non-zero bytes after data_end: torn or damaged
};

/// Reads `file` from `from` (>= kSegmentHeaderBytes, a multiple of 8) to its end in bounded
/// chunks, verifies every record (payload too), and calls `visit` for each in order of
/// offset. Damage is skipped to the next well-formed record: a header with the magic whose
/// checksum fits its place. Memory: the largest record plus a constant.
/// Errors: kIo only; damage is a result, not an error.
Result<ScanResult> scan_segment(
    const io::File& file, const StoreId& store_id, std::uint64_t segment_id, std::uint64_t from,
    const std::function<void(const DecodedRecord&, std::uint64_t offset)>& visit);

}  // namespace kachel::format
