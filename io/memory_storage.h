// A Storage in memory that loses what was not synced, for tests and the simulator.
//
// Model of durability, stricter than most file systems:
//   * a file's bytes and size are durable as of its last sync();
//   * a directory's entries are durable as of its last sync_directory(), so a file that was
//     created and synced is lost with its name if the directory was not synced;
//   * removals and renames come undone unless every directory concerned was synced;
//   * a sync that fails does so as on Linux: the bytes that it should have written stay to be
//     read, and no later sync writes them unless they are written again. They go with the page
//     cache: by a crash, drop_cache(), or evict(). Sizes and names are the journal's: a file
//     system whose journal fails takes no more syncs at all.
// crash() drops the rest. Handles and locks from before a crash are dead: every call on them
// fails, so that a component being torn down can't alter what its successor finds.
//
// Thread-safe; one lock for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "io/crash_outcome.h"
#include "io/storage.h"

namespace kachel::io {

struct MemoryState;

/// A file of a MemoryStorage, for who makes its syncs fail.
class ForgetfulFile : public File {
 public:
  /// A sync fails and has written what `outcome` says; the storage forgets that the rest is
  /// still to be written.
  virtual void fail_sync(CrashOutcome& outcome) = 0;
};

struct MemoryStorageOptions {
  std::uint64_t capacity_bytes = std::uint64_t{1} << 40;  // kNoSpace beyond; sizes and reserves
};

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(const MemoryStorageOptions& options = {});
  ~MemoryStorage() override;

  /// Loses everything that was not synced.
  void crash();
  /// Loses what `outcome` says of what was not synced.
  void crash(CrashOutcome& outcome);
  /// Memory is short: what syncs have failed to write is not in the page cache any more, but for
  /// the sectors that `outcome` keeps.
  void evict(CrashOutcome& outcome);
  /// Another storage with the same content, synced and not.
  std::unique_ptr<MemoryStorage> clone() const;
  /// Shows all that decides what this storage holds now and after any crash, piece by piece:
  /// names, durable bytes, unsynced changes. The same pieces come from an equal storage only.
  using Viewer = std::function<void(std::span<const std::byte>)>;
  void view(const Viewer& see) const;

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> link(std::string_view from, std::string_view to) override;
  Result<bool> exists(std::string_view path) override;
  Result<void> create_directory(std::string_view path) override;
  Result<void> remove_tree(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> sync_directory(std::string_view directory) override;
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view path) override;
  Result<SpaceInfo> space() override;
  std::string native_root() const override { return {}; }

 private:
  explicit MemoryStorage(std::shared_ptr<MemoryState> state) : state_(std::move(state)) {}

  std::shared_ptr<MemoryState> state_;  // shared with open files and locks, which may outlive this
};

}  // namespace kachel::io
