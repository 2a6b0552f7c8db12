// Compression of values: zstd, one frame a value, with a dictionary or without. Thread-safe:
// contexts are kept per thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/dictionary.h"
#include "engine/format/record.h"
#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel {

class Compressed {
 public:
  explicit Compressed(std::span<const std::byte> value) : bytes(value) {}
  /// `frame`: the first bytes of `scratch`.
  Compressed(format::Codec how, std::span<std::byte> scratch, std::size_t frame)
      : codec(how), bytes(scratch.first(frame)), scratch_(scratch) {}
  ~Compressed() { zeroize(scratch_.data(), scratch_.size()); }
  Compressed(const Compressed&) = delete;
  Compressed& operator=(const Compressed&) = delete;

  const format::Codec codec = format::Codec::kRaw;
  /// The stored form: in a thread-local scratch buffer, which is zeroed by the destructor, or the
  /// value itself when compressing would not make it smaller.
  const std::span<const std::byte> bytes;

 private:
  const std::span<std::byte> scratch_;  // as far as it was used
};
/// Values below 64 bytes and those that do not shrink are stored raw. One Compressed at a time on
/// a thread.
Compressed compress(std::span<const std::byte> value, int level);
Compressed compress(std::span<const std::byte> value, const Dictionary& dictionary, Effort effort);
/// With no Compressed left on this thread. Scratch above 1 MiB is given back by
/// the next compress() anyway; this is for a thread that may not call it again soon.
void release_compress_scratch();

/// `out` is exactly the raw size the record states; `dictionary` is the segment's, if it has one.
/// kCorrupt when the frame is not whole, or yields another size.
Result<void> decompress(format::Codec codec, std::span<const std::byte> stored,
                        std::span<std::byte> out, const Dictionary* dictionary = nullptr);

}  // namespace kachel
