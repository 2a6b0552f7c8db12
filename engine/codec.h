// Compression of values: zstd, one frame a value, without dictionary. Thread-safe: contexts
// are kept per thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/format/record.h"
#include "io/error.h"

namespace kachel {

struct Compressed {
  format::Codec codec = format::Codec::kRaw;
  /// The stored form: into a thread-local scratch buffer, valid until the thread's next
  /// compress(), or the value itself when compressing would not make it smaller.
  std::span<const std::byte> bytes;
};
/// Values below 64 bytes and those that do not shrink are stored raw.
Compressed compress(std::span<const std::byte> value, int level);
/// Ends the validity of this thread's last compress(). Scratch above 1 MiB is given back by
/// the next compress() anyway; this is for a thread that may not call it again soon.
void release_compress_scratch();

/// `out` is exactly the raw size the record states. kCorrupt when the frame is not whole,
/// or yields another size.
Result<void> decompress(format::Codec codec, std::span<const std::byte> stored,
                        std::span<std::byte> out);

}  // namespace kachel
