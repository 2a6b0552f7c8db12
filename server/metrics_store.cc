// Numbers of the engine: everything in engine/stats.h.
#include <algorithm>
#include <fmt/format.h>

#include "server/metrics.h"

namespace kachel::server {
namespace {

constexpr double kMsPerSecond = 1e3;

double seconds(std::int64_t ms) {
  return static_cast<double>(ms) / kMsPerSecond;
}

void write_reads(MetricWriter& out, const Stats& s) {
  out.counter("kachel_engine_hits_total",
              "Reads answered by the engine, by tier; of all tenants, and those that serve nobody "
              "(KACHEL.META) too.");
  out.sample(s.hot_hits, {{"tier", "hot"}});
  out.sample(s.write_buffer_hits, {{"tier", "write_buffer"}});
  out.sample(s.flash_hits, {{"tier", "flash"}});
  out.counter("kachel_engine_misses_total", "The same of what is not there.", s.misses);
  out.counter("kachel_tier_misses_total", "Asked of a tier and not there.");
  out.sample(s.hot_misses, {{"tier", "hot"}});
  out.sample(s.flash_misses, {{"tier", "flash"}});
  out.counter("kachel_shared_reads_total", "Hits of the flash tier answered by another's read.",
              s.shared_reads);
  out.counter("kachel_damaged_reads_total",
              "Records that failed their checksums: answered as misses.", s.damaged_reads);
  out.counter("kachel_not_arrived_reads_total",
              "Records that are still being copied from another store: answered as misses.",
              s.not_arrived_reads);
}

void write_writes(MetricWriter& out, const Stats& s) {
  out.counter("kachel_engine_sets_total", "Values stored by the engine.", s.sets);
  out.counter("kachel_engine_erases_total", "Keys erased.", s.erases);
  out.counter("kachel_value_bytes_total", "Bytes of values stored, as given.", s.raw_bytes);
  out.counter("kachel_stored_bytes_total", "Bytes of their whole records, as written.",
              s.stored_bytes);
  out.gauge("kachel_dictionaries", "Compression dictionaries in use.", s.dictionaries);
  out.gauge("kachel_dictionary_memory_bytes", "Memory of dictionaries, in bytes.",
            s.dictionary_memory_bytes);
  out.counter("kachel_dictionaries_trained_total", "Dictionaries trained.", s.dictionaries_trained);
  out.counter("kachel_dictionaries_discarded_total",
              "Dictionaries thrown away: what they were trained on had died by then.",
              s.dictionaries_discarded);
  out.counter("kachel_reencoded_entries_total", "Entries compressed anew by reclaim.",
              s.reencoded_entries);
}

void write_reclaim(MetricWriter& out, const Stats& s) {
  out.counter("kachel_evictions_total", "Entries that left a tier, by tier and reason.");
  out.sample(s.hot_evictions, {{"tier", "hot"}, {"reason", "capacity"}});
  out.sample(s.evicted_entries, {{"tier", "flash"}, {"reason", "capacity"}});
  out.sample(s.quota_evicted_entries, {{"tier", "flash"}, {"reason", "tenant_capacity"}});
  out.sample(s.expired, {{"tier", "flash"}, {"reason", "expired_when_read"}});
  out.counter("kachel_segments_reclaimed_total", "Segments removed, by reason.");
  out.sample(s.evicted_segments, {{"reason", "capacity"}});
  out.sample(s.expired_segments, {{"reason", "expired"}});
  out.sample(s.due_segments, {{"reason", "erasure_due"}});
  out.counter("kachel_segments_overdue_total",
              "Segments removed after the deadline of something dead in them.", s.overdue_segments);
  out.counter("kachel_reinserted_entries_total",
              "Entries that reclaim has moved on instead of evicting them.", s.reinserted_entries);
}

void write_leases(MetricWriter& out, const Stats& s) {
  out.gauge("kachel_leases", "Leases out now.", s.leases);
  out.counter("kachel_leases_granted_total", "Leases handed out.", s.leases_granted);
  out.gauge("kachel_lease_waits", "Callers that wait for another's value now.", s.lease_waits);
  out.counter("kachel_lease_retries_total", "Callers told to ask again.", s.lease_retries);
}

/// Seconds from now, negative once it has passed; nothing where nothing is due.
void write_deadline(MetricWriter& out, std::string name, std::string help, std::int64_t deadline_ms,
                    std::int64_t now_ms) {
  out.gauge(std::move(name), std::move(help));
  out.sample(deadline_ms == 0 ? std::numeric_limits<double>::infinity()
                              : seconds(deadline_ms - now_ms));
}

void write_erasure(MetricWriter& out, const Stats& s, std::int64_t now_ms) {
  out.gauge("kachel_erasure_debt_bytes", "Bytes of what is dead and still on the device.",
            s.erasure_debt_bytes);
  out.gauge("kachel_erasure_debt_segments", "Segments they are in.", s.erasure_debt_segments);
  write_deadline(out, "kachel_erasure_deadline_seconds",
                 "Until the earliest deadline of what is dead; negative once it has passed, +Inf "
                 "when nothing is due.",
                 s.erasure_next_deadline_ms, now_ms);
  out.gauge("kachel_erasures_pending", "Erases with a receipt of which bytes are left.",
            s.erasures_pending);
  out.gauge("kachel_erasures_blocked", "Of those, waiting for the release of a hold.",
            s.erasures_blocked);
  out.gauge("kachel_erasures_at_risk", "Deadlines that will not be met as things go.",
            s.erasures_at_risk);
  out.gauge("kachel_erasures_at_risk_bytes", "Bytes dead in their segments.",
            s.erasures_at_risk_bytes);
  out.gauge("kachel_erasures_overdue", "Deadlines that have passed and are not met.",
            s.erasures_overdue);
  out.gauge("kachel_erasure_alarm", "1 while deadlines are at risk, by cause; 0 without a cause.");
  out.sample(s.erasure_trouble == ErasureTrouble::kNone ? 0 : 1,
             {{"cause", describe(s.erasure_trouble)}});
  out.gauge("kachel_holds", "Holds in force.", s.holds);
  out.gauge("kachel_held_bytes", "Bytes of segments with what is dead and held.", s.held_bytes);
  out.counter("kachel_audit_entries_total", "Entries of the audit log.", s.audit_entries);
  out.gauge("kachel_audit_failed", "1 while nothing can be recorded in the audit log.",
            s.audit_error.empty() ? 0 : 1);
}

void write_index(MetricWriter& out, const Stats& s, std::int64_t now_ms) {
  write_deadline(out, "kachel_index_deadline_seconds",
                 "Until rows of what is dead must have left the index's files; +Inf when there "
                 "are none.",
                 s.index_debt_deadline_ms, now_ms);
  out.counter("kachel_index_compactions_total", "Compactions of all of the index, for that.",
              s.index_compactions);
  out.counter("kachel_index_compactions_failed_total", "Of those, the ones that failed.",
              s.index_compactions_failed);
  out.gauge("kachel_index_compaction_last_seconds",
            "When the last one ended, in Unix seconds; 0: none yet.",
            seconds(s.index_compaction_last_ms));
  out.gauge("kachel_index_compaction_duration_seconds", "What it took.",
            seconds(s.index_compaction_duration_ms));
  out.counter("kachel_index_lookups_total", "Lookups in the index.", s.index_lookups);
  out.counter(
      "kachel_index_pool_lookups_total",
      "Of those, the ones that went to another thread, as they might have waited for the disk.",
      s.index_pool_lookups);
  out.counter("kachel_index_flushes_total", "Flushes of the index.", s.index_flushes);
}

void write_memory(MetricWriter& out, const Stats& s) {
  out.gauge("kachel_entries", "Live entries, expired ones not yet reclaimed included.", s.entries);
  out.gauge("kachel_hot_entries", "Entries in the hot tier.", s.hot_entries);
  out.gauge("kachel_hot_bytes", "Bytes of the hot tier.", s.hot_bytes);
  out.gauge("kachel_hot_capacity_bytes", "Bound of the hot tier.", s.hot_capacity_bytes);
  out.gauge("kachel_memory_bytes", "The configured bound of all memory.", s.memory_bytes);
  out.gauge("kachel_index_memory_bytes", "Memory of the index.", s.index_memory_bytes);
  out.gauge("kachel_write_buffer_bytes", "Bytes waiting to be written.", s.write_buffer_bytes);
  out.gauge("kachel_write_buffer_capacity_bytes",
            "Bound of the write buffers: from half of it clients are slowed, past it values are "
            "dropped.",
            s.write_buffer_capacity_bytes);
}

void write_device(MetricWriter& out, const Stats& s) {
  out.gauge("kachel_capacity_bytes", "The configured bound of the bytes on disk.",
            s.capacity_bytes);
  out.gauge("kachel_disk_bytes", "Bytes on disk, by part.");
  out.sample(s.segment_bytes_on_disk, {{"part", "segments"}});
  out.sample(s.index_bytes_on_disk, {{"part", "index"}});
  out.counter("kachel_device_reads_total", "Reads of the device.", s.device_reads);
  out.counter("kachel_device_read_bytes_total", "Bytes of them.", s.device_read_bytes);
  out.counter("kachel_device_writes_total", "Writes of segments.", s.device_writes);
  out.counter("kachel_device_write_bytes_total", "Bytes written, by cause.");
  const std::uint64_t moved = std::min(s.reclaim_write_bytes, s.device_write_bytes);
  out.sample(s.device_write_bytes - moved, {{"cause", "segments"}});
  out.sample(moved, {{"cause", "reclaim"}});
  out.sample(s.index_flush_bytes, {{"cause", "index_flush"}});
  out.sample(s.index_compaction_bytes, {{"cause", "index_compaction"}});
  out.counter("kachel_device_syncs_total", "Syncs of segments.", s.device_syncs);
  out.counter("kachel_io_errors_total", "Failures that the system has reported.", s.io_errors);
  out.gauge("kachel_io_in_flight", "Reads with the workers' rings now.", s.io_in_flight);
  out.gauge("kachel_io_queue_depth", "Reads that the rings take at once; beyond it they wait.",
            s.io_queue_depth);
  out.gauge("kachel_writable", "0 after a failed sync: the store takes no writes.",
            s.writable ? 1 : 0);
  out.gauge("kachel_last_sequence", "Sequence of the newest record.", s.last_sequence);
  out.gauge("kachel_durable_sequence", "Sequence through which all is on the device.",
            s.durable_through);
}

/// Held segments come up as the bucket `held`, those without expiry as `none`.
void write_buckets(MetricWriter& out, const Stats& stats) {
  const auto label = [](const BucketStats& bucket) {
    if (bucket.held) return std::string("held");
    return bucket.no_expiry ? std::string("none") : fmt::format("{}", bucket.lifetime_min_s);
  };
  out.gauge("kachel_segments",
            "Segments, by the shortest lifetime placed in them in seconds, and state.");
  for (const BucketStats& bucket : stats.buckets) {
    const std::string lifetime = label(bucket);
    out.sample(bucket.open_segments, {{"lifetime_min_s", lifetime}, {"state", "open"}});
    out.sample(bucket.sealed_segments, {{"lifetime_min_s", lifetime}, {"state", "sealed"}});
  }
  out.gauge("kachel_segment_bytes", "Bytes of segments, by the same lifetime.");
  for (const BucketStats& bucket : stats.buckets)
    out.sample(bucket.bytes, {{"lifetime_min_s", label(bucket)}});
}

void write_draining(MetricWriter& out, const Stats& s) {
  out.gauge("kachel_draining", "1 while an operator takes the node out of service.",
            s.draining ? 1 : 0);
}

void write_copies(MetricWriter& out, const Stats& s, std::int64_t now_ms) {
  out.gauge(
      "kachel_in_doubt",
      "1 while the store is a copy that does not serve what it came with, since that may have "
      "been erased.",
      s.is_in_doubt() ? 1 : 0);
  out.gauge("kachel_follows_source",
            "1 while what came with a copy is served because its source is asked all the while.",
            s.follows_source ? 1 : 0);
  out.gauge("kachel_arriving_segments", "Segments that are still being copied from another store.",
            s.arriving_segments);
  out.gauge("kachel_copy_age_seconds", "Since that copy was made; 0 when nothing is in doubt.",
            s.copied_ms == 0 ? 0 : seconds(now_ms - s.copied_ms));
  out.gauge("kachel_snapshots", "Snapshots in the data directory.", s.snapshots);
  out.gauge("kachel_snapshot_own_bytes", "Bytes of segments that only snapshots have.",
            s.snapshot_own_bytes);
  out.gauge("kachel_snapshot_expiry_seconds", "Until the first of them goes; +Inf without any.",
            s.snapshot_next_expiry_ms == 0 ? std::numeric_limits<double>::infinity()
                                           : seconds(s.snapshot_next_expiry_ms - now_ms));
  out.counter("kachel_snapshots_dropped_total",
              "Snapshots that went before their time, for want of room or for damage.",
              s.snapshots_dropped);
  out.counter("kachel_snapshots_failed_total",
              "Errors in making snapshots, or in removing what was due of one.",
              s.snapshots_failed);
}

void write_warming(MetricWriter& out, const Stats& s) {
  out.gauge("kachel_warming", "1 while the hot tier is refilled after a start.", s.warming ? 1 : 0);
  out.gauge("kachel_warm_entries", "Entries that the hot tier had before the start, by state.");
  out.sample(s.warm.entries_warmed, {{"state", "back"}});
  out.sample(s.warm.entries_done - std::min(s.warm.entries_warmed, s.warm.entries_done),
             {{"state", "gone"}});
  out.sample(s.warm.entries - std::min(s.warm.entries_done, s.warm.entries),
             {{"state", "to_come"}});
  out.gauge("kachel_warm_read_bytes", "Bytes read for that.", s.warm.bytes_read);
  out.gauge("kachel_warm_duration_seconds", "What it took, or has taken so far.",
            seconds(s.warm.elapsed_ms));
  out.counter("kachel_hot_saves_total", "Notes of what the hot tier has, for the next start.",
              s.hot_saves);
  out.gauge("kachel_hot_saved_entries", "Entries that the last one names.", s.hot_saved_entries);
  out.counter("kachel_hot_saves_failed_total", "Those that failed.", s.hot_saves_failed);
}

void write_start(MetricWriter& out, const StartStats& start) {
  out.gauge("kachel_start", "1 where it holds of the last start.");
  out.sample(start.created ? 1 : 0, {{"fact", "created"}});
  out.sample(start.clean ? 1 : 0, {{"fact", "clean"}});
  out.sample(start.index_rebuilt ? 1 : 0, {{"fact", "index_rebuilt"}});
  out.gauge("kachel_start_duration_seconds", "From the start until ready to serve.",
            static_cast<double>(start.duration_ms) / kMsPerSecond);
  out.gauge("kachel_start_records", "Records at the last start, by what became of them.");
  out.sample(start.replayed_records, {{"result", "replayed"}});
  out.sample(start.damaged_records, {{"result", "damaged"}});
  out.sample(start.voided_records, {{"result", "voided"}});
  out.gauge("kachel_start_bytes", "Their bytes.");
  out.sample(start.replayed_bytes, {{"result", "replayed"}});
  out.sample(start.damaged_bytes, {{"result", "damaged"}});
  out.gauge("kachel_start_damaged_segments", "Segments set aside whole at the last start.",
            start.damaged_segments);
}

}  // namespace

void write_store_metrics(MetricWriter& out, const Stats& stats, std::int64_t now_ms) {
  write_reads(out, stats);
  write_writes(out, stats);
  write_reclaim(out, stats);
  write_leases(out, stats);
  write_erasure(out, stats, now_ms);
  write_index(out, stats, now_ms);
  write_memory(out, stats);
  write_device(out, stats);
  write_buckets(out, stats);
  write_start(out, stats.start);
  write_warming(out, stats);
  write_draining(out, stats);
  write_copies(out, stats, now_ms);
}

}  // namespace kachel::server
