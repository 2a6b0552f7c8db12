#include "io/file_slots.h"

namespace kachel::io {

FileSlots::FileSlots(std::size_t slots) : slots_(slots) {
  for (std::size_t i = slots; i > 0; --i)
    free_.push_back(i - 1);
}

std::optional<std::size_t> FileSlots::find(std::uint64_t file_id) {
  const auto found = by_id_.find(file_id);
  if (found == by_id_.end()) return std::nullopt;
  slots_[found->second].last_used = ++uses_;
  return found->second;
}

std::optional<std::size_t> FileSlots::assign(std::uint64_t file_id) {
  std::size_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (const auto evicted = least_recently_used()) {
    index = *evicted;
    by_id_.erase(slots_[index].file_id);
  } else {
    return std::nullopt;
  }
  slots_[index] = Slot{file_id, ++uses_, 0};
  by_id_.emplace(file_id, index);
  return index;
}

std::optional<std::size_t> FileSlots::release(std::uint64_t file_id) {
  const auto found = by_id_.find(file_id);
  if (found == by_id_.end()) return std::nullopt;
  const std::size_t index = found->second;
  by_id_.erase(found);
  slots_[index] = Slot{};
  free_.push_back(index);
  return index;
}

std::optional<std::size_t> FileSlots::least_recently_used() const {
  // A scan of the table; it happens only when more files are open than there are slots.
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].in_flight > 0) continue;
    if (!best || slots_[i].last_used < slots_[*best].last_used) best = i;
  }
  return best;
}

}  // namespace kachel::io
