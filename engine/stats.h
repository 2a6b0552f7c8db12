// The numbers a store gives about itself. Units are in the names; counters count since
// the store was opened.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/erasure_outlook.h"
#include "engine/hot_set.h"

namespace kachel {

struct BucketStats {
  std::uint32_t bucket = 0;
  std::uint64_t lifetime_min_s = 0;  // shortest lifetime placed here; 0 in the last: no expiry
  bool no_expiry = false;
  std::uint64_t open_segments = 0;
  std::uint64_t sealed_segments = 0;
  std::uint64_t bytes = 0;
  bool held = false;  // of what is dead and under a hold
};

/// What a tenant has, and is kept to.
struct TenantUsage {
  std::uint64_t entries = 0;      // live, expired ones not yet reclaimed included
  std::uint64_t bytes = 0;        // of their records on the device
  std::uint64_t quota_bytes = 0;  // 0: no bound of its own
  std::uint64_t evicted_entries = 0;
  std::uint64_t puts_not_stored = 0;  // past the quota
};

struct StartStats {
  bool created = false;  // a new store
  bool clean = false;    // the last stop was in order
  bool index_rebuilt = false;
  std::uint64_t duration_ms = 0;  // until ready to serve
  std::uint64_t replayed_records = 0;
  std::uint64_t replayed_bytes = 0;
  std::uint64_t damaged_records = 0;  // found damaged or missing, and lost
  std::uint64_t damaged_bytes = 0;
  std::uint64_t voided_records = 0;    // past a gap after a power cut: never promised
  std::uint64_t damaged_segments = 0;  // set aside whole: header unreadable or foreign
};

struct Stats {
  // Reads by where they were answered.
  std::uint64_t hot_hits = 0;
  std::uint64_t write_buffer_hits = 0;
  std::uint64_t flash_hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t hot_misses = 0;         // asked of the hot tier and not there
  std::uint64_t flash_misses = 0;       // asked of the index and not there
  std::uint64_t shared_reads = 0;       // flash hits answered by another's read
  std::uint64_t damaged_reads = 0;      // a record failed its checksum: answered as a miss
  std::uint64_t not_arrived_reads = 0;  // a record is still on its way: answered as a miss

  std::uint64_t sets = 0;                 // stored
  std::uint64_t sets_not_stored = 0;      // accepted and dropped under pressure
  std::uint64_t sets_over_quota = 0;      // the same of a tenant that is past its quota
  std::uint64_t sets_while_draining = 0;  // the same while the store is being drained
  std::uint64_t erases = 0;
  std::uint64_t expired = 0;                // entries found expired when read
  std::uint64_t evicted_entries = 0;        // by capacity, with their segment
  std::uint64_t quota_evicted_entries = 0;  // of tenants past their quotas, one by one
  std::uint64_t reinserted_entries = 0;
  std::uint64_t evicted_segments = 0;
  std::uint64_t expired_segments = 0;
  std::uint64_t due_segments = 0;      // reclaimed for what was dead in them
  std::uint64_t overdue_segments = 0;  // of those and the expired ones: after the deadline

  std::uint64_t leases = 0;          // out now
  std::uint64_t leases_granted = 0;  // tokens handed out
  std::uint64_t lease_waits = 0;     // callers who wait for another's fill now
  std::uint64_t lease_retries = 0;   // callers told to ask again
  // Fills refused, by what has become of their lease.
  std::uint64_t fills_refused_erased = 0;   // an erase has come between
  std::uint64_t fills_refused_expired = 0;  // they came too late
  std::uint64_t fills_refused_unknown = 0;  // used, overtaken, another key's, before a restart

  // Erasure debt: what is dead and still on the device.
  std::uint64_t erasure_debt_segments = 0;
  std::uint64_t erasure_debt_bytes = 0;       // dead in those segments
  std::int64_t erasure_next_deadline_ms = 0;  // on the store's clock; 0: nothing is due
  std::uint64_t erasures_pending = 0;         // erases with a receipt, not yet reclaimed
  std::uint64_t erasures_blocked = 0;         // of those, waiting for a hold's release
  std::uint64_t holds = 0;                    // in force
  std::uint64_t held_bytes = 0;               // of dead records kept apart for holds
  std::uint64_t erasures_at_risk = 0;         // deadlines that will not be met as things go
  std::uint64_t erasures_at_risk_bytes = 0;
  std::uint64_t erasures_overdue = 0;  // deadlines that have passed
  ErasureTrouble erasure_trouble = ErasureTrouble::kNone;
  // The same of rows in the index's files.
  std::int64_t index_debt_deadline_ms = 0;
  std::uint64_t index_compactions = 0;  // complete ones: their last one's number
  std::uint64_t index_compactions_failed = 0;
  std::int64_t index_compaction_last_ms = 0;  // when it ended; 0: none yet
  std::int64_t index_compaction_duration_ms = 0;
  std::uint64_t audit_entries = 0;
  std::string audit_error;  // why nothing can be recorded; empty while all is well

  std::uint64_t entries = 0;  // live, expired ones not yet reclaimed included
  std::uint64_t hot_entries = 0;
  std::uint64_t hot_bytes = 0;
  std::uint64_t hot_capacity_bytes = 0;
  std::uint64_t hot_evictions = 0;
  bool warming = false;         // the hot tier is being refilled
  WarmProgress warm;            // how far that is, or has come
  std::uint64_t hot_saves = 0;  // of what the hot tier has, for the next start
  std::uint64_t hot_saves_failed = 0;
  std::uint64_t hot_saved_entries = 0;  // by the last
  std::uint64_t memory_bytes = 0;       // the configured bound
  std::uint64_t capacity_bytes = 0;
  std::uint64_t segment_bytes_on_disk = 0;
  std::uint64_t index_bytes_on_disk = 0;
  std::uint64_t index_memory_bytes = 0;
  std::uint64_t write_buffer_bytes = 0;
  std::uint64_t write_buffer_capacity_bytes = 0;  // from half of it writes should wait

  std::uint64_t raw_bytes = 0;     // values as given, set since open
  std::uint64_t stored_bytes = 0;  // their whole records as written
  std::uint64_t dictionaries = 0;  // in use
  std::uint64_t dictionary_memory_bytes = 0;
  std::uint64_t dictionaries_trained = 0;
  std::uint64_t dictionaries_discarded = 0;  // what they were trained on had died by then
  std::uint64_t reencoded_entries = 0;       // compressed anew by reclaim

  std::uint64_t device_reads = 0;  // operations
  std::uint64_t device_read_bytes = 0;
  std::uint64_t device_writes = 0;
  std::uint64_t device_write_bytes = 0;      // of segments
  std::uint64_t reclaim_write_bytes = 0;     // of those: records that reclaim has written anew
  std::uint64_t index_flush_bytes = 0;       // besides: tables of the index
  std::uint64_t index_compaction_bytes = 0;  // the same, written anew
  std::uint64_t device_syncs = 0;
  std::uint64_t index_lookups = 0;
  std::uint64_t index_pool_lookups = 0;  // might need a disk read, sent to the blocking pool
  std::uint64_t index_flushes = 0;
  std::uint64_t io_errors = 0;
  std::uint64_t io_in_flight = 0;    // reads submitted and not completed, now
  std::uint64_t io_queue_depth = 0;  // of those, how many the rings take at once
  bool draining = false;
  std::uint64_t doubtful_through =
      0;                        // a copy that does not know what was erased since; 0: no doubt
  std::int64_t copied_ms = 0;   // when the copy was made that is in doubt; 0: none is
  bool follows_source = false;  // what is in doubt is served, as its source is asked all the while
  bool is_in_doubt() const { return doubtful_through != 0 && !follows_source; }
  std::uint64_t arriving_segments = 0;  // not all of whose bytes have come yet
  std::uint64_t snapshots = 0;
  std::uint64_t snapshot_own_bytes = 0;      // of segments that only snapshots have
  std::int64_t snapshot_next_expiry_ms = 0;  // 0: there is none
  std::uint64_t snapshots_dropped = 0;       // before their time, for want of room or for damage
  std::uint64_t snapshots_failed = 0;        // not made, or not removed, for an error
  bool writable = true;                      // false after a failed sync or with a full disk

  std::uint64_t last_sequence = 0;
  std::uint64_t durable_through = 0;
  StartStats start;
  std::vector<BucketStats> buckets;
};

}  // namespace kachel
