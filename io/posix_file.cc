#include "io/posix_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/stat.h>
#include <typeinfo>
#include <unistd.h>

namespace kachel::io {

namespace {

std::uint64_t next_file_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// Drops the first `bytes` bytes of what is left to write.
std::span<iovec> skip_bytes(std::span<iovec> parts, std::size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty()) {
    parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

}  // namespace

PosixFile::PosixFile(int buffered_fd, int direct_fd, std::string path)
    : id_(next_file_id()),
      buffered_fd_(buffered_fd),
      direct_fd_(direct_fd),
      path_(std::move(path)) {}

PosixFile::~PosixFile() {
  if (direct_fd_ >= 0) ::close(direct_fd_);
  ::close(buffered_fd_);
  for (const auto& watcher : watchers_) {
    if (const auto closed = watcher.lock()) closed->add(id_);
  }
}

Error PosixFile::error(int error_number, const char* action) const {
  return os_error(error_number, std::string(action) + " " + path_);
}

Result<std::uint64_t> PosixFile::size() const {
  struct stat status {};
  if (::fstat(buffered_fd_, &status) != 0) return error(errno, "reading the size of");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> PosixFile::reserve(std::uint64_t bytes) {
  if (bytes == 0) return {};
  int result = 0;
  do {
    result = ::fallocate(buffered_fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  // A file system without reservations finds out that it is full when written to.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    return error(errno, "reserving space for");
  }
  return {};
}

Result<void> PosixFile::truncate(std::uint64_t bytes) {
  // Blocks reserved past the end go too, even when the size stays the same.
  int result = 0;
  do {
    result = ::ftruncate(buffered_fd_, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return error(errno, "cutting");
  return {};
}

Result<std::size_t> PosixFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(buffered_fd_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error(errno, "reading");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> PosixFile::write_at(std::uint64_t offset, std::span<iovec> parts) {
  parts = skip_bytes(parts, 0);
  while (!parts.empty()) {
    const int count = static_cast<int>(std::min<std::size_t>(parts.size(), IOV_MAX));
    const ssize_t put = ::pwritev(buffered_fd_, parts.data(), count, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return error(errno, "writing");
    if (put == 0) return error(EIO, "writing (no progress)");
    offset += static_cast<std::uint64_t>(put);
    parts = skip_bytes(parts, static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> PosixFile::sync() {
  // Not repeated on failure: the kernel may have dropped the pages and forgotten the error.
  if (::fdatasync(buffered_fd_) != 0) return error(errno, "syncing");
  return {};
}

void PosixFile::prefetch(std::uint64_t offset, std::uint64_t length) const {
  ::posix_fadvise(buffered_fd_, static_cast<off_t>(offset), static_cast<off_t>(length),
                  POSIX_FADV_WILLNEED);
}

void PosixFile::drop_cache(std::uint64_t offset, std::uint64_t length) {
  ::posix_fadvise(buffered_fd_, static_cast<off_t>(offset), static_cast<off_t>(length),
                  POSIX_FADV_DONTNEED);
}

void PosixFile::tell_when_closed(const std::shared_ptr<ClosedFiles>& closed) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [](const auto& watcher) { return watcher.expired(); });
  for (const auto& watcher : watchers_) {
    if (watcher.lock() == closed) return;
  }
  watchers_.push_back(closed);
}

PosixFile* as_posix_file(File& file) {
  // The class is final, so comparing types does what a dynamic_cast would, at less cost.
  return typeid(file) == typeid(PosixFile) ? static_cast<PosixFile*>(&file) : nullptr;
}

}  // namespace kachel::io
