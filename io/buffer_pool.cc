#include "io/buffer_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "io/check.h"
#include "io/zeroizing.h"

namespace kachel::io {

namespace {

std::byte* allocate_blocks(std::size_t bytes) {
  void* memory = std::aligned_alloc(kBlockBytes, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

}  // namespace

PooledBuffer& PooledBuffer::operator=(PooledBuffer&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    asked_ = std::exchange(other.asked_, 0);
    index_ = std::exchange(other.index_, -1);
  }
  return *this;
}

void PooledBuffer::release() {
  if (data_ == nullptr) return;
  pool_->release(std::exchange(data_, nullptr), asked_);
  pool_ = nullptr;
  size_ = asked_ = 0;
  index_ = -1;
}

BufferPool::BufferPool(std::size_t buffers, std::size_t buffer_bytes)
    : buffers_(buffers), buffer_bytes_(round_up_to_block(buffer_bytes)) {
  if (buffers_ > 0) block_.reset(allocate_blocks(buffers_ * buffer_bytes_));
  free_.reserve(buffers_);
  for (std::size_t i = buffers_; i > 0; --i)
    free_.push_back(i - 1);
}

BufferPool::~BufferPool() {
  KACHEL_CHECK(outstanding_ == 0, "a read buffer outlived the queue it came from");
}

PooledBuffer BufferPool::acquire(std::size_t bytes) {
  if (bytes <= buffer_bytes_ && !free_.empty()) {
    const std::size_t index = free_.back();
    free_.pop_back();
    ++outstanding_;
    return {this, block_.get() + index * buffer_bytes_, buffer_bytes_, bytes,
            registered_ ? static_cast<int>(index) : -1};
  }
  const std::size_t rounded = round_up_to_block(bytes);
  std::byte* memory = allocate_blocks(rounded);
  ++outstanding_;
  return {this, memory, rounded, bytes, -1};
}

void BufferPool::release(std::byte* data, std::size_t used) {
  --outstanding_;
  zeroize(data, used);
  const std::byte* begin = block_.get();
  if (begin != nullptr && data >= begin && data < begin + buffers_ * buffer_bytes_) {
    free_.push_back(static_cast<std::size_t>(data - begin) / buffer_bytes_);
  } else {
    std::free(data);
  }
}

std::vector<iovec> BufferPool::regions() const {
  std::vector<iovec> regions;
  for (std::size_t i = 0; i < buffers_; ++i) {
    regions.push_back({block_.get() + i * buffer_bytes_, buffer_bytes_});
  }
  return regions;
}

bool BufferPool::contains(int index, const std::byte* data, std::size_t length) const {
  if (index < 0 || static_cast<std::size_t>(index) >= buffers_) return false;
  const std::byte* begin = block_.get() + static_cast<std::size_t>(index) * buffer_bytes_;
  return data >= begin && length <= buffer_bytes_ && data + length <= begin + buffer_bytes_;
}

}  // namespace kachel::io
