#include "bench/policies/queue_cache.h"

namespace kachel::policies {

bool QueueCache::access(const Request& request) {
  const auto found = items_.find(request.key);
  if (found == items_.end()) return false;
  Item& item = found->second;
  ++item.accesses;
  if (order_ == Order::kLru) {
    queue_.remove(item);
    queue_.push(item);
  }
  return true;
}

void QueueCache::insert(const Request& request) {
  if (request.bytes > capacity_bytes_) return;
  while (queue_.bytes() + request.bytes > capacity_bytes_)
    erase(queue_.oldest()->key);
  Item& item = items_[request.key];
  item.key = request.key;
  item.bytes = request.bytes;
  queue_.push(item);
}

void QueueCache::erase(Key key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return;
  queue_.remove(found->second);
  items_.erase(found);
}

unsigned QueueCache::heat(Key key) const {
  const auto found = items_.find(key);
  return found == items_.end() ? 0 : found->second.accesses;
}

}  // namespace kachel::policies
