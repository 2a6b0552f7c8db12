#include "engine/codec.h"

#include <bit>
#include <cstring>
#include <malloc.h>
#include <memory>
#include <new>
#include <string>
#define ZSTD_STATIC_LINKING_ONLY  // for ZSTD_customMem
#include <zstd.h>

namespace kachel {
namespace {

constexpr std::size_t kMinCompressBytes = 64;
// What a thread keeps from one value to the next. A rare large value must not hold its
// memory for ever.
constexpr std::size_t kMaxKeptScratchBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxKeptContextBytes = std::size_t{8} << 20;

// Contexts keep parts of the values they have worked on.
void* allocate(void*, std::size_t bytes) {
  return ::operator new(bytes, std::nothrow);
}
void release(void*, void* memory) {
  if (memory == nullptr) return;
  zeroize(memory, ::malloc_usable_size(memory));
  ::operator delete(memory);
}
constexpr ZSTD_customMem kZeroizingMemory{allocate, release, nullptr};

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* context) const {
    Free(context);
  }
};

struct Compressor {
  std::unique_ptr<ZSTD_CCtx, Freer<ZSTD_freeCCtx>> context;
  std::unique_ptr<std::byte[]> scratch;
  std::size_t scratch_bytes = 0;

  void release_scratch() {
    scratch.reset();
    scratch_bytes = 0;
  }
  void fit_scratch(std::size_t bytes) {
    if (scratch_bytes >= bytes) return;
    release_scratch();
    const std::size_t size = bytes <= kMaxKeptScratchBytes ? std::bit_ceil(bytes) : bytes;
    scratch = std::make_unique_for_overwrite<std::byte[]>(size);
    scratch_bytes = size;
  }
};

Compressor& compressor() {
  thread_local Compressor instance;
  return instance;
}

ZSTD_CCtx* compress_context(Compressor& own) {
  if (!own.context) own.context.reset(ZSTD_createCCtx_advanced(kZeroizingMemory));
  if (!own.context) throw std::bad_alloc();
  return own.context.get();
}

ZSTD_DCtx* decompress_context() {
  thread_local std::unique_ptr<ZSTD_DCtx, Freer<ZSTD_freeDCtx>> context;
  if (!context) context.reset(ZSTD_createDCtx_advanced(kZeroizingMemory));
  if (!context) throw std::bad_alloc();
  return context.get();
}

Error corrupt(const std::string& what) {
  return {ErrorCode::kCorrupt, "damaged value: " + what};
}

Result<void> decompress_zstd(std::span<const std::byte> stored, std::span<std::byte> out) {
  // Both from the frame's header and block headers, without decompressing or allocating.
  if (out.empty() || ZSTD_getFrameContentSize(stored.data(), stored.size()) != out.size()) {
    return corrupt("the frame is not of the size the record states");
  }
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) {
    return corrupt("the frame does not end where the record does");
  }
  const std::size_t size = ZSTD_decompressDCtx(decompress_context(), out.data(), out.size(),
                                               stored.data(), stored.size());
  if (ZSTD_isError(size)) return corrupt(ZSTD_getErrorName(size));
  if (size != out.size()) return corrupt("the frame ends early");
  return {};
}

}  // namespace

Compressed compress(std::span<const std::byte> value, int level) {
  Compressor& own = compressor();
  if (own.scratch_bytes > kMaxKeptScratchBytes) own.release_scratch();
  if (value.size() < kMinCompressBytes) return Compressed(value);
  // With room for one byte less than the value, zstd gives up when nothing is gained.
  const std::size_t room = value.size() - 1;
  own.fit_scratch(room);
  const std::size_t size = ZSTD_compressCCtx(compress_context(own), own.scratch.get(), room,
                                             value.data(), value.size(), level);
  if (ZSTD_sizeof_CCtx(own.context.get()) > kMaxKeptContextBytes) own.context.reset();
  if (ZSTD_isError(size)) {
    zeroize(own.scratch.get(), room);  // as far as it came
    return Compressed(value);
  }
  return {{own.scratch.get(), room}, size};
}

void release_compress_scratch() {
  compressor().release_scratch();
}

Result<void> decompress(format::Codec codec, std::span<const std::byte> stored,
                        std::span<std::byte> out) {
  switch (codec) {
    case format::Codec::kZstd:
      return decompress_zstd(stored, out);
    case format::Codec::kRaw:
      if (stored.size() != out.size()) return corrupt("it is not of the size the record states");
      if (!out.empty()) std::memcpy(out.data(), stored.data(), out.size());
      return {};
  }
  return corrupt("unknown codec");
}

}  // namespace kachel
