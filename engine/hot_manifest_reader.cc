#include "engine/hot_manifest_reader.h"

#include "engine/hot_set.h"
#include "engine/segment_files.h"

namespace kachel {

Result<std::unique_ptr<HotManifestReader>> HotManifestReader::open(
    io::Storage& storage, const format::StoreId& store_id) {
  auto file = storage.open(kHotManifestPath, io::OpenMode::kRead);
  if (!file) return file.error();
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  const auto head = read_exactly(**file, 0, format::kHotManifestHeaderBytes);
  if (!head) return head.error();
  const auto header = format::decode_hot_manifest_header(*head, store_id);
  if (!header) return header.error();
  return std::unique_ptr<HotManifestReader>(
      new HotManifestReader(std::move(*file), *bytes, store_id, *header));
}

Result<std::vector<format::HotManifestItem>> HotManifestReader::next() {
  has_more_ = false;  // unless the block's length is known
  const auto head = read_exactly(*file_, offset_, format::kHotBlockHeaderBytes);
  if (!head) return head.error();
  const auto header = format::decode_hot_block_header(*head, blocks_);
  if (!header) return header.error();
  offset_ += head->size();
  const std::uint64_t bytes = std::uint64_t{header->items} * header_.item_bytes;
  const auto body = read_exactly(*file_, offset_, bytes);
  if (!body) return body.error();
  offset_ += bytes;
  ++blocks_;
  has_more_ = header->items != 0;
  auto items = format::decode_hot_items(store_id_, *header, *body, header_.item_bytes);
  if (items && !has_more_ && offset_ != file_bytes_) {
    return Error{ErrorCode::kCorrupt, "hot/manifest: it goes on behind its end"};
  }
  return items;
}

}  // namespace kachel
