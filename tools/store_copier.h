// Makes a store's directory of a snapshot's files. Nothing in there is a store before all of it is:
// the superblock comes last. Cut off, it goes on where it was. Blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/format/snapshot_manifest.h"
#include "io/storage.h"
#include "tools/segment_arrivals.h"
#include "tools/transfer.h"

namespace kachel::tools {

struct CopyOptions {
  /// Once the directory is a store, before anybody else may open it.
  std::function<Result<void>(io::Storage&, const format::SnapshotManifest&)> on_store;
  /// Not null: of segments only what a start needs, and what is hot; the rest is for fill().
  SegmentArrivals* arrivals = nullptr;
  std::string source;  // then: of what this is a copy
};

struct CopyResult {
  format::SnapshotManifest manifest;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // of all files
};

/// The directory; made when it is not there.
Result<std::unique_ptr<io::Storage>> open_target(const std::string& target);

/// Copies, and says how far it is. Errors: kInvalidArgument (the source is no snapshot, or an
/// incomplete one), kForeign (the target holds something else), kNotFound, kNoSpace, kIo.
Result<CopyResult> copy_store(Transfer& transfer, io::Storage& target, const CopyOptions& options);

/// Which source an incomplete copy is of (format::kUnfinishedCopyName); kNotFound when there is
/// none. kForeign: the directory has something else in it.
Result<std::string> unfinished_source(const std::string& target);
/// Begins one, or goes on with one of the same source. What is there of another is removed.
Result<void> begin_copy(const std::string& target, const std::string& source);

}  // namespace kachel::tools
