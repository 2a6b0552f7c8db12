#include "bench/policies/tiny_lfu.h"

#include <algorithm>

namespace kachel::policies {

TinyLfu::Queue& TinyLfu::queue_of(Part part) {
  if (part == Part::kWindow) return window_;
  return part == Part::kProbation ? probation_ : protected_;
}

void TinyLfu::move(Item& item, Part part) {
  queue_of(item.part).remove(item);
  item.part = part;
  queue_of(part).push(item);
}

bool TinyLfu::access(const Request& request) {
  sketch_.count(request.key);
  const auto found = items_.find(request.key);
  if (found == items_.end()) return false;
  Item& item = found->second;
  move(item, item.part == Part::kWindow ? Part::kWindow : Part::kProtected);
  shrink_protected();
  return true;
}

void TinyLfu::shrink_protected() {
  while (protected_.bytes() > protected_target())
    move(*protected_.oldest(), Part::kProbation);
}

void TinyLfu::insert(const Request& request) {
  if (request.bytes > main_target()) return;
  Item& item = items_[request.key];
  item.key = request.key;
  item.bytes = request.bytes;
  window_.push(item);
  while (window_.bytes() > window_target())
    leave_window();
}

void TinyLfu::leave_window() {
  Item& candidate = *window_.oldest();
  if (!make_room_in_main(candidate)) return erase(candidate.key);
  move(candidate, Part::kProbation);
}

/// Those that are asked for less go one by one, even if the candidate then stumbles over a later
/// one: what it has met is worth less than it is.
bool TinyLfu::make_room_in_main(const Item& candidate) {
  const unsigned wanted = sketch_.estimate(candidate.key);
  while (probation_.bytes() + protected_.bytes() + candidate.bytes > main_target()) {
    const Item& victim = probation_.empty() ? *protected_.oldest() : *probation_.oldest();
    if (sketch_.estimate(victim.key) >= wanted) return false;
    erase(victim.key);
  }
  return true;
}

void TinyLfu::erase(Key key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  queue_of(found->second.part).remove(found->second);
  items_.erase(found);
}

unsigned TinyLfu::heat(Key key) const {
  return items_.contains(key) ? std::max(sketch_.estimate(key), 1U) - 1 : 0;
}

}  // namespace kachel::policies
