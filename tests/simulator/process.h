// One life of the process that has RocksDB's files open. When it dies, nothing it had under way
// reaches the storage any more, whatever threads it still has: so that closing a database after
// a simulated kill -9 can't alter what its successor finds. A restart is a new object.
//
// Thread-safe. Each operation is carried out under one lock, so that it happens before the
// death or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <rocksdb/io_status.h>

#include "io/storage.h"

namespace kachel::sim {

/// As RocksDB's own file system would have it: what it retries and what it gives up on rests
/// on this.
rocksdb::IOStatus to_io_status(const Error& error);

class Process {
 public:
  /// Releases its locks, as the kernel would.
  void die();
  /// Dies instead of carrying out the `changes + 1`-th change from now.
  void die_after(std::uint64_t changes);
  bool is_dead() const;
  /// Changes so far: creations, writes, syncs, renames, removals.
  std::uint64_t changes() const;

  template <typename Call>
  rocksdb::IOStatus look(Call call) {
    const std::lock_guard lock(mutex_);
    if (dead_) return died();
    return status_of(call());
  }
  template <typename Call>
  rocksdb::IOStatus change(Call call) {
    const std::lock_guard lock(mutex_);
    if (!dead_ && changes_ == last_change_) die_locked();
    if (dead_) return died();
    ++changes_;
    return status_of(call());
  }

  /// `name` is whoever will release it.
  rocksdb::IOStatus take_lock(io::Storage& storage, const std::string& path, const void* name);
  void release_lock(const void* name);

 private:
  static rocksdb::IOStatus died();
  template <typename T>
  static rocksdb::IOStatus status_of(const Result<T>& result) {
    return result ? rocksdb::IOStatus::OK() : to_io_status(result.error());
  }
  void die_locked();

  mutable std::mutex mutex_;
  bool dead_ = false;                                                // guarded by mutex_
  std::uint64_t changes_ = 0;                                        // guarded by mutex_
  std::optional<std::uint64_t> last_change_;                         // guarded by mutex_
  std::map<const void*, std::unique_ptr<io::DirectoryLock>> locks_;  // guarded by mutex_
};

}  // namespace kachel::sim
