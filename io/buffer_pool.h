// The block-aligned memory that reads land in. A fixed number of equal buffers lies in one
// block, which a ring can register with the kernel once; what does not fit, or comes when
// all are taken, is allocated for that one use (the caller bounds how much that is).
//
// Owning thread only. Every buffer must be released before the pool (that is, its queue)
// is destroyed; the destructor checks it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "io/file.h"

namespace kachel::io {

class BufferPool {
 public:
  /// `buffer_bytes` is rounded up to a multiple of kBlockBytes.
  BufferPool(std::size_t buffers, std::size_t buffer_bytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  PooledBuffer acquire(std::size_t bytes);

  /// One entry a fixed buffer, in the order of their indexes; for registration.
  std::vector<iovec> regions() const;
  /// From now on buffers carry their index. Call it before the first acquire().
  void set_registered() { registered_ = true; }
  bool registered() const { return registered_; }
  /// Whether [data, data + length) lies in the fixed buffer `index`.
  bool contains(int index, const std::byte* data, std::size_t length) const;

 private:
  friend class PooledBuffer;
  void release(std::byte* data, std::size_t used);

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  std::size_t buffers_;
  std::size_t buffer_bytes_;
  std::unique_ptr<std::byte, Free> block_;
  std::vector<std::size_t> free_;  // indexes; the last released is taken first (warm cache)
  std::size_t outstanding_ = 0;
  bool registered_ = false;
};

}  // namespace kachel::io
