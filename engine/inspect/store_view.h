// A store that is looked at and never written: who it is, and which files it has. Works on a
// read-only mount, a snapshot or a copy. Blocking; one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/format/superblock.h"
#include "engine/inspect/inspection.h"
#include "io/storage.h"

namespace kachel::inspect {

class StoreView {
 public:
  /// Takes a shared lock where there is a LOCK, so that no kacheld runs meanwhile. What is wrong
  /// with superblock and key is reported; only what leaves nothing to look at is an error:
  /// kNotFound (no store), kLocked, kVersion, kPermission.
  static Result<std::unique_ptr<StoreView>> open(const std::string& directory,
                                                 Inspection& inspection);
  /// On a storage that the caller has locked, or that nobody else has.
  static Result<std::unique_ptr<StoreView>> open(io::Storage& storage, Inspection& inspection);

  io::Storage& storage() const { return *storage_; }
  const format::StoreId& store_id() const { return store_id_; }
  /// None: the key file is missing or damaged, and nothing can be said of MACs.
  const std::optional<MacKey>& mac_key() const { return mac_key_; }
  /// None: no copy is whole, and the store id is the key file's.
  const std::optional<format::Superblock>& superblock() const { return superblock_; }
  bool is_clean() const { return superblock_ && superblock_->state == format::StoreState::kClean; }
  /// A snapshot, or a copy of one that has not caught up: unlike a store that was stopped in order
  /// it may have segments that were open, and its index books of some that had no record yet.
  bool is_copy() const { return superblock_ && superblock_->doubtful_through != 0; }
  /// Of superblock and key, bytes.
  std::uint64_t identity_bytes() const { return identity_bytes_; }

 private:
  Result<void> load(Inspection& inspection);
  void check_superblock(std::span<const std::byte> bytes, Inspection& inspection);
  Result<void> load_key(Inspection& inspection);

  std::unique_ptr<io::Storage> own_storage_;
  std::unique_ptr<io::DirectoryLock> lock_;
  io::Storage* storage_ = nullptr;
  format::StoreId store_id_{};
  std::optional<MacKey> mac_key_;
  std::optional<format::Superblock> superblock_;
  std::uint64_t identity_bytes_ = 0;
};

/// The name under which its audit log goes.
std::string audit_origin(const format::StoreId& store_id);

}  // namespace kachel::inspect
