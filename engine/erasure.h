// What became of the erases of whole scopes. Plain data.
#pragma once

#include <cstdint>

namespace kachel {

enum class ErasureState : std::uint8_t {
  kFenced,     // nothing of it is served any more, and that is durable
  kSwept,      // its entries are out of the index and the hot tier; bytes are left in segments
  kReclaimed,  // no byte of it is left in a segment
};

/// Times in ms since the epoch, of the store's clock; 0: not yet.
struct Erasure {
  std::uint64_t fence = 0;  // sequence
  ErasureState state = ErasureState::kFenced;
  std::int64_t fenced_ms = 0;
  std::int64_t swept_ms = 0;
  std::int64_t reclaimed_ms = 0;
  std::int64_t deadline_ms = 0;
  std::uint64_t entries = 0;   // taken out of the index
  std::uint64_t copies = 0;    // records found, older ones included
  std::uint64_t bytes = 0;     // of those records
  std::uint64_t segments = 0;  // they were found in
  std::uint64_t segments_left = 0;
};

/// What an erase of the scope would find.
struct ScopeCount {
  std::uint64_t entries = 0;  // that would no longer be served
  std::uint64_t copies = 0;
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
};

}  // namespace kachel
