#include "engine/format/hot_manifest.h"

#include <array>

#include "engine/format/structure.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELHM");
constexpr std::size_t kWrittenOffset = 32;
constexpr std::size_t kKnownThroughOffset = 40;
constexpr std::size_t kItemBytesOffset = 48;
constexpr std::size_t kZeroOffset = 52;
constexpr std::size_t kItemsOffset = 8;  // of a block's header
constexpr std::size_t kIndexOffset = 12;
constexpr std::size_t kTenantOffset = 16;  // of an item
constexpr std::size_t kDatabaseOffset = 20;
constexpr std::size_t kHeatOffset = 21;
constexpr std::size_t kItemZeroOffset = 22;
constexpr std::size_t kSegmentOffset = 24;
constexpr std::size_t kPlaceOffset = 28;
constexpr std::size_t kSizeOffset = 32;

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("hot/manifest: ") + what};
}

/// So that a block in the file of another store, or in another's place, is found.
std::uint64_t seed_of(const StoreId& store_id, std::uint32_t index) {
  return checksum(store_id, index);
}

}  // namespace

std::vector<std::byte> encode_hot_manifest_header(const StoreId& store_id,
                                                  const HotManifestHeader& header) {
  std::vector<std::byte> bytes(kHotManifestHeaderBytes);
  begin_structure(bytes, kMagic, store_id);
  store(bytes.data() + kWrittenOffset, header.written_ms);
  store(bytes.data() + kKnownThroughOffset, header.known_through);
  store(bytes.data() + kItemBytesOffset, static_cast<std::uint32_t>(kHotItemBytes));
  seal_structure(bytes, 0);
  return bytes;
}

Result<HotManifestHeader> decode_hot_manifest_header(std::span<const std::byte> bytes,
                                                     const StoreId& store_id) {
  if (!has_magic(bytes, kMagic)) return Error{ErrorCode::kForeign, "no manifest of a hot tier"};
  if (bytes.size() != kHotManifestHeaderBytes || !is_sealed(bytes, 0)) {
    return corrupt("its header is damaged");
  }
  if (is_too_new(bytes)) return too_new(bytes, "hot/manifest");
  if (!same_store(bytes, store_id)) return Error{ErrorCode::kForeign, "another store's manifest"};
  HotManifestHeader header;
  header.written_ms = load<std::int64_t>(bytes.data() + kWrittenOffset);
  header.known_through = load<std::uint64_t>(bytes.data() + kKnownThroughOffset);
  header.item_bytes = load<std::uint32_t>(bytes.data() + kItemBytesOffset);
  const bool has_places = header.item_bytes == kHotItemBytes;
  const bool is_known = has_places || (header.item_bytes == 0 && header.known_through == 0);
  if (!is_known ||
      !all_zero(bytes.subspan(kZeroOffset, bytes.size() - kChecksumBytes - kZeroOffset))) {
    return corrupt("its header says more than there is to say");
  }
  if (!has_places) header.item_bytes = kPlacelessHotItemBytes;
  return header;
}

std::vector<std::byte> encode_hot_block(const StoreId& store_id, std::uint32_t index,
                                        std::span<const HotManifestItem> items) {
  std::vector<std::byte> bytes(kHotBlockHeaderBytes + items.size() * kHotItemBytes);
  store(bytes.data() + kItemsOffset, static_cast<std::uint32_t>(items.size()));
  store(bytes.data() + kIndexOffset, index);
  std::byte* to = bytes.data() + kHotBlockHeaderBytes;
  for (const HotManifestItem& item : items) {
    store(to, item.mac.bytes);
    store(to + kTenantOffset, item.space.tenant);
    store(to + kDatabaseOffset, item.space.database);
    store(to + kHeatOffset, item.heat);
    store(to + kSegmentOffset, item.place.segment);
    store(to + kPlaceOffset, item.place.offset);
    store(to + kSizeOffset, item.place.size);
    to += kHotItemBytes;
  }
  const auto rest = std::span<const std::byte>(bytes).subspan(kItemsOffset);
  store(bytes.data(), checksum(rest, seed_of(store_id, index)));
  return bytes;
}

Result<HotBlockHeader> decode_hot_block_header(std::span<const std::byte> bytes,
                                               std::uint32_t index) {
  if (bytes.size() != kHotBlockHeaderBytes) return corrupt("a block is cut off");
  HotBlockHeader header;
  header.checksum = load<std::uint64_t>(bytes.data());
  header.items = load<std::uint32_t>(bytes.data() + kItemsOffset);
  header.index = load<std::uint32_t>(bytes.data() + kIndexOffset);
  if (header.index != index || header.items > kMaxHotBlockItems) {
    return corrupt("a block is damaged");
  }
  return header;
}

Result<std::vector<HotManifestItem>> decode_hot_items(const StoreId& store_id,
                                                      const HotBlockHeader& header,
                                                      std::span<const std::byte> bytes,
                                                      std::size_t item_bytes) {
  if (bytes.size() != header.items * item_bytes) return corrupt("a block is cut off");
  std::array<std::byte, kHotBlockHeaderBytes - kItemsOffset> head{};
  store(head.data(), header.items);
  store(head.data() + sizeof header.items, header.index);
  if (checksum(head, bytes, seed_of(store_id, header.index)) != header.checksum) {
    return corrupt("a block is damaged");
  }
  std::vector<HotManifestItem> items(header.items);
  for (HotManifestItem& item : items) {
    item.mac.bytes = load<decltype(item.mac.bytes)>(bytes.data());
    item.space.tenant = load<std::uint32_t>(bytes.data() + kTenantOffset);
    item.space.database = load<std::uint8_t>(bytes.data() + kDatabaseOffset);
    item.heat = load<std::uint8_t>(bytes.data() + kHeatOffset);
    if (!is_key_database(item.space.database) ||
        !all_zero(bytes.subspan(kItemZeroOffset, kSegmentOffset - kItemZeroOffset))) {
      return corrupt("an item is none");
    }
    if (item_bytes == kHotItemBytes) {
      item.place.segment = load<std::uint32_t>(bytes.data() + kSegmentOffset);
      item.place.offset = load<std::uint32_t>(bytes.data() + kPlaceOffset);
      item.place.size = load<std::uint32_t>(bytes.data() + kSizeOffset);
    }
    bytes = bytes.subspan(item_bytes);
  }
  return items;
}

}  // namespace kachel::format
