// What a snapshot's files are made of, and how they go. Blocking; start-up and the blocking pool
// only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format/snapshot_manifest.h"
#include "io/storage.h"

namespace kachel {

/// "DIRECTORY/NAME"
std::string path_below(std::string_view directory, std::string_view name);

/// The beginning of a file, synced. Nobody but its owner may read the copy, as of all that follow.
Result<void> copy_file(io::Storage& storage, const io::File& from, const std::string& to,
                       std::uint64_t bytes);
/// Not an error when it is not there.
Result<void> copy_named(io::Storage& storage, const std::string& from, const std::string& to);
/// A directory, with all below it but what is being replaced (".new"). Not an error when it is not
/// there.
Result<void> copy_tree(io::Storage& storage, const std::string& from, const std::string& to);
Result<void> write_new(io::Storage& storage, const std::string& path,
                       std::span<const std::byte> bytes);

/// Of the snapshot in this directory.
Result<format::SnapshotManifest> read_manifest(io::Storage& storage, const std::string& directory);
std::string segments_of(const std::string& directory);
/// "DIRECTORY/segments/0000000000001234.seg"
std::string path_in(const std::string& directory, std::uint64_t segment);

/// All of it, durably.
Result<void> drop_tree(io::Storage& storage, const std::string& path);
/// The snapshot of this name, and what is left of making it. Cut off, it is one that was not
/// completed, which a start removes.
Result<void> drop_snapshot(io::Storage& storage, std::string_view name);
/// What follows the segments.
Result<void> remove_derived(io::Storage& storage, const std::string& directory);
/// Not an error when one is not there.
Result<void> remove_segments(io::Storage& storage, const std::string& directory,
                             const std::vector<std::uint64_t>& ids);

}  // namespace kachel
