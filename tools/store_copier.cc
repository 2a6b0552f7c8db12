#include "tools/store_copier.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "engine/arrivals.h"
#include "engine/audit/files.h"
#include "engine/segment.h"
#include "io/posix_storage.h"

namespace kachel::tools {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::uint64_t kResumeBytes = std::uint64_t{8} << 20;
constexpr std::uint64_t kMaxNameBytes = 4096;
constexpr const char* kSuperblock = "superblock";

class Copier {
 public:
  Copier(Transfer& transfer, io::Storage& target, const CopyOptions& options)
      : transfer_(transfer), target_(target), options_(options) {}

  Result<CopyResult> run() {
    auto files = transfer_.source().list();
    if (!files) return files.error();
    if (auto read = read_manifest(*files); !read) return read.error();
    if (auto whole = check_files(*files); !whole) return whole.error();
    for (const SourceFile& file : *files)
      result_.bytes += file.bytes;
    transfer_.expect(result_.bytes);
    result_.files = files->size();
    // Last, since with it the directory is a store.
    std::stable_partition(files->begin(), files->end(),
                          [](const SourceFile& file) { return file.path != kSuperblock; });
    for (const SourceFile& file : *files) {
      if (file.path == format::kSnapshotManifestName || is_staged(file)) continue;
      if (file.path == kSuperblock) {
        if (auto begun = begin_segments(*files); !begun) return begun.error();
        if (auto synced = sync_directories(); !synced) return synced.error();
      }
      auto copied = copy(file);
      if (!copied) return Error{copied.error().code, file.path + ": " + copied.error().message};
    }
    if (auto synced = transfer_.wait(); !synced) return synced.error();
    if (auto synced = target_.sync_directory(""); !synced) return synced.error();
    if (auto ready = options_.on_store(target_, result_.manifest); !ready) return ready.error();
    if (auto removed = target_.remove(format::kUnfinishedCopyName); !removed)
      return removed.error();
    if (auto synced = target_.sync_directory(""); !synced) return synced.error();
    return result_;
  }

 private:
  bool is_staged(const SourceFile& file) const {
    return options_.arrivals != nullptr && file.path.starts_with("segments/");
  }

  /// What a start needs of each, and then what the hot tier had.
  Result<void> begin_segments(const std::vector<SourceFile>& files) {
    SegmentArrivals* const arrivals = options_.arrivals;
    if (arrivals == nullptr) return {};
    if (auto begun = arrivals->begin(options_.source); !begun) return begun;
    for (const SourceFile& file : files) {
      if (!is_staged(file)) continue;
      auto begun = arrivals->begin_segment(result_.manifest.store_id, file);
      if (!begun) return Error{begun.error().code, file.path + ": " + begun.error().message};
    }
    if (auto taken = arrivals->take_hot(result_.manifest.store_id); !taken) return taken;
    return arrivals->sync();
  }

  Result<void> read_manifest(const std::vector<SourceFile>& files) {
    const auto named = std::find_if(files.begin(), files.end(), [](const SourceFile& file) {
      return file.path == format::kSnapshotManifestName;
    });
    if (named == files.end() || named->bytes > format::kMaxSnapshotManifestBytes) {
      return Error{ErrorCode::kInvalidArgument,
                   "this is no snapshot: it has no file `snapshot` (a data directory itself is "
                   "copied by hand, while no kacheld runs on it)"};
    }
    ZeroizingBytes bytes;
    while (bytes.size() < named->bytes) {
      auto piece = transfer_.source().read(named->path, bytes.size(), kChunkBytes);
      if (!piece) return piece.error();
      if (piece->empty()) break;
      bytes.insert(bytes.end(), piece->begin(), piece->end());
    }
    auto manifest = format::decode_snapshot_manifest(bytes);
    if (!manifest) return manifest.error();
    result_.manifest = std::move(*manifest);
    return {};
  }

  /// What was due has left the snapshot; anything else must be there, and as long as it was.
  Result<void> check_files(const std::vector<SourceFile>& files) const {
    std::map<std::string, std::uint64_t> sizes;
    for (const SourceFile& file : files)
      sizes[file.path] = file.bytes;
    for (const char* needed : {kSuperblock, "key"}) {
      if (!sizes.contains(needed)) {
        return Error{ErrorCode::kInvalidArgument, fmt::format("the snapshot lacks `{}`", needed)};
      }
    }
    for (const format::SnapshotSegment& segment : result_.manifest.segments) {
      const auto found = sizes.find(segment_path(segment.id));
      if (found == sizes.end() || found->second == segment.bytes) continue;
      return Error{
          ErrorCode::kInvalidArgument,
          fmt::format("{} has {} bytes and should have {}: the snapshot is damaged, or was "
                      "not copied whole",
                      found->first, found->second, segment.bytes)};
    }
    return {};
  }

  Result<void> copy(const SourceFile& file) {
    if (auto made = audit::create_parents(target_, file.path); !made) return made;
    directories_.insert(audit::parent_of(file.path));
    const auto is_there = target_.exists(file.path);
    if (!is_there) return is_there.error();
    const bool is_secret = !file.path.starts_with("segments/") && !file.path.starts_with("index/");
    auto opened = target_.open(file.path, *is_there   ? io::OpenMode::kReadWrite
                                          : is_secret ? io::OpenMode::kCreateKey
                                                      : io::OpenMode::kCreate);
    if (!opened) return opened.error();
    const auto there = (*opened)->size();
    if (!there) return there.error();
    // Gone on with a little before where it was cut off; the end may not have come to the disk.
    Extent missing{0, file.bytes};
    if (*there <= file.bytes && *there > kResumeBytes) missing.begin = *there - kResumeBytes;
    transfer_.skip(missing.begin);
    if (missing.begin == 0 && *there != 0) {
      if (auto cut = (*opened)->truncate(0); !cut) return cut;
    }
    auto fetched = transfer_.fetch(file.path, std::span(&missing, 1), **opened);
    if (!fetched) return fetched;
    return transfer_.sync_later(std::move(*opened), file.bytes);
  }

  Result<void> sync_directories() {
    for (const std::string& directory : directories_) {
      for (std::string at = directory;; at = audit::parent_of(at)) {
        if (auto synced = target_.sync_directory(at); !synced) return synced;
        if (at.empty()) break;
      }
    }
    return {};
  }

  Transfer& transfer_;
  io::Storage& target_;
  const CopyOptions& options_;
  std::set<std::string> directories_;
  CopyResult result_;
};

}  // namespace

Result<std::unique_ptr<io::Storage>> open_target(const std::string& target) {
  io::PosixStorageOptions options;
  options.create = true;
  return io::open_posix_storage(target, options);
}

Result<std::string> unfinished_source(const std::string& target) {
  auto storage = open_target(target);
  if (!storage) return storage.error();
  auto text = audit::read_file(**storage, std::string(format::kUnfinishedCopyName), kMaxNameBytes);
  if (text) return text;
  if (text.error().code != ErrorCode::kNotFound) return text.error();
  const auto names = (*storage)->list("");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name == "LOCK" || name == "lost+found") continue;
    return Error{
        ErrorCode::kForeign,
        fmt::format("{} is not empty (found '{}'): choose an empty directory", target, name)};
  }
  return Error{ErrorCode::kNotFound, "nothing was begun in " + target};
}

Result<void> begin_copy(const std::string& target, const std::string& source) {
  const auto before = unfinished_source(target);
  if (before && *before == source) return {};
  if (!before && before.error().code != ErrorCode::kNotFound) return before.error();
  auto storage = open_target(target);
  if (!storage) return storage.error();
  if (before) {
    for (const char* part : {"segments", "index", "audit", "hot", kArrivingDirectory})
      if (auto removed = (*storage)->remove_tree(part); !removed) return removed;
    for (const char* file : {"tenants", "key"}) {
      auto removed = (*storage)->remove(file);
      if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
    }
  }
  return audit::replace_file(**storage, std::string(format::kUnfinishedCopyName), source);
}

Result<CopyResult> copy_store(Transfer& transfer, io::Storage& target, const CopyOptions& options) {
  const auto lock = target.lock("LOCK");
  if (!lock) return lock.error();
  return Copier(transfer, target, options).run();
}

}  // namespace kachel::tools
