// Where a log's leaves and hashes lie, as in https://c2sp.org/tlog-tiles: bundles of 256 entries,
// and tiles of 256 hashes of one level, each level 256 times narrower than the one below. Only
// whole bundles and tiles are files; what comes after them is in the tail (tail.h).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/merkle.h"
#include "io/storage.h"

namespace kachel::audit {

inline constexpr std::size_t kTileWidth = 256;
inline constexpr unsigned kTileHeight = 8;
inline constexpr unsigned kTileLevels = 8;  // enough for kMaxTreeSize
inline constexpr std::size_t kTileBytes = kTileWidth * kHashBytes;
inline constexpr std::size_t kMaxEntryBytes = 65535;
inline constexpr std::size_t kMaxBundleBytes = kTileWidth * (2 + kMaxEntryBytes);

std::string tile_path(unsigned level, std::uint64_t index);
std::string bundle_path(std::uint64_t index);

/// An entry as in a bundle: its length, 16 bits big-endian, and its bytes.
void append_entry(std::string& bundle, std::string_view entry);
/// Of the entry at the front with its length, whether it is all there or not; of >= 2 bytes.
constexpr std::size_t entry_bytes(std::string_view bytes) {
  return 2 + (static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
              static_cast<unsigned char>(bytes[1]));
}
/// As many entries as there are; none when the bytes do not end with one.
std::optional<std::vector<std::string_view>> parse_entries(std::string_view bytes);

std::string encode_tile(std::span<const Hash> hashes);
std::optional<std::vector<Hash>> parse_tile(std::string_view bytes);
/// Of the complete subtree over these hashes; their number is a power of two.
Hash root_over(std::span<const Hash> hashes);

/// Of each level the hashes that do not fill a tile yet, as of a tree of `size` leaves: of level
/// L, (size / 256^L) mod 256.
struct RightEdge {
  std::uint64_t size = 0;  // a multiple of kTileWidth: level 0 is empty
  std::array<std::vector<Hash>, kTileLevels> levels;

  Frontier frontier() const;
};
constexpr std::size_t edge_width(std::uint64_t size, unsigned level) {
  return static_cast<std::size_t>(size >> (kTileHeight * level)) % kTileWidth;
}

/// The hashes of a log: tiles from its files, the right edge and the leaves behind it from memory.
/// A tile is believed only when it hashes to what the tile above says, up to the right edge. Keeps
/// kCachedTiles of them in memory, 8 KiB each. Blocking; one thread at a time.
class TreeHashes final : public HashSource {
 public:
  static constexpr std::size_t kCachedTiles = 64;

  explicit TreeHashes(io::Storage& storage) : storage_(storage) {}
  Result<Hash> subtree(unsigned height, std::uint64_t index) override;

  RightEdge edge;
  std::vector<Hash> leaves;  // from edge.size on

 private:
  Result<Hash> tile_hash(unsigned level, std::uint64_t index);
  Result<const std::vector<Hash>*> tile(unsigned level, std::uint64_t index);

  io::Storage& storage_;
  std::map<std::pair<unsigned, std::uint64_t>, std::vector<Hash>> cache_;
};

}  // namespace kachel::audit
