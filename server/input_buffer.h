// Bytes of one client that have arrived and not been dealt with: contiguous, grows by what
// arrives (at most doubled), keeps no memory while empty, and zeroes what has been dealt with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "io/zeroizing.h"

namespace kachel::server {

class InputBuffer {
 public:
  InputBuffer() = default;
  ~InputBuffer() { release(); }
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_.get() + begin_, size()}; }

  void consume(std::size_t bytes) {
    zeroize(data_.get() + begin_, bytes);
    begin_ += bytes;
    if (empty()) release();
  }

  /// Room behind the data. `wanted`: the size it will have in the end, when known; it only
  /// keeps the growth from overshooting.
  std::span<char> space(std::size_t wanted) {
    if (capacity_ - end_ < kMinSpaceBytes) make_room(wanted);
    return {data_.get() + end_, capacity_ - end_};
  }
  void commit(std::size_t bytes) { end_ += bytes; }

  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = space(0);
      const std::size_t part = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), part);
      commit(part);
      bytes.remove_prefix(part);
    }
  }

  void release() {
    if (!empty()) zeroize(data_.get() + begin_, size());
    data_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t kMinSpaceBytes = 4 * 1024;
  static constexpr std::size_t kFirstBytes = 16 * 1024;

  void make_room(std::size_t wanted) {
    std::size_t target = std::max(kFirstBytes, size() * 2);
    // Never by little: of a request with many arguments only the next one's end is known.
    if (wanted > size()) {
      target = std::min(target, std::max(wanted + kFirstBytes, size() + size() / 4));
    }
    target = std::max(target, size() + kMinSpaceBytes);
    std::unique_ptr<char[]> fresh(new char[target]);  // not zeroed
    if (!empty()) {
      std::memcpy(fresh.get(), data_.get() + begin_, size());
      zeroize(data_.get() + begin_, size());
    }
    end_ = size();
    begin_ = 0;
    data_ = std::move(fresh);
    capacity_ = target;
  }

  std::unique_ptr<char[]> data_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace kachel::server
