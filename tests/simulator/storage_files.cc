#include "storage_files.h"

#include <algorithm>

namespace kachel::sim {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus read_from(Process& process, const io::File& file, std::uint64_t offset, std::size_t n,
                   Slice* result, char* scratch) {
  *result = Slice();
  return process.look([&] {
    auto got = file.read_at(offset, {reinterpret_cast<std::byte*>(scratch), n});
    if (got) *result = Slice(scratch, *got);
    return got;
  });
}

}  // namespace

IOStatus StorageSequentialFile::Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                                     IODebugContext*) {
  const IOStatus status = read_from(*process_, *file_, position_, n, result, scratch);
  position_ += result->size();
  return status;
}

IOStatus StorageSequentialFile::Skip(uint64_t n) {
  return process_->look([&] {
    auto size = file_->size();
    if (size) position_ = std::min(position_ + n, std::max(position_, *size));
    return size;
  });
}

IOStatus StorageRandomAccessFile::Read(uint64_t offset, size_t n, const IOOptions&, Slice* result,
                                       char* scratch, IODebugContext*) const {
  return read_from(*process_, *file_, offset, n, result, scratch);
}

IOStatus StorageWritableFile::Append(const Slice& data, const IOOptions&, IODebugContext*) {
  return process_->change([&] {
    iovec part{const_cast<char*>(data.data()), data.size()};
    auto written = file_->write_at(position_, {&part, 1});
    if (written) position_ += data.size();
    return written;
  });
}

IOStatus StorageWritableFile::Truncate(uint64_t size, const IOOptions&, IODebugContext*) {
  return process_->change([&] {
    auto cut = file_->truncate(size);
    if (cut) position_ = size;
    return cut;
  });
}

IOStatus StorageWritableFile::Sync(const IOOptions&, IODebugContext*) {
  return process_->change([&] { return file_->sync(); });
}

IOStatus StorageDirectory::Fsync(const IOOptions&, IODebugContext*) {
  return process_->change([&] { return storage_.sync_directory(path_); });
}

}  // namespace kachel::sim
