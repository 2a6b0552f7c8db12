#include "engine/holds.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace kachel {
namespace {

template <typename Map>
void subtract(Map& map, const typename Map::key_type& key) {
  const auto found = map.find(key);
  if (found != map.end() && --found->second == 0) map.erase(found);
}

}  // namespace

HoldId hold_id(const Mac& mac) {
  HoldId id{};
  static_assert(sizeof id == sizeof mac.bytes);
  std::memcpy(&id, mac.bytes.data(), sizeof id);
  return id;
}

Mac mac_of(const HoldId& id) {
  Mac mac;
  std::memcpy(mac.bytes.data(), &id, sizeof id);
  return mac;
}

void HoldTable::place(const Hold& hold) {
  const std::unique_lock lock(mutex_);
  if (leaving_.contains(hold.id) || !holds_.try_emplace(hold.id, hold).second) return;
  if (is_scope(hold.space)) {
    ++subjects_[tag_of(hold.scope)];
  } else {
    ++tenants_[hold.space.tenant];
  }
  any_.store(true, std::memory_order_release);
  placed_.fetch_add(1, std::memory_order_acq_rel);
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

bool HoldTable::release(const Mac& id) {
  const std::unique_lock lock(mutex_);
  const auto found = holds_.find(id);
  if (found == holds_.end()) return false;
  drop(found);
  leaving_.insert(id);
  return true;
}

bool HoldTable::forget(const Mac& id) {
  const std::unique_lock lock(mutex_);
  const bool was_released = leaving_.erase(id) != 0;
  if (const auto found = holds_.find(id); found != holds_.end()) drop(found);
  return was_released;
}

void HoldTable::drop(std::map<Mac, Hold>::iterator hold) {
  if (is_scope(hold->second.space)) {
    subtract(subjects_, tag_of(hold->second.scope));
  } else {
    subtract(tenants_, hold->second.space.tenant);
  }
  holds_.erase(hold);
  any_.store(!holds_.empty(), std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

bool HoldTable::look(std::uint32_t tenant, const ScopeTags& tags) const {
  const std::shared_lock lock(mutex_);
  if (tenants_.contains(tenant)) return true;
  return std::any_of(tags.begin(), tags.end(),
                     [&](ScopeTag tag) { return subjects_.contains(tag); });
}

std::optional<Hold> HoldTable::find(const Mac& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = holds_.find(id);
  if (found == holds_.end()) return std::nullopt;
  return found->second;
}

std::vector<Hold> HoldTable::all() const {
  const std::shared_lock lock(mutex_);
  std::vector<Hold> all;
  all.reserve(holds_.size());
  for (const auto& [id, hold] : holds_)
    all.push_back(hold);
  return all;
}

std::size_t HoldTable::size() const {
  const std::shared_lock lock(mutex_);
  return holds_.size();
}

}  // namespace kachel
