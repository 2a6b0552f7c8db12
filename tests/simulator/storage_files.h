// RocksDB's open files over io::File. Each keeps the process it belongs to: RocksDB may hold it
// longer than the file system.
#pragma once

#include <memory>
#include <rocksdb/file_system.h>
#include <string>

#include "process.h"

namespace kachel::sim {

class StorageSequentialFile final : public rocksdb::FSSequentialFile {
 public:
  StorageSequentialFile(std::shared_ptr<Process> process, std::unique_ptr<io::File> file)
      : process_(std::move(process)), file_(std::move(file)) {}
  rocksdb::IOStatus Read(size_t n, const rocksdb::IOOptions& options, rocksdb::Slice* result,
                         char* scratch, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Skip(uint64_t n) override;

 private:
  const std::shared_ptr<Process> process_;  // shared with the file system
  const std::unique_ptr<io::File> file_;
  std::uint64_t position_ = 0;
};

class StorageRandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  StorageRandomAccessFile(std::shared_ptr<Process> process, std::unique_ptr<io::File> file)
      : process_(std::move(process)), file_(std::move(file)) {}
  rocksdb::IOStatus Read(uint64_t offset, size_t n, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext* debug) const override;

 private:
  const std::shared_ptr<Process> process_;  // shared with the file system
  const std::unique_ptr<io::File> file_;
};

/// Space is not reserved ahead, which RocksDB would survive failing anyway; and a range sync
/// promises nothing, so it does nothing.
class StorageWritableFile final : public rocksdb::FSWritableFile {
 public:
  StorageWritableFile(std::shared_ptr<Process> process, std::unique_ptr<io::File> file)
      : process_(std::move(process)), file_(std::move(file)) {}
  using FSWritableFile::Append;
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(uint64_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  /// To the kernel, where every append has put it already.
  rocksdb::IOStatus Flush(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override;
  bool IsSyncThreadSafe() const override { return true; }
  rocksdb::IOStatus Close(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }
  uint64_t GetFileSize(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return position_;
  }

 private:
  const std::shared_ptr<Process> process_;  // shared with the file system
  const std::unique_ptr<io::File> file_;
  std::uint64_t position_ = 0;
};

class StorageDirectory final : public rocksdb::FSDirectory {
 public:
  StorageDirectory(std::shared_ptr<Process> process, io::Storage& storage, std::string path)
      : process_(std::move(process)), storage_(storage), path_(std::move(path)) {}
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Close(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }

 private:
  const std::shared_ptr<Process> process_;  // shared with the file system
  io::Storage& storage_;
  const std::string path_;
};

}  // namespace kachel::sim
