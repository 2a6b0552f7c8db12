// A doubly linked FIFO of items that carry their own links (`Item* older, *newer`), with the
// sum of their `bytes`. Does not own them. Every call is O(1).
#pragma once

#include <cstddef>

namespace kachel {

template <typename Item>
class IntrusiveQueue {
 public:
  bool empty() const { return oldest_ == nullptr; }
  Item* oldest() const { return oldest_; }
  std::size_t bytes() const { return bytes_; }

  void push(Item& item) {
    item.older = newest_;
    item.newer = nullptr;
    (newest_ != nullptr ? newest_->newer : oldest_) = &item;
    newest_ = &item;
    bytes_ += item.bytes;
  }

  void remove(Item& item) {
    (item.older != nullptr ? item.older->newer : oldest_) = item.newer;
    (item.newer != nullptr ? item.newer->older : newest_) = item.older;
    item.older = item.newer = nullptr;
    bytes_ -= item.bytes;
  }

  /// Of an item in this queue.
  void resize(Item& item, std::size_t bytes) {
    bytes_ += bytes - item.bytes;
    item.bytes = static_cast<decltype(item.bytes)>(bytes);
  }

 private:
  Item* oldest_ = nullptr;
  Item* newest_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace kachel
