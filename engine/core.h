// What the parts of an open store share. Made by Store::open, passed by reference; each part
// says at its top which thread it runs on.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/counters.h"
#include "engine/dictionary_table.h"
#include "engine/fences.h"
#include "engine/holds.h"
#include "engine/hot_set.h"
#include "engine/index.h"
#include "engine/index_debt.h"
#include "engine/log_queue.h"
#include "engine/lookup_pace.h"
#include "engine/options.h"
#include "engine/quotas.h"
#include "engine/reclaim_pace.h"
#include "engine/segment.h"
#include "engine/shard.h"
#include "engine/snapshots.h"
#include "engine/store.h"
#include "engine/store_clock.h"

namespace kachel {

/// How the one memory number is divided. Pure.
struct MemoryPlan {
  std::uint64_t hot_bytes = 0;
  std::uint64_t index_bytes = 0;         // block cache and memtables
  std::uint64_t write_buffer_bytes = 0;  // past it puts are dropped; past half, slowed
  std::uint64_t dictionary_bytes = 0;    // past it none is trained

  static MemoryPlan of(std::uint64_t memory_bytes);
};

/// How the work goes that deadlines rest on. Written by the log thread, read by any.
struct ErasureWork {
  std::atomic<std::int64_t> reclaim_ms{100};  // that a segment takes
  /// And for each KiB written anew. Small entries take some 200 us a KiB: so until it is known.
  std::atomic<std::int64_t> rewrite_us_per_kib{200};
  std::atomic<bool> reclaim_fails{false};  // the last attempt
  std::atomic<bool> sweep_fails{false};
};

struct Core {
  Core(Environment environment, const Options& chosen)
      : env(std::move(environment)), options(chosen), clock(env.clock) {
    erase_within_ms = options.erase_within.count();
  }

  Shard& shard(const Mac& mac) { return shards[shard_of(mac)]; }

  /// Whether the store came with it, as a copy that has yet to learn what was erased since.
  bool came_with_copy(std::uint64_t version) const { return version <= doubtful_through; }
  bool is_doubtful(std::uint64_t version) const {
    return came_with_copy(version) && !follows_source;
  }
  bool is_in_doubt() const { return doubtful_through != 0 && !follows_source; }
  /// Whether reads must not have it, by a fence or for doubt. What is in the hot tier is never in
  /// doubt.
  bool is_refused(Namespace space, std::uint64_t version, const ScopeTags& tags) const {
    return is_doubtful(version) || fences.is_fenced(space, version, tags);
  }

  Environment env;
  Options options;
  format::StoreId store_id{};
  MacKey mac_key{};
  StoreClock clock;
  SegmentTable segments;
  SnapshotTable snapshots{segments};
  DictionaryTable dictionaries;
  FenceTable fences;
  HoldTable holds;
  std::unique_ptr<RowFilter> row_filter;
  std::unique_ptr<Index> index;
  IndexDebt index_debt{clock};
  ErasureWork erasure_work;
  ReadLatency read_latency;
  LookupPace lookup_pace;
  LogQueue queue;
  std::array<Shard, kShards> shards;
  Counters counters;
  LiveCounts live_counts;
  QuotaTable quotas;
  HotSet hot_set;
  std::atomic<std::int64_t> erase_within_ms{0};
  std::atomic<std::uint64_t> memory_bytes{0};
  std::atomic<std::uint64_t> write_buffer_bytes{0};  // bound, from the plan
  std::atomic<std::uint64_t> durable_through{0};
  std::atomic<std::uint64_t> last_fence{0};       // sequence
  std::atomic<std::uint64_t> applied_through{0};  // by the index
  std::atomic<std::uint64_t> last_field{0};       // sequence of a hash field's newest put
  std::atomic<bool> writable{true};               // false after a failed sync: see Log
  /// A copy's: what has a version up to this is not served, for it may have been erased since the
  /// copy was made, and is kept until that is known. 0: nothing is in doubt.
  std::atomic<std::uint64_t> doubtful_through{0};
  /// All the same: its source is asked again and again, and has been a short while ago.
  std::atomic<bool> follows_source{false};
  std::int64_t copied_ms = 0;                       // when that copy was made; set by the start
  std::atomic<std::uint64_t> arriving_segments{0};  // arrivals.h
  std::atomic<unsigned> values_on_pool{0};          // large ones, being compressed
  std::atomic<bool> draining{false};                // puts are not stored any more
  std::atomic<bool> no_room{false};  // a put found the disk full: the next ones need not try
};

/// What a flush of the index says beside the rows. Log thread, or a start.
std::vector<SegmentCounts> books_of(const Core& core);

/// Where::kAnywhere, and notes how long that took.
Lookup find_timed(Core& core, const RowKey& key);

/// Of what is in the segment; unknown where the holds have changed since reclaim looked.
HeldShare held_share_of(const Core& core, const Segment& segment);

/// Counts a record that can't be read where it should be: damage, unless it may yet come.
void note_unreadable(Core& core, const Segment& segment);

/// False: none of the database's hashes has a field. Any thread.
bool may_have_hashes(const Core& core, Namespace space);

/// What is known of a key right now, from memory. The shard's lock is held.
struct Current {
  bool exists = false;  // and is neither expired nor fenced
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0;
  std::uint64_t raw_bytes = 0;
  std::int64_t erase_by_ms = 0;
  Tier tier = Tier::kFlash;
  Entry::Pointer entry;     // when it is in memory
  std::optional<Row> row;   // when the index, or a pending change, says where it lies
  bool needs_disk = false;  // the index can't tell without reading: warm it and ask again
};
Current find_current(Core& core, Shard& shard, Namespace space, const Mac& mac, std::int64_t now_ms,
                     Where where = Where::kMemory);

}  // namespace kachel
