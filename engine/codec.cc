#include "engine/codec.h"

#include <bit>
#include <cstring>
#include <memory>
#include <string>

#include "engine/zstd_memory.h"

namespace kachel {
namespace {

constexpr std::size_t kMinCompressBytes = 64;
// What a thread keeps from one value to the next. A rare large value must not hold its
// memory for ever.
constexpr std::size_t kMaxKeptScratchBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxKeptContextBytes = std::size_t{8} << 20;

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

Result<void> decompress_zstd(std::span<const std::byte> stored, std::span<std::byte> out,
                             const ZSTD_DDict* dictionary) {
  // Both from the frame's header and block headers, without decompressing or allocating.
  if (out.empty() || ZSTD_getFrameContentSize(stored.data(), stored.size()) != out.size()) {
    return corrupt("the frame is not of the size the record states");
  }
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) {
    return corrupt("the frame does not end where the record does");
  }
  const std::size_t size = ZSTD_decompress_usingDDict(decompress_context(), out.data(), out.size(),
                                                      stored.data(), stored.size(), dictionary);
  if (ZSTD_isError(size)) return corrupt(ZSTD_getErrorName(size));
  if (size != out.size()) return corrupt("the frame ends early");
  return {};
}

/// What zstd says when called with the context, where to and how much room: at most the value's
/// size less one, so that it gives up when nothing is gained.
template <typename Call>
Compressed compress_with(std::span<const std::byte> value, format::Codec codec, Call call) {
  Compressor& own = compressor();
  if (own.scratch_bytes > kMaxKeptScratchBytes) own.release_scratch();
  if (value.size() < kMinCompressBytes) return Compressed(value);
  const std::size_t room = value.size() - 1;
  own.fit_scratch(room);
  const std::size_t size = call(compress_context(own), own.scratch.get(), room);
  if (ZSTD_sizeof_CCtx(own.context.get()) > kMaxKeptContextBytes) own.context.reset();
  if (ZSTD_isError(size)) {
    zeroize(own.scratch.get(), room);  // as far as it came
    return Compressed(value);
  }
  return {codec, {own.scratch.get(), room}, size};
}

}  // namespace

Compressed compress(std::span<const std::byte> value, int level) {
  return compress_with(
      value, format::Codec::kZstd, [&](ZSTD_CCtx* context, std::byte* to, std::size_t room) {
        return ZSTD_compressCCtx(context, to, room, value.data(), value.size(), level);
      });
}

Compressed compress(std::span<const std::byte> value, const Dictionary& dictionary, Effort effort) {
  return compress_with(value, format::Codec::kZstdDictionary,
                       [&](ZSTD_CCtx* context, std::byte* to, std::size_t room) {
                         // The frame need not name it: the segment does.
                         ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
                         ZSTD_CCtx_refCDict(context, dictionary.compressor(effort));
                         const std::size_t size =
                             ZSTD_compress2(context, to, room, value.data(), value.size());
                         ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
                         return size;
                       });
}

void release_compress_scratch() {
  compressor().release_scratch();
}

Result<void> decompress(format::Codec codec, std::span<const std::byte> stored,
                        std::span<std::byte> out, const Dictionary* dictionary) {
  switch (codec) {
    case format::Codec::kZstd:
      return decompress_zstd(stored, out, nullptr);
    case format::Codec::kZstdDictionary:
      if (dictionary == nullptr) return corrupt("its dictionary is missing");
      return decompress_zstd(stored, out, dictionary->decompressor());
    case format::Codec::kRaw:
      if (stored.size() != out.size()) return corrupt("it is not of the size the record states");
      if (!out.empty()) std::memcpy(out.data(), stored.data(), out.size());
      return {};
  }
  return corrupt("unknown codec");
}

}  // namespace kachel
