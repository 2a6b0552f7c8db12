#include "bench/policies/belady.h"

#include <algorithm>
#include <limits>

namespace kachel::policies {

std::vector<std::uint64_t> next_uses(const std::vector<Request>& requests) {
  std::vector<std::uint64_t> next(requests.size(), kNever);
  std::unordered_map<Key, std::uint64_t> following;
  for (std::size_t i = requests.size(); i-- > 0;) {
    const auto [found, is_last] = following.try_emplace(requests[i].key, i);
    if (is_last) continue;
    next[i] = found->second;
    found->second = i;
  }
  return next;
}

Belady::Belady(std::uint64_t capacity_bytes, const Workload& workload, Order order)
    : capacity_bytes_(capacity_bytes), order_(order), next_use_(next_uses(workload.requests)) {}

double Belady::regret_of(const Request& request) const {
  const std::uint64_t next = next_use_[at_ - 1];
  if (next == kNever) return std::numeric_limits<double>::infinity();
  if (order_ == Order::kFarthest) return static_cast<double>(next);
  const double cost = static_cast<double>(std::max<std::uint64_t>(request.cost_micro_usd, 1));
  return static_cast<double>(next - at_ + 1) * static_cast<double>(request.bytes) / cost;
}

void Belady::place(const Request& request) {
  Item& item = items_[request.key];
  item.bytes = request.bytes;
  item.regret = regret_of(request);
  by_regret_.emplace(item.regret, request.key);
}

bool Belady::access(const Request& request) {
  ++at_;
  const auto found = items_.find(request.key);
  if (found == items_.end()) return false;
  by_regret_.erase({found->second.regret, request.key});
  place(request);
  return true;
}

/// It is inserted, and may be what goes.
void Belady::insert(const Request& request) {
  if (request.bytes > capacity_bytes_ || next_use_[at_ - 1] == kNever) return;
  place(request);
  bytes_ += request.bytes;
  while (bytes_ > capacity_bytes_)
    erase(by_regret_.rbegin()->second);
}

void Belady::erase(Key key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  by_regret_.erase({found->second.regret, key});
  bytes_ -= found->second.bytes;
  items_.erase(found);
}

}  // namespace kachel::policies
