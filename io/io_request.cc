#include "io/io_request.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include "io/posix_file.h"

namespace kachel::io {

namespace {

/// One device read of the next part of the request: bytes, 0 at the end, or -errno.
ssize_t read_part(const PosixFile& file, const IoRequest& request) {
  const std::size_t left = request.length - request.transferred;
  const std::uint64_t offset = request.offset + request.transferred;
  // A direct read that stopped inside a block has met the end of the file; the rest would
  // start unaligned and be refused.
  if (file.is_direct() && offset % kBlockBytes != 0) return 0;
  for (;;) {
    const ssize_t got = ::pread(file.read_fd(), request.data + request.transferred,
                                std::min(left, kMaxIoBytes), static_cast<off_t>(offset));
    if (got >= 0) return got;
    if (errno != EINTR) return -errno;
  }
}

ssize_t read_part(const File& file, const IoRequest& request) {
  const std::size_t left = std::min(request.length - request.transferred, kMaxIoBytes);
  const auto got = file.read_at(request.offset + request.transferred,
                                {request.data + request.transferred, left});
  return got ? static_cast<ssize_t>(*got) : -errno_of(got.error());
}

template <typename AnyFile>
void read_all(const AnyFile& file, IoRequest& request, AtomicIoCounters& counters) {
  while (request.transferred < request.length) {
    const ssize_t got = read_part(file, request);
    if (got < 0) {
      request.error = static_cast<int>(-got);
      return;
    }
    counters.count_read(static_cast<std::uint64_t>(got));
    if (got == 0) return;
    request.transferred += static_cast<std::size_t>(got);
  }
}

void sync(IoRequest& request, AtomicIoCounters& counters) {
  const auto synced = request.file->sync();
  if (!synced) request.error = errno_of(synced.error());
  counters.count_sync();
}

}  // namespace

bool is_aligned(const IoRequest& request) {
  const auto address = reinterpret_cast<std::uintptr_t>(request.data);
  return request.offset % kBlockBytes == 0 && request.length % kBlockBytes == 0 &&
         address % kBlockBytes == 0;
}

int errno_of(const Error& error) {
  if (error.os_error != 0) return error.os_error;
  return error.code == ErrorCode::kNoSpace ? ENOSPC : EIO;
}

void execute(IoRequest& request, AtomicIoCounters& counters) {
  request.transferred = 0;
  request.error = 0;
  if (request.op == IoOp::kSync) {
    sync(request, counters);
  } else if (!is_aligned(request)) {
    request.error = EINVAL;
  } else if (const PosixFile* posix = as_posix_file(*request.file)) {
    read_all(*posix, request, counters);
  } else {
    read_all(*request.file, request, counters);
  }
  if (request.error != 0) counters.count_error();
}

}  // namespace kachel::io
