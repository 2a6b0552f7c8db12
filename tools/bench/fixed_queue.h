// A queue of a bounded number of small things, which never allocates after it was made.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

namespace kachel::bench {

template <typename T>
class FixedQueue {
 public:
  explicit FixedQueue(std::size_t capacity) : slots_(std::bit_ceil(capacity)) {}

  bool empty() const { return head_ == tail_; }
  std::size_t size() const { return tail_ - head_; }
  /// Not beyond the capacity: the caller's duty.
  void push(const T& item) { slots_[tail_++ & (slots_.size() - 1)] = item; }
  T pop() { return slots_[head_++ & (slots_.size() - 1)]; }

 private:
  std::vector<T> slots_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace kachel::bench
