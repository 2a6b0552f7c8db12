// zstd's contexts and dictionaries keep parts of the values they work on: their memory is zeroed
// when it is let go of. Include before <zstd.h>.
#pragma once

#define ZSTD_STATIC_LINKING_ONLY  // for ZSTD_customMem
#include <malloc.h>
#include <new>
#include <zstd.h>

#include "io/zeroizing.h"

namespace kachel {

inline void* allocate_for_zstd(void*, std::size_t bytes) {
  return ::operator new(bytes, std::nothrow);
}
inline void release_of_zstd(void*, void* memory) {
  if (memory == nullptr) return;
  zeroize(memory, ::malloc_usable_size(memory));
  ::operator delete(memory);
}
inline constexpr ZSTD_customMem kZeroizingMemory{allocate_for_zstd, release_of_zstd, nullptr};

}  // namespace kachel
