// Bytes of one client that have arrived and not been dealt with: contiguous, grows by what
// arrives (at most doubled), keeps no memory while empty, and zeroes what has been dealt with.
// Once it is large it grows where it is, or moves as pages: nothing is copied, and nobody waits for
// that.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

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
  std::string_view view() const { return {data_ + begin_, size()}; }

  void consume(std::size_t bytes);
  /// Room behind the data. `wanted`: the size it will have in the end, when known; it only
  /// keeps the growth from overshooting. Throws std::bad_alloc.
  std::span<char> space(std::size_t wanted) {
    if (capacity_ - end_ < kMinSpaceBytes) make_room(wanted);
    return {data_ + end_, capacity_ - end_};
  }
  void commit(std::size_t bytes) { end_ += bytes; }
  void append(std::string_view bytes);
  void release();

 private:
  static constexpr std::size_t kMinSpaceBytes = 4 * 1024;

  void make_room(std::size_t wanted);
  bool is_mapped() const;

  char* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace kachel::server
