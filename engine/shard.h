// One of the store's shards by MAC: all that must change together for a key, under one lock.
// What a read finds first: hot tier, write buffer (pending), then reads under way, then the
// index.
//
// Invariants, under the lock:
//   * hot and pending hold only current versions: a change of a key updates both in the same
//     critical section in which it takes its place in the log;
//   * a key is pending from its append until the index knows all of its records;
//   * a read under way is marked stale when its key changes, and then neither enters the hot
//     tier nor answers reads that came after the change;
//   * a key is leased only while nothing is there: a put ends the lease, and so does an erase.
// Lock order: shard -> the fences' gate -> log queue. Never two shards at once.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/entry.h"
#include "engine/hot_tier.h"
#include "engine/index.h"
#include "engine/leases.h"
#include "engine/mac.h"

namespace kachel {

class ColdRead;

struct Pending {
  std::uint64_t last_sequence = 0;  // of the key's newest record
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0;
  std::uint64_t raw_bytes = 0;
  bool erased = false;
  Entry::Pointer entry;    // nullptr: erased, or only the expiry of a cold entry changed
  std::optional<Row> row;  // where the value lies, when `entry` is not here

  const ScopeTags& tags() const {
    static const ScopeTags none;
    if (entry) return entry->tags;
    return row ? row->tags : none;
  }
};

/// Keys changed while the hot tier is refilled: what was looked up before may be another by now.
class ChangedKeys {
 public:
  void note(const Mac& mac) {
    if (keys_.size() < kMost) keys_.insert(mac);
  }
  bool is_surely_not(const Mac& mac) const { return keys_.size() < kMost && !keys_.contains(mac); }
  void clear() { keys_ = {}; }

 private:
  static constexpr std::size_t kMost = 16 * 1024;  // with so many, any may be
  boost::unordered_flat_set<Mac, MacHash> keys_;
};

struct Shard {
  mutable std::mutex mutex;
  HotShard hot{0};
  boost::unordered_flat_map<Mac, Pending, MacHash> pending;
  boost::unordered_flat_map<Mac, std::shared_ptr<ColdRead>, MacHash> reads;
  LeaseTable leases;
  ChangedKeys changed;
  std::uint64_t last_erase = 0;  // sequence: what is absent may owe it to a record up to this one
};

inline constexpr std::size_t kShards = 64;

inline std::size_t shard_of(const Mac& mac) {
  return (mac.high() >> 32) % kShards;  // other bits than those that place it within the shard
}

}  // namespace kachel
