// The file that says what the hot tier had: docs/format.md ("hot/manifest"). Keyed MACs, where
// their records lay, and how much each was used; no text. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/format/record.h"
#include "engine/mac.h"
#include "io/error.h"

namespace kachel::format {

inline constexpr std::size_t kHotManifestHeaderBytes = 64;
inline constexpr std::size_t kHotBlockHeaderBytes = 16;
inline constexpr std::size_t kHotItemBytes = 36;
inline constexpr std::size_t kPlacelessHotItemBytes = 24;  // as builds before wrote them
inline constexpr std::uint32_t kMaxHotBlockItems = 16 * 1024;

struct HotManifestHeader {
  std::int64_t written_ms = 0;
  /// What happened up to this sequence is in the items; a later record of a key may say otherwise.
  std::uint64_t known_through = 0;
  std::uint32_t item_bytes = kHotItemBytes;
  friend bool operator==(const HotManifestHeader&, const HotManifestHeader&) = default;
};

/// Where a record lay whose own expiry was in force.
struct HotPlace {
  std::uint32_t segment = 0;  // 0: not known, nor is the rest
  std::uint32_t offset = 0;   // bytes
  std::uint32_t size = 0;     // bytes
  friend bool operator==(const HotPlace&, const HotPlace&) = default;
};

struct HotManifestItem {
  Namespace space;
  Mac mac{};
  std::uint8_t heat = 0;  // HotShard's: opaque here
  HotPlace place;
  friend bool operator==(const HotManifestItem&, const HotManifestItem&) = default;
};

/// What stands before a block's items.
struct HotBlockHeader {
  std::uint64_t checksum = 0;  // of the rest of the block
  std::uint32_t items = 0;     // 0: the last block
  std::uint32_t index = 0;     // of the block, from 0
};

/// Of items of kHotItemBytes.
std::vector<std::byte> encode_hot_manifest_header(const StoreId& store_id,
                                                  const HotManifestHeader& header);
/// kForeign when it is no such file or another store's; kVersion; kCorrupt.
Result<HotManifestHeader> decode_hot_manifest_header(std::span<const std::byte> bytes,
                                                     const StoreId& store_id);

/// At most kMaxHotBlockItems; none in the last block.
std::vector<std::byte> encode_hot_block(const StoreId& store_id, std::uint32_t index,
                                        std::span<const HotManifestItem> items);
/// kCorrupt when it is not the block of this number, or has more items than a block may.
Result<HotBlockHeader> decode_hot_block_header(std::span<const std::byte> bytes,
                                               std::uint32_t index);
/// From the bytes behind the header, `item_bytes` each. kCorrupt.
Result<std::vector<HotManifestItem>> decode_hot_items(const StoreId& store_id,
                                                      const HotBlockHeader& header,
                                                      std::span<const std::byte> bytes,
                                                      std::size_t item_bytes = kHotItemBytes);

}  // namespace kachel::format
