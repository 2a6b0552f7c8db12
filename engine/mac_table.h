// A table from MACs to items that know theirs (`Mac mac`). Does not own them.
//
// Open addressing with linear probing, one slot of 16 bytes an item: finding one that is there
// touches one line of the table, mostly, and the item. What is looked for soon can be asked for
// ahead (prefetch), which boost's flat map, with two lines a lookup, has no way to do. Keys are
// keyed MACs: nobody can choose them so that they collide. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/mac.h"

namespace kachel {

template <typename Item>
class MacTable {
 public:
  Item* find(const Mac& mac) const {
    const std::uint64_t tag = mac.high();
    for (std::size_t at = home(tag); !is_free(at); at = next(at))
      if (slots_[at].tag == tag && slots_[at].item->mac == mac) return slots_[at].item;
    return nullptr;
  }
  /// As find(), without looking at the item: it may be another's, whose MAC is half the same.
  Item* find_probable(const Mac& mac) const {
    const std::uint64_t tag = mac.high();
    for (std::size_t at = home(tag); !is_free(at); at = next(at))
      if (slots_[at].tag == tag) return slots_[at].item;
    return nullptr;
  }
  /// A lookup is about to come.
  void prefetch(const Mac& mac) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(mac.high())]);
  }

  /// Of an item that is not in it, and none with its MAC. O(1) amortised.
  void insert(Item& item) {
    if ((size_ + 1) * 3 > slots_.size() * 2) resize(std::max(kLeastSlots, slots_.size() * 2));
    put({item.mac.high(), &item});
    ++size_;
  }

  /// Of an item that is in it.
  void erase(const Item& item) {
    std::size_t hole = home(item.mac.high());
    while (slots_[hole].item != &item)
      hole = next(hole);
    // Whoever was displaced by it moves up, so that no search ends too early.
    for (std::size_t at = next(hole); !is_free(at); at = next(at)) {
      if (distance(home(slots_[at].tag), at) < distance(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --size_;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Gives back the memory of slots that are not needed.
  void shrink_to_fit() {
    std::size_t slots = size_ == 0 ? 0 : kLeastSlots;
    while (slots * 2 < size_ * 3)
      slots *= 2;
    if (slots < slots_.size()) resize(slots);
  }
  void clear() {
    slots_ = {};
    size_ = 0;
  }

  /// In no order, until it says false.
  template <typename Visit>
  void visit(const Visit& wants_more) const {
    for (const Slot& slot : slots_)
      if (slot.item != nullptr && !wants_more(*slot.item)) return;
  }

 private:
  struct Slot {
    std::uint64_t tag = 0;  // Mac::high()
    Item* item = nullptr;   // nullptr: free
  };
  static constexpr std::size_t kLeastSlots = 16;  // a power of two, as all sizes are

 public:
  /// Memory an item takes in a table that has just doubled: of three slots one is in use.
  static constexpr std::size_t kMostBytesEach = 3 * sizeof(Slot);

 private:
  std::size_t mask() const { return slots_.size() - 1; }
  std::size_t home(std::uint64_t tag) const { return static_cast<std::size_t>(tag) & mask(); }
  std::size_t next(std::size_t at) const { return (at + 1) & mask(); }
  std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & mask(); }
  bool is_free(std::size_t at) const { return slots_.empty() || slots_[at].item == nullptr; }

  void put(const Slot& slot) {
    std::size_t at = home(slot.tag);
    while (!is_free(at))
      at = next(at);
    slots_[at] = slot;
  }
  void resize(std::size_t slots) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    for (const Slot& slot : old)
      if (slot.item != nullptr) put(slot);
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace kachel
