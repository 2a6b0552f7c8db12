// Where this follows the paper, and where not:
//   * "accessed again" is one find() after the insertion. (The paper's text and its code differ
//     by one; with values as dear as completions the lower bar is the better mistake.)
//   * the counter is cleared on the way from small to main, as in the paper;
//   * the ghost queue is as long as the cache has items: those are, once it is warm, nine in ten
//     in main, and it never takes more than the share counted in kItemOverheadBytes;
//   * an item is made room for before it is inserted, so it cannot evict itself.
#include "engine/hot_tier.h"

#include <algorithm>
#include <utility>

#include "engine/ghost_queue.h"
#include "engine/intrusive_queue.h"
#include "engine/mac_table.h"
#include "engine/malloc_bytes.h"

namespace kachel {
namespace {

constexpr std::uint8_t kMaxFrequency = 3;
constexpr std::uint8_t kFrequencyHeat = 0x03;
constexpr std::uint8_t kMainHeat = 0x80;
constexpr std::size_t kSmallShare = 10;   // small's target: a tenth of the capacity
constexpr std::size_t kLargestShare = 2;  // an item of more than half of it is not taken
constexpr std::uint8_t kAnyDatabase = 255;

// As many bytes as a cache line has, and first what a hit looks at.
struct Item {
  Mac mac;
  HotItem hot;
  std::uint8_t frequency = 0;
  bool is_main = false;
  std::uint32_t bytes = 0;
  Item* older = nullptr;
  Item* newer = nullptr;
};
constexpr std::size_t kLineBytes = 64;
static_assert(sizeof(Item) == kLineBytes);

constexpr std::size_t kItemOverheadBytes =
    malloc_bytes(sizeof(Item)) + MacTable<Item>::kMostBytesEach + GhostQueue::kBytesEach;

std::size_t item_bytes(const Entry& entry) {
  return entry.footprint_bytes() + kItemOverheadBytes;
}

bool is_in(Namespace space, Namespace scope) {
  return space.tenant == scope.tenant &&
         (scope.database == kAnyDatabase || space.database == scope.database);
}

void count_access(Item& item) {
  if (item.frequency < kMaxFrequency) ++item.frequency;
}

}  // namespace

struct HotShard::State {
  std::size_t capacity = 0;
  MacTable<Item> map;
  IntrusiveQueue<Item> small;
  IntrusiveQueue<Item> main;
  GhostQueue ghosts;
  std::uint64_t evictions = 0;

  std::size_t bytes() const { return small.bytes() + main.bytes(); }
  IntrusiveQueue<Item>& queue_of(const Item& item) { return item.is_main ? main : small; }

  Item* lookup(const Mac& mac) const { return map.find(mac); }

  void remove(Item& item) {
    queue_of(item).remove(item);
    map.erase(item);
    delete &item;
    ghosts.trim(map.size());
  }

  Item& add(const Mac& mac, HotItem hot, std::size_t bytes, bool is_main) {
    auto item = std::make_unique<Item>();
    item->mac = mac;
    item->hot = std::move(hot);
    item->bytes = static_cast<std::uint32_t>(bytes);
    item->is_main = is_main;
    map.insert(*item);
    queue_of(*item).push(*item);
    return *item.release();
  }

  void replace(Item& item, HotItem hot, std::size_t bytes) {
    item.hot = std::move(hot);
    queue_of(item).resize(item, bytes);
    count_access(item);
    make_room(0);
  }

  // Every turn evicts an item, moves one to main, or uses up an access: O(1) amortised.
  void make_room(std::size_t wanted_bytes) {
    while (!map.empty() && bytes() + wanted_bytes > capacity) {
      if (main.empty() || small.bytes() > capacity / kSmallShare) {
        turn_small();
      } else {
        turn_main();
      }
    }
  }

  void turn_small() {
    Item& item = *small.oldest();
    if (item.frequency > 0) {
      small.remove(item);
      item.is_main = true;
      item.frequency = 0;
      main.push(item);
      return;
    }
    ghosts.add(item.mac.high());
    evict(item);
  }

  void turn_main() {
    Item& item = *main.oldest();
    if (item.frequency == 0) return evict(item);
    --item.frequency;
    main.remove(item);
    main.push(item);
  }

  void evict(Item& item) {
    remove(item);
    ++evictions;
  }

  template <typename Predicate>
  std::size_t erase_if(IntrusiveQueue<Item>& queue, Predicate predicate) {
    std::size_t erased = 0;
    for (Item* item = queue.oldest(); item != nullptr;) {
      Item* const next = item->newer;
      if (predicate(*item)) {
        remove(*item);
        ++erased;
      }
      item = next;
    }
    return erased;
  }
};

HotShard::HotShard(std::size_t capacity_bytes) : state_(std::make_unique<State>()) {
  state_->capacity = capacity_bytes;
}

HotShard::~HotShard() {
  clear();
}

const HotItem* HotShard::find(const Mac& mac) {
  Item* item = state_->lookup(mac);
  if (item == nullptr) return nullptr;
  count_access(*item);
  return &item->hot;
}

void HotShard::prefetch_slot(const Mac& mac) const {
  state_->map.prefetch(mac);
}

void HotShard::prefetch_item(const Mac& mac) const {
  // Of which the last part may lie in the next line.
  const Item* const item = state_->map.find_probable(mac);
  if (item == nullptr) return;
  __builtin_prefetch(item);
  __builtin_prefetch(&item->frequency);
}

void HotShard::prefetch_entry(const Mac& mac) const {
  const Item* const item = state_->map.find_probable(mac);
  if (item != nullptr) item->hot.entry->prefetch();
}

const HotItem* HotShard::peek(const Mac& mac) const {
  const Item* item = state_->lookup(mac);
  return item == nullptr ? nullptr : &item->hot;
}

void HotShard::insert(const Mac& mac, HotItem item) {
  const std::size_t bytes = item_bytes(*item.entry);
  Item* const present = state_->lookup(mac);
  if (bytes > state_->capacity / kLargestShare) {
    if (present != nullptr) state_->remove(*present);
    return;
  }
  if (present != nullptr) return state_->replace(*present, std::move(item), bytes);
  state_->make_room(bytes);
  state_->add(mac, std::move(item), bytes, state_->ghosts.take(mac.high()));
}

bool HotShard::set_expiry(const Mac& mac, std::int64_t expires_at_ms) {
  Item* item = state_->lookup(mac);
  if (item == nullptr) return false;
  item->hot.expires_at_ms = expires_at_ms;
  item->hot.entry->place = Entry::Place();  // its record says another one
  return true;
}

bool HotShard::erase(const Mac& mac) {
  Item* item = state_->lookup(mac);
  if (item == nullptr) return false;
  state_->remove(*item);
  return true;
}

std::size_t HotShard::erase_namespace(Namespace space) {
  const auto is_inside = [space](const Item& item) { return is_in(item.hot.space, space); };
  return state_->erase_if(state_->small, is_inside) + state_->erase_if(state_->main, is_inside);
}

std::size_t HotShard::erase_if(const std::function<bool(const HotItem&)>& is_meant) {
  const auto is_it = [&](const Item& item) { return is_meant(item.hot); };
  return state_->erase_if(state_->small, is_it) + state_->erase_if(state_->main, is_it);
}

void HotShard::visit(const std::function<bool(const Mac&, const HotItem&)>& wants_more) const {
  state_->map.visit([&](const Item& item) { return wants_more(item.mac, item.hot); });
}

void HotShard::visit_heat(
    const std::function<void(const Mac&, const HotItem&, std::uint8_t heat)>& visit) const {
  state_->map.visit([&](const Item& item) {
    visit(item.mac, item.hot,
          static_cast<std::uint8_t>(item.frequency | (item.is_main ? kMainHeat : 0)));
    return true;
  });
}

bool HotShard::is_much_used(std::uint8_t heat) {
  return (heat & kMainHeat) != 0 && (heat & kFrequencyHeat) != 0;
}

bool HotShard::insert_with_heat(const Mac& mac, HotItem item, std::uint8_t heat) {
  const std::size_t bytes = item_bytes(*item.entry);
  const bool fits =
      bytes <= state_->capacity / kLargestShare && state_->bytes() + bytes <= state_->capacity;
  if (!fits || state_->lookup(mac) != nullptr) return false;
  Item& added = state_->add(mac, std::move(item), bytes, (heat & kMainHeat) != 0);
  added.frequency = std::min<std::uint8_t>(heat & kFrequencyHeat, kMaxFrequency);
  return true;
}

std::optional<unsigned> HotShard::frequency(const Mac& mac) const {
  const Item* item = state_->lookup(mac);
  if (item == nullptr) return std::nullopt;
  return item->frequency;
}

void HotShard::set_capacity(std::size_t bytes) {
  const bool is_shrinking = bytes < state_->capacity;
  state_->capacity = bytes;
  if (!is_shrinking) return;
  state_->make_room(0);
  state_->map.shrink_to_fit();
  state_->ghosts.shrink_to_fit();
}

void HotShard::clear() {
  const auto all = [](const Item&) { return true; };
  state_->erase_if(state_->small, all);
  state_->erase_if(state_->main, all);
  state_->ghosts.clear();
  state_->map.clear();
}

std::size_t HotShard::bytes() const {
  return state_->bytes();
}
std::size_t HotShard::capacity() const {
  return state_->capacity;
}
std::size_t HotShard::size() const {
  return state_->map.size();
}
std::uint64_t HotShard::evictions() const {
  return state_->evictions;
}

}  // namespace kachel
