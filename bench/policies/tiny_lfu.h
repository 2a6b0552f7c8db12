// W-TinyLFU (Einziger et al. '17), by bytes: a window (LRU) of a hundredth, and a main part
// (segmented LRU) into which what leaves the window comes only if it was asked for more often
// than each of those that would have to go for it.
#pragma once

#include <unordered_map>

#include "bench/policies/frequency_sketch.h"
#include "bench/policies/policy.h"
#include "engine/intrusive_queue.h"

namespace kachel::policies {

class TinyLfu final : public Policy {
 public:
  /// `entries`: about how many fit in, for the size of the sketch.
  TinyLfu(std::uint64_t capacity_bytes, std::uint64_t entries)
      : capacity_bytes_(capacity_bytes), sketch_(entries) {}

  bool access(const Request& request) override;
  void insert(const Request& request) override;
  void erase(Key key) override;
  bool contains(Key key) const override { return items_.contains(key); }
  unsigned heat(Key key) const override;
  std::uint64_t bytes() const override {
    return window_.bytes() + probation_.bytes() + protected_.bytes();
  }

 private:
  enum class Part : std::uint8_t { kWindow, kProbation, kProtected };
  struct Item {
    Key key = 0;
    std::size_t bytes = 0;
    Part part = Part::kWindow;
    Item* older = nullptr;
    Item* newer = nullptr;
  };
  using Queue = IntrusiveQueue<Item>;

  std::uint64_t window_target() const { return capacity_bytes_ / 100; }
  std::uint64_t main_target() const { return capacity_bytes_ - window_target(); }
  std::uint64_t protected_target() const { return main_target() / 5 * 4; }
  Queue& queue_of(Part part);
  void move(Item& item, Part part);
  void leave_window();
  bool make_room_in_main(const Item& candidate);
  void shrink_protected();

  std::uint64_t capacity_bytes_;
  FrequencySketch sketch_;
  std::unordered_map<Key, Item> items_;
  Queue window_;
  Queue probation_;
  Queue protected_;
};

}  // namespace kachel::policies
