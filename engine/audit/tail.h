// The end of the log, `audit/tail`: what follows the last whole bundle, one frame an append, each
// made durable by one sync. docs/format.md has its layout. It exists because a bundle cannot tell
// a torn entry from a whole one, and because it takes one sync where a bundle and a tile take two.
// Internal to engine/audit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/tiles.h"

namespace kachel::audit {

inline constexpr std::string_view kTailPath = "audit/tail";
/// What is given to one append: entries with their lengths.
inline constexpr std::size_t kMaxBatchBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxBatchEntries = std::size_t{1} << 16;
/// A disk too full for bundles lets the tail grow; no further than this.
inline constexpr std::size_t kMaxTailBytes = std::size_t{64} << 20;

/// The log's name is in it, so that another log's tail is not taken for this one's.
std::string encode_tail_header(std::string_view origin, const RightEdge& edge);
/// `root`: the log's with these entries. Neither more entries nor bytes than above.
std::string encode_frame(std::uint64_t first, std::span<const std::string> entries,
                         const Hash& root);

struct Tail {
  RightEdge edge;
  std::vector<std::string> entries;  // from edge.size on
  std::vector<Hash> leaves;          // their hashes
  Frontier frontier;                 // of all of it
  std::size_t whole_bytes = 0;       // up to the end of the last whole frame

  // What follows: nothing, the remains of an append that never returned, or damage.
  std::size_t torn_bytes = 0;
  bool is_damaged = false;  // there are whole frames behind the first that is not
};

/// kCorrupt, kVersion or kForeign when the header is not whole or another's.
Result<Tail> parse_tail(std::string_view bytes, std::string_view origin);

/// A frame whose check fits, wherever it is.
struct FoundFrame {
  std::size_t offset = 0;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
};
/// All of them, from `offset` on: for who wants to know what is left of a damaged tail.
std::vector<FoundFrame> find_frames(std::string_view bytes, std::size_t offset);

}  // namespace kachel::audit
