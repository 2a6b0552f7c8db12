// One read of an entry that is not in memory: index lookup, one direct read on the reader's
// own ring, verification, decompression, promotion. Shared by all who ask for the key
// meanwhile. A small state machine: each step ends by queuing the next.
//
// Threads: steps run on the loop that began the read, lookups that need the disk on the
// blocking pool. `waiters_` is guarded by the shard's lock, and so are changes of `stale_ms_`.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/core.h"

namespace kachel {

class ColdRead : public std::enable_shared_from_this<ColdRead> {
 public:
  ColdRead(Core& core, io::Loop& loop, Namespace space, const Mac& mac, std::string_view key);

  // Under the shard's lock.
  void join(io::Loop& loop, GetHandler handler);
  /// The key has changed: who joined before is answered, nobody joins, nothing is promoted.
  void mark_stale(std::int64_t now_ms);
  bool stale() const { return stale_ms_.load(std::memory_order_acquire) != kFresh; }
  bool located() const { return located_.load(std::memory_order_acquire); }

  /// Begins; the read is in its shard's table. With `row`, where it lies is known already.
  /// Whether it is settled which version it will yield.
  bool start(const std::optional<Row>& row);

 private:
  bool locate();
  void locate_on_pool();
  bool on_lookup(const Lookup& lookup);
  void read(const Row& row);
  void on_read();
  void decode();
  Entry::Pointer decode_entry();
  void finish(Entry::Pointer entry, bool expired = false);
  bool is_expired(const Row& row) const;
  Current what_is_newer(Shard& shard) const;
  static void deliver(Core& core, io::Loop& here,
                      std::vector<std::pair<io::Loop*, GetHandler>> waiters,
                      const std::optional<Found>& found);

  static constexpr std::int64_t kFresh = INT64_MIN;

  Core& core_;
  io::Loop& loop_;
  const Namespace space_;
  const Mac mac_;
  const ZeroizingString key_;
  std::atomic<bool> located_{false};
  std::atomic<std::int64_t> stale_ms_{kFresh};  // since when
  std::vector<std::pair<io::Loop*, GetHandler>> waiters_;

  Row row_;
  SegmentPointer segment_;  // pinned while reading
  io::PooledBuffer buffer_;
  io::IoRequest request_;
  std::int64_t submitted_ns_ = 0;
  std::shared_ptr<ColdRead> self_;  // keeps this alive while the kernel has the buffer
};

}  // namespace kachel
