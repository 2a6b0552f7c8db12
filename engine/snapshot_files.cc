#include "engine/snapshot_files.h"

#include <algorithm>

#include "engine/audit/files.h"
#include "engine/segment.h"
#include "engine/snapshots.h"
#include "io/zeroizing.h"

namespace kachel {
namespace {
constexpr std::size_t kCopyChunkBytes = std::size_t{256} * 1024;
}  // namespace

std::string path_below(std::string_view directory, std::string_view name) {
  return std::string(directory).append("/").append(name);
}

Result<void> copy_file(io::Storage& storage, const io::File& from, const std::string& to,
                       std::uint64_t bytes) {
  auto made = storage.open(to, io::OpenMode::kCreateKey);
  if (!made) return made.error();
  ZeroizingBytes chunk(std::min<std::uint64_t>(bytes, kCopyChunkBytes));
  for (std::uint64_t offset = 0; offset < bytes;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(chunk.size(), bytes - offset);
    const auto got = from.read_at(offset, std::span(chunk).first(wanted));
    if (!got) return got.error();
    if (*got != wanted) return Error{ErrorCode::kIo, to + ": its original ends too early"};
    iovec part{chunk.data(), wanted};
    if (auto written = (*made)->write_at(offset, std::span(&part, 1)); !written) return written;
    offset += wanted;
  }
  return (*made)->sync();
}

Result<void> copy_named(io::Storage& storage, const std::string& from, const std::string& to) {
  auto file = storage.open(from, io::OpenMode::kRead);
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) return {};
    return file.error();
  }
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  return copy_file(storage, **file, to, *bytes);
}

Result<void> copy_tree(io::Storage& storage, const std::string& from, const std::string& to) {
  auto names = storage.list(from);
  if (!names && names.error().code == ErrorCode::kNotFound) return {};
  if (!names) return names.error();
  if (auto made = storage.create_directory(to); !made) return made;
  for (const std::string& name : *names) {
    if (name.ends_with(".new")) continue;
    const std::string below = path_below(from, name);
    const std::string copy = path_below(to, name);
    const bool is_directory = storage.list(below).has_value();
    auto copied = is_directory ? copy_tree(storage, below, copy) : copy_named(storage, below, copy);
    if (!copied) return copied;
  }
  return storage.sync_directory(to);
}

Result<void> write_new(io::Storage& storage, const std::string& path,
                       std::span<const std::byte> bytes) {
  auto made = storage.open(path, io::OpenMode::kCreateKey);
  if (!made) return made.error();
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  if (auto written = (*made)->write_at(0, std::span(&part, 1)); !written) return written;
  return (*made)->sync();
}

Result<format::SnapshotManifest> read_manifest(io::Storage& storage, const std::string& directory) {
  const std::string path = directory + '/' + std::string(format::kSnapshotManifestName);
  const auto text = audit::read_file(storage, path, format::kMaxSnapshotManifestBytes);
  if (!text) return text.error();
  return format::decode_snapshot_manifest(std::as_bytes(std::span(*text)));
}

Result<void> drop_tree(io::Storage& storage, const std::string& path) {
  if (auto removed = storage.remove_tree(path); !removed) return removed;
  auto synced = storage.sync_directory(kSnapshotsDirectory);
  if (!synced && synced.error().code == ErrorCode::kNotFound) return {};  // there never was one
  return synced;
}

std::string segments_of(const std::string& directory) {
  return directory + "/segments";
}

std::string path_in(const std::string& directory, std::uint64_t segment) {
  return directory + '/' + segment_path(segment);
}

Result<void> drop_snapshot(io::Storage& storage, std::string_view name) {
  const std::string unfinished = unfinished_snapshot_path(name);
  if (auto dropped = drop_tree(storage, unfinished); !dropped) return dropped;
  auto renamed = storage.rename(snapshot_path(name), unfinished);
  if (!renamed && renamed.error().code == ErrorCode::kNotFound) return {};
  if (!renamed) return renamed;
  if (auto synced = storage.sync_directory(kSnapshotsDirectory); !synced) return synced;
  return drop_tree(storage, unfinished);
}

Result<void> remove_derived(io::Storage& storage, const std::string& directory) {
  for (const char* part : {"/index", "/hot"})
    if (auto removed = storage.remove_tree(directory + part); !removed) return removed;
  return storage.sync_directory(directory);
}

Result<void> remove_segments(io::Storage& storage, const std::string& directory,
                             const std::vector<std::uint64_t>& ids) {
  for (const std::uint64_t id : ids) {
    auto removed = storage.remove(path_in(directory, id));
    if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
  }
  return storage.sync_directory(segments_of(directory));
}

}  // namespace kachel
