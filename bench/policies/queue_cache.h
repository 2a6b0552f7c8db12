// LRU and FIFO.
#pragma once

#include <unordered_map>

#include "bench/policies/policy.h"
#include "engine/intrusive_queue.h"

namespace kachel::policies {

/// One queue, evicted from its old end.
class QueueCache final : public Policy {
 public:
  enum class Order : std::uint8_t { kFifo, kLru };
  QueueCache(std::uint64_t capacity_bytes, Order order)
      : capacity_bytes_(capacity_bytes), order_(order) {}

  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override { return items_.contains(key); }
  unsigned heat(Key key) const override;
  std::uint64_t bytes() const override { return queue_.bytes(); }

 private:
  struct Item {
    Key key = 0;
    std::size_t bytes = 0;
    unsigned accesses = 0;
    Item* older = nullptr;
    Item* newer = nullptr;
  };

  std::uint64_t capacity_bytes_;
  Order order_;
  std::unordered_map<Key, Item> items_;
  IntrusiveQueue<Item> queue_;
};

}  // namespace kachel::policies
