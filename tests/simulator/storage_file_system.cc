#include "storage_file_system.h"

#include <algorithm>
#include <limits>
#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include "engine/rocksdb_index.h"
#include "storage_files.h"

namespace kachel::sim {
namespace {

using rocksdb::FileLock;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomAccessFile;
using rocksdb::FSSequentialFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr const char* kIndexPath = "/index";

/// "/index//000012.sst" as RocksDB has it, "index/000012.sst" as the storage does.
std::string storage_path(const std::string& path) {
  std::string mapped;
  for (const char c : path) {
    if (c != '/' || (!mapped.empty() && mapped.back() != '/')) mapped.push_back(c);
  }
  if (!mapped.empty() && mapped.back() == '/') mapped.pop_back();
  return mapped;
}

/// Where RocksDB asks for a name that may not be there, it wants NotFound, not an error.
IOStatus as_not_found(IOStatus status) {
  return status.IsPathNotFound() ? IOStatus::NotFound(status.ToString()) : status;
}

Result<std::unique_ptr<io::File>> create_or_empty(io::Storage& storage, const std::string& path) {
  auto file = storage.open(path, io::OpenMode::kCreate);
  if (file || file.error().code != ErrorCode::kAlreadyExists) return file;
  file = storage.open(path, io::OpenMode::kReadWrite);
  if (!file) return file;
  if (auto emptied = (*file)->truncate(0); !emptied) return emptied.error();
  return file;
}

class SilentLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  void Logv(rocksdb::InfoLogLevel, const char*, va_list) override {}
  void LogHeader(const char*, va_list) override {}
};

/// RocksDB waits a second after each failure of its background work: on a simulated device, which
/// fails often, that is most of the time there is.
class ImpatientClock final : public rocksdb::SystemClockWrapper {
 public:
  using SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "kachel.ImpatientClock"; }
  void SleepForMicroseconds(int micros) override {
    target_->SleepForMicroseconds(std::min(micros, kSleepMaxMicros));
  }

 private:
  static constexpr int kSleepMaxMicros = 1000;
};

class StorageEnv final : public rocksdb::EnvWrapper {
 public:
  explicit StorageEnv(const std::shared_ptr<StorageFileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    system_clock_ = std::make_shared<ImpatientClock>(system_clock_);
  }
  const char* Name() const override { return "kachel.StorageEnv"; }
};

}  // namespace

// ---- files ---------------------------------------------------------------------------------

IOStatus StorageFileSystem::NewSequentialFile(const std::string& path, const FileOptions&,
                                              std::unique_ptr<FSSequentialFile>* result,
                                              IODebugContext*) {
  return process_->look([&] {
    auto file = storage_.open(storage_path(path), io::OpenMode::kRead);
    if (file) *result = std::make_unique<StorageSequentialFile>(process_, std::move(*file));
    return file;
  });
}

IOStatus StorageFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions&,
                                                std::unique_ptr<FSRandomAccessFile>* result,
                                                IODebugContext*) {
  return process_->look([&] {
    auto file = storage_.open(storage_path(path), io::OpenMode::kRead);
    if (file) *result = std::make_unique<StorageRandomAccessFile>(process_, std::move(*file));
    return file;
  });
}

IOStatus StorageFileSystem::NewWritableFile(const std::string& path, const FileOptions&,
                                            std::unique_ptr<FSWritableFile>* result,
                                            IODebugContext*) {
  return process_->change([&] {
    auto file = create_or_empty(storage_, storage_path(path));
    if (file) *result = std::make_unique<StorageWritableFile>(process_, std::move(*file));
    return file;
  });
}

IOStatus StorageFileSystem::NewDirectory(const std::string& path, const IOOptions&,
                                         std::unique_ptr<FSDirectory>* result, IODebugContext*) {
  return process_->look([&] {
    auto there = storage_.list(storage_path(path));
    if (there) {
      *result = std::make_unique<StorageDirectory>(process_, storage_, storage_path(path));
    }
    return there;
  });
}

IOStatus StorageFileSystem::NewLogger(const std::string&, const IOOptions&,
                                      std::shared_ptr<rocksdb::Logger>* result, IODebugContext*) {
  *result = std::make_shared<SilentLogger>();
  return IOStatus::OK();
}

// ---- names ---------------------------------------------------------------------------------

IOStatus StorageFileSystem::FileExists(const std::string& path, const IOOptions&, IODebugContext*) {
  bool there = false;
  IOStatus status = process_->look([&] {
    auto found = storage_.exists(storage_path(path));
    there = found && *found;
    return found;
  });
  if (status.ok() && !there) return IOStatus::NotFound();
  return status;
}

IOStatus StorageFileSystem::IsDirectory(const std::string& path, const IOOptions& options,
                                        bool* is_directory, IODebugContext* debug) {
  std::vector<std::string> names;
  *is_directory = GetChildren(path, options, &names, debug).ok();
  return *is_directory ? IOStatus::OK() : FileExists(path, options, debug);
}

IOStatus StorageFileSystem::GetChildren(const std::string& path, const IOOptions&,
                                        std::vector<std::string>* result, IODebugContext*) {
  result->clear();
  return as_not_found(process_->look([&] {
    auto names = storage_.list(storage_path(path));
    if (names) *result = *names;
    return names;
  }));
}

IOStatus StorageFileSystem::GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                                        IODebugContext*) {
  return process_->look([&]() -> Result<void> {
    auto file = storage_.open(storage_path(path), io::OpenMode::kRead);
    if (!file) return file.error();
    auto found = (*file)->size();
    if (!found) return found.error();
    *size = *found;
    return {};
  });
}

IOStatus StorageFileSystem::GetFileModificationTime(const std::string& path,
                                                    const IOOptions& options, uint64_t* seconds,
                                                    IODebugContext* debug) {
  *seconds = 0;
  return FileExists(path, options, debug);
}

IOStatus StorageFileSystem::GetFreeSpace(const std::string&, const IOOptions&, uint64_t* bytes,
                                         IODebugContext*) {
  *bytes = std::numeric_limits<uint64_t>::max();
  // Closing a database that once found the disk full may wait until it sees space enough to try
  // again, and to find that it is closing.
  if (process_->is_dead()) return IOStatus::OK();
  return process_->look([&] {
    auto space = storage_.space();
    if (space) *bytes = space->available_bytes;
    return space;
  });
}

IOStatus StorageFileSystem::GetAbsolutePath(const std::string& path, const IOOptions&,
                                            std::string* result, IODebugContext*) {
  *result = "/" + storage_path(path);
  return IOStatus::OK();
}

IOStatus StorageFileSystem::GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) {
  return IOStatus::NotSupported("GetTestDirectory");
}

// ---- changes -------------------------------------------------------------------------------

IOStatus StorageFileSystem::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  return process_->change([&] { return storage_.remove(storage_path(path)); });
}

IOStatus StorageFileSystem::RenameFile(const std::string& from, const std::string& to,
                                       const IOOptions&, IODebugContext*) {
  return process_->change([&] { return storage_.rename(storage_path(from), storage_path(to)); });
}

IOStatus StorageFileSystem::LinkFile(const std::string& from, const std::string& to,
                                     const IOOptions&, IODebugContext*) {
  return process_->change([&] { return storage_.link(storage_path(from), storage_path(to)); });
}

IOStatus StorageFileSystem::CreateDir(const std::string& path, const IOOptions& options,
                                      IODebugContext* debug) {
  if (FileExists(path, options, debug).ok()) return IOStatus::IOError(path, "exists");
  return CreateDirIfMissing(path, options, debug);
}

IOStatus StorageFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions&,
                                               IODebugContext*) {
  return process_->change([&] { return storage_.create_directory(storage_path(path)); });
}

IOStatus StorageFileSystem::DeleteDir(const std::string& path, const IOOptions& options,
                                      IODebugContext* debug) {
  std::vector<std::string> names;
  if (IOStatus listed = GetChildren(path, options, &names, debug); !listed.ok()) return listed;
  if (!names.empty()) return IOStatus::IOError(path, "not empty");
  return process_->change([&] { return storage_.remove_tree(storage_path(path)); });
}

IOStatus StorageFileSystem::LockFile(const std::string& path, const IOOptions&, FileLock** lock,
                                     IODebugContext*) {
  auto name = std::make_unique<FileLock>();
  IOStatus taken = process_->take_lock(storage_, storage_path(path), name.get());
  *lock = taken.ok() ? name.release() : nullptr;
  return taken;
}

IOStatus StorageFileSystem::UnlockFile(FileLock* lock, const IOOptions&, IODebugContext*) {
  process_->release_lock(lock);
  delete lock;
  return IOStatus::OK();
}

// ---- the index -----------------------------------------------------------------------------

IndexFactory rocksdb_factory(std::shared_ptr<StorageFileSystem> files) {
  // Shared with every copy of the factory, one of which the store keeps.
  const auto env = std::make_shared<StorageEnv>(files);
  return [files, env](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    if (request.wipe) {
      if (files->process().is_dead()) return Error{ErrorCode::kIo, "the process has died"};
      io::Storage& storage = files->storage();
      if (auto removed = storage.remove_tree("index"); !removed) return removed.error();
      if (auto made = storage.create_directory("index"); !made) return made.error();
      if (auto synced = storage.sync_directory(""); !synced) return synced.error();
    }
    RocksDbIndexOptions options;
    options.path = kIndexPath;
    options.store_id = request.store_id;
    options.memory_bytes = request.memory_bytes;
    options.filter = request.filter;
    options.env = env.get();
    return open_rocksdb_index(options);
  };
}

}  // namespace kachel::sim
