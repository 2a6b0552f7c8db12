// Reads the hot tier's manifest, block by block. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/format/hot_manifest.h"
#include "io/storage.h"

namespace kachel {

class HotManifestReader {
 public:
  /// kNotFound when there is none; kForeign, kVersion, kCorrupt, kIo.
  static Result<std::unique_ptr<HotManifestReader>> open(io::Storage& storage,
                                                         const format::StoreId& store_id);

  /// False: all of it has been read, or what comes can't be found.
  bool has_more() const { return has_more_; }
  /// The items of the next block, none of the last. kCorrupt costs this block only, if there is
  /// more afterwards.
  Result<std::vector<format::HotManifestItem>> next();
  const format::HotManifestHeader& header() const { return header_; }
  std::uint64_t entries() const { return file_bytes_ / header_.item_bytes; }  // about

 private:
  HotManifestReader(std::unique_ptr<io::File> file, std::uint64_t file_bytes,
                    const format::StoreId& store_id, const format::HotManifestHeader& header)
      : file_(std::move(file)), file_bytes_(file_bytes), store_id_(store_id), header_(header) {}

  std::unique_ptr<io::File> file_;
  std::uint64_t file_bytes_;
  format::StoreId store_id_;
  format::HotManifestHeader header_;
  std::uint64_t offset_ = format::kHotManifestHeaderBytes;
  std::uint32_t blocks_ = 0;
  bool has_more_ = true;
};

}  // namespace kachel
