#include "server/device_probe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/descriptor.h"

namespace kachel::server {
namespace {

constexpr std::size_t kSyncs = 5;
constexpr std::size_t kBlock = 4096;

}  // namespace

Result<DeviceProbe> probe_device(const std::string& directory) {
  const io::Descriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.get() < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    return Error{ErrorCode::kUnsupported, "the file system has no files without names"};
  }
  if (file.get() < 0) return os_error(errno, directory);
  DeviceProbe probe;
  static constexpr std::array<std::byte, kBlock> kZeros{};
  std::array<std::int64_t, kSyncs> took{};
  for (std::size_t i = 0; i < kSyncs; ++i) {
    const auto began = std::chrono::steady_clock::now();
    const ssize_t wrote =
        ::pwrite(file.get(), kZeros.data(), kZeros.size(), static_cast<off_t>(i * kBlock));
    if (wrote < 0) return os_error(errno, "writing in " + directory);
    if (::fdatasync(file.get()) != 0) return os_error(errno, "syncing in " + directory);
    const auto passed = std::chrono::steady_clock::now() - began;
    took[i] = std::chrono::duration_cast<std::chrono::microseconds>(passed).count();
  }
  std::sort(took.begin(), took.end());
  probe.sync_us = took[kSyncs / 2];
#ifdef STATX_DIOALIGN
  struct statx found {};
  if (::statx(file.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) == 0 &&
      (found.stx_mask & STATX_DIOALIGN) != 0) {
    probe.direct_bytes = found.stx_dio_offset_align;
    probe.direct_memory_bytes = found.stx_dio_mem_align;
  }
#endif
  return probe;
}

std::string describe(const DeviceProbe& probe) {
  std::string text =
      fmt::format("a sync takes {:.2f} ms", static_cast<double>(probe.sync_us) / 1000);
  if (probe.direct_bytes != 0) text += fmt::format(", direct I/O is by {} B", probe.direct_bytes);
  return text;
}

}  // namespace kachel::server
