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
};

/// `bytes` are those at the row's place in the segment. Any thread.
StoredEntry decode_stored_entry(const Core& core, const Segment& segment, Namespace space,
                                const Row& row, std::span<const std::byte> bytes);

}  // namespace kachel
