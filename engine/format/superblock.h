// The store's identity, state and MAC key. docs/format.md ("superblock", "key").
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/format/record.h"
#include "engine/mac.h"
#include "io/error.h"

namespace kachel::format {

inline constexpr std::size_t kSuperblockCopyBytes = 4096;
inline constexpr std::size_t kKeyFileBytes = 64;

enum class StoreState : std::uint32_t {
  kClean = 1,        // stopped in order
  kOpen = 2,         // in use in `group` or `strict`
  kOpenRelaxed = 3,  // in use in `relaxed`: an acknowledged batch may be torn
};

struct Superblock {
  StoreId store_id{};
  std::int64_t created_ms = 0;
  std::uint64_t generation = 0;
  std::array<std::byte, 16> boot_id{};
  StoreState state = StoreState::kOpen;
  std::int64_t highest_wall_ms = 0;
  std::uint64_t sequence_limit = 1;    // no sequence at or above it was given out
  std::uint64_t segment_id_limit = 1;  // no segment id at or above it was given out
  /// Of a copy: what has been erased or replaced since it was made is not known of anything up to
  /// this version. 0: all is known.
  std::uint64_t doubtful_through = 0;
  std::int64_t copied_ms = 0;  // when the copy was made; 0 when nothing is doubtful
};
std::vector<std::byte> encode_superblock_copy(const Superblock& superblock);
/// Takes both copies (shorter input: what the file had) and returns the newest valid one.
/// kForeign: no Kachel superblock at all; kVersion: written by a newer format, says which;
/// kCorrupt: both copies damaged.
Result<Superblock> decode_superblock(std::span<const std::byte> bytes);

struct KeyFile {
  StoreId store_id{};
  MacKey mac_key{};
};
std::vector<std::byte> encode_key_file(const KeyFile& key);
/// kForeign when it is another store's; kVersion; kCorrupt.
Result<KeyFile> decode_key_file(std::span<const std::byte> bytes, const StoreId& store_id);

}  // namespace kachel::format
