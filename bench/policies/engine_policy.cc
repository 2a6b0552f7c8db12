#include "bench/policies/engine_policy.h"

#include <cstring>

#include "bench/policies/spread.h"
#include "engine/malloc_bytes.h"

namespace kachel::policies {
namespace {

Mac mac_of(Key key) {
  const std::uint64_t halves[] = {spread(key), spread(~key)};
  Mac mac;
  std::memcpy(mac.bytes.data(), halves, sizeof halves);
  return mac;
}

HotItem item_of(const Request& request) {
  Entry::Pointer entry = Entry::make(request.value_bytes);
  entry->metadata.cost_micro_usd = request.cost_micro_usd;
  return {std::move(entry), 0, {}};
}

std::uint64_t overhead_bytes() {
  HotShard shard(std::size_t{1} << 20);
  HotItem item{Entry::make(std::size_t{1}), 0, {}};
  const std::size_t footprint_bytes = item.entry->footprint_bytes();
  shard.insert(mac_of(0), std::move(item));
  return shard.bytes() - footprint_bytes;
}

}  // namespace

std::uint64_t hot_bytes_of(std::uint64_t value_bytes) {
  static const std::uint64_t overhead = overhead_bytes();
  return overhead + malloc_bytes(sizeof(Entry) + value_bytes);
}

bool EnginePolicy::access(const Request& request) {
  return shard_.find(mac_of(request.key)) != nullptr;
}

void EnginePolicy::insert(const Request& request) {
  shard_.insert(mac_of(request.key), item_of(request));
}

void EnginePolicy::erase(Key key) {
  shard_.erase(mac_of(key));
}

bool EnginePolicy::contains(Key key) const {
  return shard_.peek(mac_of(key)) != nullptr;
}

unsigned EnginePolicy::heat(Key key) const {
  return shard_.frequency(mac_of(key)).value_or(0);
}

}  // namespace kachel::policies
