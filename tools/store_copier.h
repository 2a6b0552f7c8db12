// Makes a store's directory of a snapshot's files. Nothing in there is a store before all of it is:
// the superblock comes last. Cut off, it goes on where it was. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/format/snapshot_manifest.h"
#include "io/storage.h"
#include "tools/copy_source.h"

namespace kachel::tools {

struct CopyOptions {
  std::string target;             // the directory; made when it is not there
  std::uint64_t bytes_per_s = 0;  // 0: as fast as it goes
  bool json = false;
};

struct CopyResult {
  format::SnapshotManifest manifest;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;         // of all files
  std::uint64_t copied_bytes = 0;  // by this run
  std::int64_t duration_ms = 0;
};

/// Copies, and says so: a progress bar on a terminal, JSON Lines with `json`. Errors:
/// kInvalidArgument (the source is no snapshot, or an incomplete one), kForeign (the target holds
/// something else), kNotFound, kNoSpace, kIo.
Result<CopyResult> copy_store(CopySource& source, const CopyOptions& options);

/// Which source an incomplete copy is of (format::kUnfinishedCopyName); kNotFound when there is
/// none. kForeign: the directory has something else in it.
Result<std::string> unfinished_source(const std::string& target);
/// Begins one, or goes on with one of the same source. What is there of another is removed.
Result<void> begin_copy(const std::string& target, const std::string& source);

}  // namespace kachel::tools
