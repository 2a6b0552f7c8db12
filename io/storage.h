// A data directory: names, files, durability of both. Implementations: PosixStorage
// (the real one), MemoryStorage (tests; loses what was not synced on crash()), and
// FaultyStorage (wraps another; injects failures by script or seed).
//
// All calls block; start-up, the log thread and the blocking pool only. Paths are
// relative to the storage's root, with '/' between components and no "..".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"
#include "io/file.h"

namespace kachel::io {

enum class OpenMode : std::uint8_t {
  kRead,       // existing, read-only
  kReadWrite,  // existing, read and write
  kCreate,     // must not exist: kAlreadyExists otherwise
  kCreateKey,  // as kCreate, and nobody but its owner may read it
};

constexpr bool creates(OpenMode mode) {
  return mode == OpenMode::kCreate || mode == OpenMode::kCreateKey;
}

/// Held while open; released on destruction or when the process dies.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;
  virtual Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) = 0;
  virtual Result<void> remove(std::string_view path) = 0;
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  /// A second name for the file; kAlreadyExists when there is something of that name.
  virtual Result<void> link(std::string_view from, std::string_view to) = 0;
  virtual Result<bool> exists(std::string_view path) = 0;
  /// Creates the directory; not an error when it is there already.
  virtual Result<void> create_directory(std::string_view path) = 0;
  /// Removes the directory and all below it; not an error when it is not there.
  virtual Result<void> remove_tree(std::string_view path) = 0;
  /// Names in the directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(std::string_view directory) = 0;
  /// Makes creations, links, renames and removals in this directory durable.
  virtual Result<void> sync_directory(std::string_view directory) = 0;
  /// Takes the exclusive lock on `path`, creating it; kLocked (with the holder's pid in
  /// the message where known) when another process has it.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(std::string_view path) = 0;
  virtual Result<SpaceInfo> space() = 0;
  /// The root in the host's file system, for parts that open files by themselves
  /// (RocksDB). Empty when there is none.
  virtual std::string native_root() const = 0;
};

}  // namespace kachel::io
