#include "tools/store_copier.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fmt/format.h>
#include <set>
#include <thread>
#include <unistd.h>
#include <utility>

#include "engine/audit/files.h"
#include "engine/segment.h"
#include "io/posix_storage.h"
#include "io/units.h"
#include "tools/progress_text.h"

namespace kachel::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMaxNameBytes = 4096;
constexpr std::int64_t kTellEveryMs = 200;
constexpr const char* kSuperblock = "superblock";

Result<std::unique_ptr<io::Storage>> open_target(const std::string& target) {
  io::PosixStorageOptions options;
  options.create = true;
  return io::open_posix_storage(target, options);
}

class Copier {
 public:
  Copier(CopySource& source, io::Storage& target, const CopyOptions& options)
      : source_(source), target_(target), options_(options) {}

  Result<CopyResult> run() {
    auto files = source_.list();
    if (!files) return files.error();
    if (auto read = read_manifest(*files); !read) return read.error();
    if (auto whole = check_files(*files); !whole) return whole.error();
    for (const SourceFile& file : *files)
      result_.bytes += file.bytes;
    result_.files = files->size();
    // Last, since with it the directory is a store.
    std::stable_partition(files->begin(), files->end(),
                          [](const SourceFile& file) { return file.path != kSuperblock; });
    for (const SourceFile& file : *files) {
      if (file.path == format::kSnapshotManifestName) continue;
      if (file.path == kSuperblock) {
        if (auto synced = sync_directories(); !synced) return synced.error();
      }
      auto copied = copy(file);
      if (!copied) return Error{copied.error().code, file.path + ": " + copied.error().message};
    }
    if (auto synced = target_.sync_directory(""); !synced) return synced.error();
    if (auto removed = target_.remove(format::kUnfinishedCopyName); !removed)
      return removed.error();
    if (auto synced = target_.sync_directory(""); !synced) return synced.error();
    tell(true);
    result_.duration_ms = ms_since(began_);
    return result_;
  }

 private:
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
      auto piece = source_.read(named->path, bytes.size(), kChunkBytes);
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
    std::uint64_t offset = 0;
    if (*there <= file.bytes && *there > kChunkBytes) offset = *there - kChunkBytes;
    done_bytes_ += offset;
    if (offset == 0 && *there != 0) {
      if (auto cut = (*opened)->truncate(0); !cut) return cut;
    }
    while (offset < file.bytes) {
      auto piece = source_.read(file.path, offset,
                                std::min<std::uint64_t>(kChunkBytes, file.bytes - offset));
      if (!piece) return piece.error();
      if (piece->empty()) {
        return Error{ErrorCode::kIo, "it ends before its end: was the snapshot removed?"};
      }
      iovec part{piece->data(), piece->size()};
      if (auto written = (*opened)->write_at(offset, std::span(&part, 1)); !written) return written;
      offset += piece->size();
      count(piece->size());
    }
    if (auto synced = (*opened)->sync(); !synced) return synced;
    (*opened)->drop_cache(0, io::round_up_to_block(file.bytes));
    return {};
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

  void count(std::uint64_t bytes) {
    result_.copied_bytes += bytes;
    done_bytes_ += bytes;
    if (options_.bytes_per_s != 0) {
      const double due_ms = static_cast<double>(result_.copied_bytes) * 1000 /
                            static_cast<double>(options_.bytes_per_s);
      const auto ahead_ms = static_cast<std::int64_t>(due_ms) - ms_since(began_);
      if (ahead_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ahead_ms));
    }
    tell(false);
  }

  void tell(bool is_last) {
    const std::int64_t ms = ms_since(began_);
    if (!is_last && ms - told_ms_ < kTellEveryMs * (options_.json ? 5 : 1)) return;
    told_ms_ = ms;
    const std::uint64_t rate = bytes_per_second(result_.copied_bytes, ms);
    if (options_.json) {
      fmt::print("{}\n",
                 boost::json::serialize(boost::json::object{{"type", "status"},
                                                            {"copied_bytes", done_bytes_},
                                                            {"expected_bytes", result_.bytes},
                                                            {"bytes_per_s", rate}}));
      std::fflush(stdout);
    } else if (::isatty(STDERR_FILENO) == 1) {
      fmt::print(stderr, "\r\x1b[K{}{}", progress_text(done_bytes_, result_.bytes, rate),
                 is_last ? "\n" : "");
      std::fflush(stderr);
    }
  }

  CopySource& source_;
  io::Storage& target_;
  const CopyOptions& options_;
  const Clock::time_point began_ = Clock::now();
  std::int64_t told_ms_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::set<std::string> directories_;
  CopyResult result_;
};

}  // namespace

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
    for (const char* part : {"segments", "index", "audit", "hot"})
      if (auto removed = (*storage)->remove_tree(part); !removed) return removed;
    for (const char* file : {"tenants", "key"}) {
      auto removed = (*storage)->remove(file);
      if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;
    }
  }
  return audit::replace_file(**storage, std::string(format::kUnfinishedCopyName), source);
}

Result<CopyResult> copy_store(CopySource& source, const CopyOptions& options) {
  auto storage = open_target(options.target);
  if (!storage) return storage.error();
  const auto lock = (*storage)->lock("LOCK");
  if (!lock) return lock.error();
  return Copier(source, **storage, options).run();
}

}  // namespace kachel::tools
