// What the device under the data directory costs and asks for, as found on this host: an old disk
// may have come to a new one.
#pragma once

#include <cstdint>
#include <string>

#include "io/error.h"

namespace kachel::server {

struct DeviceProbe {
  std::int64_t sync_us = 0;               // fdatasync of 4 KiB, median of a few
  std::uint32_t direct_bytes = 0;         // direct I/O is in multiples of these; 0: nobody says
  std::uint32_t direct_memory_bytes = 0;  // likewise its buffers in memory
};

/// Writes a file without a name in the directory. Blocking: a few syncs. kIo, kNotFound, kNoSpace,
/// kUnsupported (the file system has no files without names).
Result<DeviceProbe> probe_device(const std::string& directory);

/// "a sync takes 1.31 ms, direct I/O is by 512 B"
std::string describe(const DeviceProbe& probe);

}  // namespace kachel::server
