#include "engine/audit/tiles.h"

#include <bit>
#include <cstring>

#include "engine/audit/files.h"
#include "io/check.h"

namespace kachel::audit {
namespace {

/// Groups of three digits, all but the last with an x before: 1234067 is x001/x234/067.
std::string index_path(std::uint64_t index) {
  std::string path;
  for (bool is_last = true; is_last || index > 0; is_last = false, index /= 1000) {
    const std::string digits = std::to_string(1000 + index % 1000).substr(1);
    path.insert(0, is_last ? digits : 'x' + digits + '/');
  }
  return path;
}

Error damaged(const std::string& path) {
  return {ErrorCode::kCorrupt, path + " does not hold the hashes that the log was made of"};
}

}  // namespace

std::string tile_path(unsigned level, std::uint64_t index) {
  return "audit/tile/" + std::to_string(level) + "/" + index_path(index);
}

std::string bundle_path(std::uint64_t index) {
  return "audit/tile/entries/" + index_path(index);
}

void append_entry(std::string& bundle, std::string_view entry) {
  KACHEL_CHECK(entry.size() <= kMaxEntryBytes, "an entry that its length does not fit");
  bundle += static_cast<char>(entry.size() >> 8);
  bundle += static_cast<char>(entry.size() & 0xff);
  bundle += entry;
}

std::optional<std::vector<std::string_view>> parse_entries(std::string_view bytes) {
  std::vector<std::string_view> entries;
  while (!bytes.empty()) {
    if (bytes.size() < 2 || entry_bytes(bytes) > bytes.size()) return std::nullopt;
    entries.push_back(bytes.substr(2, entry_bytes(bytes) - 2));
    bytes.remove_prefix(entry_bytes(bytes));
  }
  return entries;
}

std::string encode_tile(std::span<const Hash> hashes) {
  return {reinterpret_cast<const char*>(hashes.data()), hashes.size_bytes()};
}

std::optional<std::vector<Hash>> parse_tile(std::string_view bytes) {
  if (bytes.size() != kTileBytes) return std::nullopt;
  std::vector<Hash> hashes(kTileWidth);
  std::memcpy(hashes.data(), bytes.data(), bytes.size());
  return hashes;
}

Hash root_over(std::span<const Hash> hashes) {
  KACHEL_CHECK(std::has_single_bit(hashes.size()), "not a complete subtree");
  Frontier frontier;
  for (const Hash& hash : hashes)
    frontier.append(hash);
  return frontier.root();
}

Frontier RightEdge::frontier() const {
  std::vector<Hash> peaks;
  for (unsigned level = kTileLevels; level-- > 0;) {
    std::span<const Hash> rest = levels[level];
    while (!rest.empty()) {
      const std::size_t width = std::bit_floor(rest.size());
      peaks.push_back(root_over(rest.first(width)));
      rest = rest.subspan(width);
    }
  }
  return {size, std::move(peaks)};
}

Result<Hash> TreeHashes::subtree(unsigned height, std::uint64_t index) {
  if (height % kTileHeight == 0 && (index + 1) << height <= edge.size) {
    return tile_hash(height / kTileHeight, index);
  }
  if (height == 0) {
    KACHEL_CHECK(index - edge.size < leaves.size(), "a hash of a leaf that is not there");
    return leaves[index - edge.size];
  }
  auto left = subtree(height - 1, 2 * index);
  if (!left) return left;
  auto right = subtree(height - 1, 2 * index + 1);
  if (!right) return right;
  return node_hash(*left, *right);
}

Result<Hash> TreeHashes::tile_hash(unsigned level, std::uint64_t index) {
  const std::uint64_t whole_tiles = edge.size >> (kTileHeight * (level + 1));
  if (index / kTileWidth >= whole_tiles) return edge.levels[level].at(index % kTileWidth);
  const auto hashes = tile(level, index / kTileWidth);
  if (!hashes) return hashes.error();
  return (**hashes)[index % kTileWidth];
}

Result<const std::vector<Hash>*> TreeHashes::tile(unsigned level, std::uint64_t index) {
  const auto found = cache_.find({level, index});
  if (found != cache_.end()) return &found->second;
  const std::string path = tile_path(level, index);
  const auto bytes = read_file(storage_, path, kTileBytes);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::kNotFound || bytes.error().code == ErrorCode::kTooLarge) {
      return damaged(path);
    }
    return bytes.error();
  }
  auto hashes = parse_tile(*bytes);
  if (!hashes) return damaged(path);
  const auto above = tile_hash(level + 1, index);
  if (!above) return above.error();
  if (root_over(*hashes) != *above) return damaged(path);
  if (cache_.size() >= kCachedTiles) cache_.clear();
  return &cache_.emplace(std::pair(level, index), std::move(*hashes)).first->second;
}

}  // namespace kachel::audit
