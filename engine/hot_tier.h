// One shard of the hot tier: S3-FIFO (Yang et al., SOSP '23) over entries, weighted by
// bytes. Not thread-safe: its owner holds the shard's lock. Pure logic, no I/O.
//
// Small queue (10% of the bytes) -> main queue on a second access; a ghost queue remembers
// MACs that left the small queue without one, and sends them straight to main when they come
// back. A hit only sets a counter of two bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "engine/entry.h"
#include "engine/mac.h"

namespace kachel {

/// An entry, and what is asked of it without looking inside.
struct HotItem {
  Entry::Pointer entry;
  std::int64_t expires_at_ms = 0;  // 0: never
  Namespace space;
};

class HotShard {
 public:
  explicit HotShard(std::size_t capacity_bytes);
  ~HotShard();
  HotShard(const HotShard&) = delete;
  HotShard& operator=(const HotShard&) = delete;

  /// The item, counted as an access; nullptr when absent. The pointer is valid until the
  /// next call. Does not look at the expiry: the caller does, and erases.
  const HotItem* find(const Mac& mac);
  // A find() of this MAC is about to come: what it will touch is fetched into the processor's
  // cache, each in its turn, as the next lies where the one before says. Nothing is waited for.
  void prefetch_slot(const Mac& mac) const;
  void prefetch_item(const Mac& mac) const;
  void prefetch_entry(const Mac& mac) const;
  /// As find(), not counted as an access.
  const HotItem* peek(const Mac& mac) const;
  /// Inserts or replaces (a replacement keeps its place and counts as an access). An entry
  /// above half the capacity is not taken; what it replaces is removed all the same.
  void insert(const Mac& mac, HotItem item);
  /// False when absent.
  bool set_expiry(const Mac& mac, std::int64_t expires_at_ms);
  bool erase(const Mac& mac);
  /// Erases every item of the namespace (`database` 255: all of the tenant's).
  std::size_t erase_namespace(Namespace space);
  /// Erases every item of which this is true.
  std::size_t erase_if(const std::function<bool(const HotItem&)>& is_meant);
  /// Items in no order, until it says false.
  void visit(const std::function<bool(const Mac&, const HotItem&)>& wants_more) const;
  /// The same with how much each is used, for insert_with_heat() in another process.
  void visit_heat(
      const std::function<void(const Mac&, const HotItem&, std::uint8_t heat)>& visit) const;
  static bool is_much_used(std::uint8_t heat);
  /// As it was there before: true unless it is there already, or there is no room without evicting.
  bool insert_with_heat(const Mac& mac, HotItem item, std::uint8_t heat);
  /// Accesses since insertion, 0..3; nothing when absent.
  std::optional<unsigned> frequency(const Mac& mac) const;

  /// Evicts down to the new capacity at once when it shrinks.
  void set_capacity(std::size_t bytes);
  void clear();

  std::size_t bytes() const;  // entries' footprints plus this shard's per-item overhead
  std::size_t capacity() const;
  std::size_t size() const;  // items
  std::uint64_t evictions() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kachel
