// Storage in a directory of the host's file system.
//
// A file is opened twice: buffered for appends and blocking reads, and O_DIRECT for reads
// through a queue, so that cold reads leave no second copy in the page cache. Where the file
// system refuses O_DIRECT (tmpfs), queue reads go through the page cache.
#pragma once

#include <filesystem>
#include <memory>

#include "io/storage.h"

namespace kachel::io {

/// `create`: make the directory (its parent must exist). Errors: kNotFound, kPermission (a
/// directory that can't be read, or written unless read_only), kInvalidArgument (not a
/// directory).
/// `read_only`: whatever would alter the storage is kPermission, and lock() takes a shared lock
/// on an existing file, so that readers exclude a writer but not one another.
struct PosixStorageOptions {
  bool create = false;
  bool read_only = false;
};
Result<std::unique_ptr<Storage>> open_posix_storage(const std::filesystem::path& root,
                                                    const PosixStorageOptions& options);

}  // namespace kachel::io
