#include "engine/inspect/store_view.h"

#include "engine/arrivals.h"
#include "engine/audit/files.h"
#include "engine/format/structure.h"
#include "io/posix_storage.h"

namespace kachel::inspect {
namespace {

constexpr std::string_view kSuperblockFile = "superblock";
constexpr std::string_view kKeyFileName = "key";
constexpr std::size_t kBothCopies = 2 * format::kSuperblockCopyBytes;
// Larger than any that Kachel writes, so that what is appended is seen.
constexpr std::uint64_t kMostIdentityBytes = 1 << 20;

Result<std::string> read_small(io::Storage& storage, std::string_view path) {
  return audit::read_file(storage, std::string(path), kMostIdentityBytes);
}

}  // namespace

Result<std::unique_ptr<StoreView>> StoreView::open(const std::string& directory,
                                                   Inspection& inspection) {
  io::PosixStorageOptions options;
  options.read_only = true;
  auto storage = io::open_posix_storage(directory, options);
  if (!storage) return storage.error();
  auto lock = (*storage)->lock("LOCK");
  // A copy need not have one.
  if (!lock && lock.error().code != ErrorCode::kNotFound) return lock.error();
  auto view = open(**storage, inspection);
  if (!view) return view;
  (*view)->own_storage_ = std::move(*storage);
  if (lock) (*view)->lock_ = std::move(*lock);
  return view;
}

Result<std::unique_ptr<StoreView>> StoreView::open(io::Storage& storage, Inspection& inspection) {
  auto view = std::make_unique<StoreView>();
  view->storage_ = &storage;
  if (auto loaded = view->load(inspection); !loaded) return loaded.error();
  return view;
}

Result<void> StoreView::load(Inspection& inspection) {
  auto text = read_small(*storage_, kSuperblockFile);
  if (!text && text.error().code != ErrorCode::kNotFound &&
      text.error().code != ErrorCode::kTooLarge) {
    return text.error();
  }
  const auto has_key = storage_->exists(kKeyFileName);
  const auto has_segments = storage_->exists("segments");
  if (!text && !(has_key && *has_key && has_segments && *has_segments)) {
    return Error{ErrorCode::kNotFound,
                 "there is no Kachel store here (no superblock); give the directory that kacheld "
                 "was given by --data"};
  }
  const auto arriving = list_arriving(*storage_);
  if (!arriving) return arriving.error();
  if (!arriving->empty()) {
    return Error{ErrorCode::kLocked,
                 "this is a copy that is still being made (arriving/ names " +
                     std::to_string(arriving->size()) +
                     " segments): run the same `kachel clone` again, which goes on where it was"};
  }
  if (text) {
    const auto bytes = format::as_bytes(*text);
    identity_bytes_ += bytes.size();
    auto superblock = format::decode_superblock(bytes);
    if (!superblock && superblock.error().code == ErrorCode::kVersion) return superblock.error();
    if (superblock) {
      superblock_ = *superblock;
      store_id_ = superblock_->store_id;
    }
    check_superblock(bytes, inspection);
  } else {
    inspection.report(
        {FindingCode::kSuperblock, std::string(kSuperblockFile), {}, 0, text.error().message});
  }
  return load_key(inspection);
}

/// Each copy on its own: a start would be content with one.
void StoreView::check_superblock(std::span<const std::byte> bytes, Inspection& inspection) {
  const std::string path(kSuperblockFile);
  if (bytes.size() != kBothCopies) {
    inspection.report(
        {FindingCode::kSuperblock, path, std::min(bytes.size(), kBothCopies), 0,
         "is " + std::to_string(bytes.size()) + " bytes long, not " + std::to_string(kBothCopies)});
  }
  for (std::uint64_t offset = 0; offset < kBothCopies; offset += format::kSuperblockCopyBytes) {
    const auto rest = bytes.subspan(std::min<std::size_t>(offset, bytes.size()));
    const auto copy = rest.first(std::min(rest.size(), format::kSuperblockCopyBytes));
    const auto decoded = format::decode_superblock(copy);
    if (decoded && decoded->store_id == store_id_) continue;
    inspection.report({FindingCode::kSuperblockCopy, path, offset, format::kSuperblockCopyBytes,
                       std::string("copy ") + (offset == 0 ? "1" : "2") +
                           (decoded ? " is of another store" : " does not fit its checksum")});
  }
}

Result<void> StoreView::load_key(Inspection& inspection) {
  const std::string path(kKeyFileName);
  auto text = read_small(*storage_, path);
  if (!text) {
    inspection.report({FindingCode::kKeyFile, path, {}, 0, text.error().message});
  } else {
    identity_bytes_ += text->size();
    const auto bytes = format::as_bytes(*text);
    if (!superblock_ && bytes.size() == format::kKeyFileBytes) {
      store_id_ = format::load<format::StoreId>(bytes.data() + format::kStoreIdOffset);
    }
    if (const auto key = format::decode_key_file(bytes, store_id_)) {
      mac_key_ = key->mac_key;
    } else {
      inspection.report({FindingCode::kKeyFile, path, 0, bytes.size(), key.error().message});
    }
  }
  if (superblock_ || mac_key_) return {};
  return Error{ErrorCode::kCorrupt,
               "neither the superblock nor the key file is whole, so that nothing tells which "
               "store this is; restore one of them from a backup"};
}

std::string audit_origin(const format::StoreId& store_id) {
  return "kachel/" + text_of(Mac{store_id});
}

}  // namespace kachel::inspect
