// What an allocation really takes, for accounts that are held against resident memory.
#pragma once

#include <algorithm>
#include <cstddef>

namespace kachel {

/// glibc's malloc: 8 bytes of header, rounded up to 16, at least 32.
constexpr std::size_t malloc_bytes(std::size_t bytes) {
  return std::max<std::size_t>(32, (bytes + 8 + 15) / 16 * 16);
}

}  // namespace kachel
