#include "bench/policies/gdsf.h"

#include <algorithm>
#include <cmath>

namespace kachel::policies {

/// Those of an epoch ago count half.
void Gdsf::age(Item& item) const {
  item.accesses = std::ldexp(item.accesses,
                             -static_cast<int>(std::min<std::uint64_t>(epoch_ - item.epoch, 60)));
  item.epoch = epoch_;
}

void Gdsf::place(Key key, Item& item) {
  item.priority = clock_ + item.accesses * item.cost_per_byte;
  order_.emplace(item.priority, key);
}

bool Gdsf::access(const Request& request) {
  if (options_.halves_after != 0 &&
      ++accesses_in_epoch_ >= options_.halves_after * std::max<std::size_t>(items_.size(), 1)) {
    accesses_in_epoch_ = 0;
    ++epoch_;
  }
  const auto found = items_.find(request.key);
  if (found == items_.end()) return false;
  Item& item = found->second;
  order_.erase({item.priority, request.key});
  age(item);
  item.accesses += 1;
  place(request.key, item);
  return true;
}

void Gdsf::insert(const Request& request) {
  if (request.bytes > capacity_bytes_) return;
  while (bytes_ + request.bytes > capacity_bytes_) {
    clock_ = order_.begin()->first;
    erase(order_.begin()->second);
  }
  Item& item = items_[request.key];
  item.bytes = request.bytes;
  item.cost_per_byte =
      static_cast<double>(request.cost_micro_usd) / static_cast<double>(request.bytes);
  item.epoch = epoch_;
  bytes_ += request.bytes;
  place(request.key, item);
}

void Gdsf::erase(Key key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  order_.erase({found->second.priority, key});
  bytes_ -= found->second.bytes;
  items_.erase(found);
}

unsigned Gdsf::heat(Key key) const {
  const auto found = items_.find(key);
  return found == items_.end() ? 0 : static_cast<unsigned>(found->second.accesses) - 1;
}

}  // namespace kachel::policies
