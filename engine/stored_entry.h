// From a put's record as it lies in a segment to the entry that readers see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/core.h"

namespace kachel {

struct StoredEntry {
  Entry::Pointer entry;  // nullptr: what was read is not what the row promised
  ZeroizingString key;
  std::int64_t expires_at_ms = 0;  // that the record says
};

/// If it is one that can be noted.
inline void note_place(Entry& entry, std::uint64_t segment_id, std::uint64_t offset) {
  if (segment_id > UINT32_MAX || offset > UINT32_MAX) return;
  entry.place =
      Entry::Place{static_cast<std::uint32_t>(segment_id), static_cast<std::uint32_t>(offset)};
}

/// `bytes` are those at the row's place in the segment; a row of version 0 knows of no more than
/// the place. Any thread.
StoredEntry decode_stored_entry(const Core& core, const Segment& segment, Namespace space,
                                const Row& row, std::span<const std::byte> bytes);

}  // namespace kachel
