// Store: puts the parts together, and takes them apart.
#include "engine/store.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "engine/audit_trail.h"
#include "engine/compactor.h"
#include "engine/core.h"
#include "engine/dictionary_trainer.h"
#include "engine/eraser.h"
#include "engine/erasure_watch.h"
#include "engine/failed_sync.h"
#include "engine/hot_saver.h"
#include "engine/hot_warmer.h"
#include "engine/identity.h"
#include "engine/index_mark.h"
#include "engine/lifetime_bucket.h"
#include "engine/limits.h"
#include "engine/log.h"
#include "engine/quota_evictor.h"
#include "engine/reclaimer.h"
#include "engine/recovery.h"
#include "engine/rocksdb_index.h"
#include "engine/store_copies.h"
#include "engine/store_worker.h"
#include "engine/tenants.h"

namespace kachel {
namespace {

class DeadRows final : public RowFilter {
 public:
  explicit DeadRows(const Core& core) : core_(core) {}
  bool is_dead(const RowKey& key, const Row& row) const override {
    // What a scope's fence covers is still in the books, until the eraser has taken it out.
    // While its segment is leaving the row tells erases what may be back after a crash. A fence
    // that is not durable may yet be lost, and the row must be there then.
    return core_.fences.is_namespace_fenced(key.space, row.version, core_.durable_through) ||
           !core_.segments.may_exist(row.segment_id);
  }

 private:
  const Core& core_;
};

/// Runs `begin` on the loop and waits for the result it hands over; right here when this is
/// the loop's thread already (then the result must come before `begin` returns).
Result<void> run_on(io::Loop& loop, UniqueFunction<void(DoneHandler)> begin) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Result<void>> result;
  };
  auto shared = std::make_shared<Shared>();
  auto done = [shared](Result<void> result) {
    const std::lock_guard lock(shared->mutex);
    shared->result = std::move(result);
    shared->ready.notify_all();
  };
  if (loop.in_loop_thread()) {
    begin(done);
  } else {
    loop.post([&begin, done] { begin(done); });
  }
  std::unique_lock lock(shared->mutex);
  shared->ready.wait(lock, [&] { return shared->result.has_value(); });
  return *shared->result;
}

class StoreImpl final : public Store {
 public:
  StoreImpl(Environment environment, const Options& options, std::unique_ptr<Identity> identity)
      : core_(std::move(environment), options),
        identity_(std::move(identity)),
        tenants_(core_.env.storage, identity_->mac_key()),
        applier_(core_) {
    core_.store_id = identity_->store_id();
    core_.mac_key = identity_->mac_key();
    core_.row_filter = std::make_unique<DeadRows>(core_);
    divide_memory(options.memory_bytes);
  }

  Result<void> start() {
    const std::int64_t began_ns = core_.env.clock.monotonic_ns();
    core_.doubtful_through = identity_->doubtful_through();
    core_.copied_ms = identity_->copied_ms();
    if (auto loaded = load_snapshots(core_); !loaded) return loaded;
    Recovery recovery(core_, *identity_, applier_, [this](bool wipe) { return open_index(wipe); });
    auto recovered = recovery.run();
    if (!recovered) return recovered.error();
    start_ = recovered->stats;
    const bool relaxed = core_.options.durability == Durability::kRelaxed;
    if (auto begun = identity_->begin(core_.env.boot_id, relaxed, recovered->last_sequence + 1,
                                      recovered->next_segment_id, core_.clock.now_ms());
        !begun) {
      return begun;
    }
    if (auto cleared = clear_failed_sync(core_.env.storage); !cleared) return cleared;
    core_.queue.set_next(recovered->last_sequence + 1);
    log_ = std::make_unique<Log>(core_, *identity_, applier_, recovered->next_segment_id);
    reclaimer_ = std::make_unique<Reclaimer>(core_, *log_);
    trail_ = std::make_unique<AuditTrail>(core_);
    compactor_ = std::make_unique<Compactor>(core_, *log_);
    eraser_ = std::make_unique<Eraser>(core_, *log_, applier_, *trail_, *compactor_);
    watch_ = std::make_unique<ErasureWatch>(core_, *eraser_);
    trainer_ = std::make_unique<DictionaryTrainer>(core_, *log_);
    warmer_ = std::make_unique<HotWarmer>(core_);
    saver_ = std::make_unique<HotSaver>(core_);
    evictor_ = std::make_unique<QuotaEvictor>(core_, *log_, *eraser_, *trail_);
    copies_ = std::make_unique<StoreCopies>(core_, *log_, *identity_, *eraser_, *trail_);
    auto started = run_on(core_.env.log_loop, [&](DoneHandler done) {
      log_->start(recovered->last_sequence, recovered->spares);
      for (Append& append : recovered->first_records)
        core_.queue.append(std::move(append));
      reclaimer_->start();
      compactor_->start();
      eraser_->start();
      watch_->start();
      trainer_->start();
      evictor_->start();
      copies_->start();
      warmer_->start();
      saver_->start();
      done({});
    });
    core_.index->start_housekeeping();
    start_.duration_ms =
        static_cast<std::uint64_t>((core_.env.clock.monotonic_ns() - began_ns) / 1'000'000);
    return started;
  }

  std::unique_ptr<Worker> attach(io::Loop& loop) override {
    const std::lock_guard lock(queues_mutex_);
    queues_.push_back(&loop.io());
    return std::make_unique<StoreWorker>(core_, *log_, *eraser_, *trail_, loop);
  }

  std::uint64_t count(Namespace space) const override { return core_.live_counts.of(space); }
  bool may_have_hashes(Namespace space) const override {
    return kachel::may_have_hashes(core_, space);
  }
  std::int64_t now_ms() const override { return core_.clock.now_ms(); }
  Stats stats() const override;
  std::optional<Erasure> erasure(const ReceiptId& id) const override { return eraser_->find(id); }
  std::vector<Erasure> pending_erasures() const override { return eraser_->pending(); }
  Result<void> set_erase_within(std::chrono::milliseconds within) override {
    Options wanted = core_.options;
    wanted.erase_within = within;
    if (auto valid = check_options(wanted); !valid) return valid;
    core_.erase_within_ms = within.count();
    return {};
  }

  void set_quotas(std::map<std::uint32_t, std::uint64_t> bytes_by_tenant) override {
    core_.quotas.set(std::move(bytes_by_tenant));
  }
  TenantUsage usage_of(std::uint32_t tenant) const override;
  void set_draining(bool draining) override { core_.draining = draining; }

  Result<std::uint32_t> tenant_number(std::string_view name) override {
    return tenants_.number_of(name);
  }

  Copies& copies() override { return *copies_; }

  void record_policies(std::map<std::string, std::string> policies) override {
    trail_->record_policies(std::move(policies));
  }

  Result<void> set_memory(std::uint64_t bytes) override {
    Options wanted = core_.options;
    wanted.memory_bytes = bytes;
    if (auto valid = check_options(wanted); !valid) return valid;
    divide_memory(bytes);
    core_.index->set_memory(MemoryPlan::of(bytes).index_bytes);
    return {};
  }

  Result<void> close() override {
    return run_on(core_.env.log_loop, [this](DoneHandler done) { close_async(std::move(done)); });
  }

  void close_async(DoneHandler done) override {
    watch_->stop();
    copies_->stop([this, done = std::move(done)]() mutable {
      warmer_->stop([this, done = std::move(done)]() mutable {
        saver_->stop([this, done = std::move(done)]() mutable { stop_writers(std::move(done)); });
      });
    });
  }

 private:
  /// Those who append, then the log.
  void stop_writers(DoneHandler done) {
    trainer_->stop([this, done = std::move(done)]() mutable {
      evictor_->stop([this, done = std::move(done)]() mutable {
        reclaimer_->stop([this, done = std::move(done)]() mutable {
          eraser_->stop([this, done = std::move(done)]() mutable {
            trail_->stop([this, done = std::move(done)]() mutable {
              compactor_->stop(
                  [this, done = std::move(done)]() mutable { log_->stop(std::move(done)); });
            });
          });
        });
      });
    });
  }

  void divide_memory(std::uint64_t bytes) {
    const MemoryPlan plan = MemoryPlan::of(bytes);
    core_.memory_bytes = bytes;
    core_.write_buffer_bytes = plan.write_buffer_bytes;
    for (Shard& shard : core_.shards) {
      const std::lock_guard lock(shard.mutex);
      shard.hot.set_capacity(plan.hot_bytes / kShards);
    }
  }

  Result<std::unique_ptr<Index>> open_index(bool wipe) {
    const IndexRequest request{core_.store_id, MemoryPlan::of(core_.memory_bytes).index_bytes,
                               core_.row_filter.get(), wipe};
    if (core_.env.open_index) return core_.env.open_index(request);
    if (wipe) {
      if (auto removed = core_.env.storage.remove_tree("index"); !removed) return removed.error();
      if (auto made = core_.env.storage.create_directory("index"); !made) return made.error();
      // Or the old one comes back in its place after a power cut.
      if (auto synced = core_.env.storage.sync_directory(""); !synced) return synced.error();
    }
    RocksDbIndexOptions options;
    options.path = core_.env.storage.native_root() + "/index";
    options.store_id = request.store_id;
    options.memory_bytes = request.memory_bytes;
    options.filter = request.filter;
    return open_rocksdb_index(options);
  }

  Core core_;
  std::unique_ptr<Identity> identity_;
  Tenants tenants_;
  Applier applier_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Reclaimer> reclaimer_;
  std::unique_ptr<AuditTrail> trail_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Eraser> eraser_;
  std::unique_ptr<ErasureWatch> watch_;
  std::unique_ptr<DictionaryTrainer> trainer_;
  std::unique_ptr<QuotaEvictor> evictor_;
  std::unique_ptr<HotWarmer> warmer_;
  std::unique_ptr<HotSaver> saver_;
  std::unique_ptr<StoreCopies> copies_;
  StartStats start_;
  mutable std::mutex queues_mutex_;
  std::vector<io::IoQueue*> queues_;
};

void add_buckets(const SegmentTable& segments, Stats& stats) {
  std::map<std::uint32_t, BucketStats> buckets;
  for (const SegmentPointer& segment : segments.all()) {
    BucketStats& bucket = buckets[segment->bucket];
    bucket.bucket = segment->bucket;
    bucket.no_expiry = segment->bucket == kNoExpiryBucket || segment->bucket == kHeldBucket;
    bucket.held = segment->bucket == kHeldBucket;
    if (bucket.held) stats.held_bytes += segment->bytes;
    if (!bucket.no_expiry) {
      bucket.lifetime_min_s = static_cast<std::uint64_t>(lifetime_min_s(segment->bucket));
    }
    ++(segment->state == SegmentState::kOpen ? bucket.open_segments : bucket.sealed_segments);
    bucket.bytes += segment->bytes;
    stats.segment_bytes_on_disk += segment->bytes;
  }
  for (const auto& [number, bucket] : buckets)
    stats.buckets.push_back(bucket);
}

void add_debt(const Core& core, const ErasureOutlook& outlook, Stats& stats) {
  for (const SegmentPointer& segment : core.segments.all()) {
    if (segment->due_ms == 0 || held_share_of(core, *segment) == HeldShare::kAll) continue;
    ++stats.erasure_debt_segments;
    const std::uint64_t bytes = segment->bytes;
    stats.erasure_debt_bytes += bytes - std::min<std::uint64_t>(bytes, segment->live_bytes);
  }
  stats.erasure_next_deadline_ms = outlook.next_deadline_ms;
  stats.erasures_at_risk = outlook.at_risk;
  stats.erasures_at_risk_bytes = outlook.at_risk_bytes;
  stats.erasures_overdue = outlook.overdue;
  stats.erasure_trouble = outlook.trouble;
  stats.index_debt_deadline_ms = core.index_debt.due_ms();
  stats.index_compactions = core.index_debt.compactions();
  stats.index_compactions_failed = core.index_debt.failed_compactions();
  stats.index_compaction_last_ms = core.index_debt.last_ms();
  stats.index_compaction_duration_ms = core.index_debt.duration_ms();
}

void add_counters(const Counters& counters, Stats& stats) {
  stats.hot_hits = counters.hot_hits;
  stats.write_buffer_hits = counters.write_buffer_hits;
  stats.flash_hits = counters.flash_hits;
  stats.misses = counters.misses;
  stats.hot_misses = counters.hot_misses;
  stats.flash_misses = counters.flash_misses;
  stats.shared_reads = counters.shared_reads;
  stats.damaged_reads = counters.damaged_reads;
  stats.not_arrived_reads = counters.not_arrived_reads;
  stats.sets = counters.sets;
  stats.sets_not_stored = counters.sets_not_stored;
  stats.sets_over_quota = counters.sets_over_quota;
  stats.sets_while_draining = counters.sets_while_draining;
  stats.erases = counters.erases;
  stats.expired = counters.expired;
  stats.leases_granted = counters.leases_granted;
  stats.lease_retries = counters.lease_retries;
  stats.fills_refused_erased = counters.fills_refused_erased;
  stats.fills_refused_expired = counters.fills_refused_expired;
  stats.fills_refused_unknown = counters.fills_refused_unknown;
  stats.evicted_entries = counters.evicted_entries;
  stats.quota_evicted_entries = counters.quota_evicted_entries;
  stats.reinserted_entries = counters.reinserted_entries;
  stats.evicted_segments = counters.evicted_segments;
  stats.expired_segments = counters.expired_segments;
  stats.due_segments = counters.due_segments;
  stats.overdue_segments = counters.overdue_segments;
  stats.reclaim_write_bytes = counters.reclaim_write_bytes;
  stats.raw_bytes = counters.raw_bytes;
  stats.stored_bytes = counters.stored_bytes;
  stats.reencoded_entries = counters.reencoded_entries;
  stats.dictionaries_trained = counters.dictionaries_trained;
  stats.dictionaries_discarded = counters.dictionaries_discarded;
  stats.device_writes = counters.device_writes;
  stats.device_write_bytes = counters.device_write_bytes;
  stats.device_syncs = counters.device_syncs;
  stats.index_lookups = counters.index_lookups;
  stats.index_pool_lookups = counters.index_pool_lookups;
  stats.index_flushes = counters.index_flushes;
  stats.io_errors = counters.io_errors;
}

TenantUsage StoreImpl::usage_of(std::uint32_t tenant) const {
  TenantUsage usage;
  const LiveShare live = core_.live_counts.of_tenant(tenant);
  usage.entries = live.entries;
  usage.bytes = live.bytes;
  const QuotaTable::Bytes quotas = core_.quotas.all();
  if (const auto quota = quotas.find(tenant); quota != quotas.end()) {
    usage.quota_bytes = quota->second;
  }
  const QuotaTable::Counts counts = core_.quotas.counts(tenant);
  usage.evicted_entries = counts.evicted_entries;
  usage.puts_not_stored = counts.refused_puts;
  return usage;
}

Stats StoreImpl::stats() const {
  Stats stats;
  add_counters(core_.counters, stats);
  add_buckets(core_.segments, stats);
  add_debt(core_, watch_->outlook(), stats);
  for (const Erasure& erasure : eraser_->pending()) {
    ++stats.erasures_pending;
    if (erasure.held_copies > 0) ++stats.erasures_blocked;
  }
  stats.holds = core_.holds.size();
  stats.dictionaries = core_.dictionaries.all().size();
  stats.dictionary_memory_bytes = core_.dictionaries.memory_bytes();
  stats.audit_entries = trail_->size();
  if (const auto failure = trail_->failure()) stats.audit_error = failure->message;
  for (const Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    stats.hot_entries += shard.hot.size();
    stats.hot_bytes += shard.hot.bytes();
    stats.hot_capacity_bytes += shard.hot.capacity();
    stats.hot_evictions += shard.hot.evictions();
    stats.leases += shard.leases.size();
    stats.lease_waits += shard.leases.waits();
  }
  {
    const std::lock_guard lock(queues_mutex_);
    for (const io::IoQueue* queue : queues_) {
      const io::IoCounters done = queue->counters();
      stats.device_reads += done.reads;
      stats.device_read_bytes += done.read_bytes;
      stats.io_errors += done.errors;
      stats.io_in_flight += done.in_flight;
      stats.io_queue_depth += done.depth;
    }
  }
  const IndexUsage index = core_.index->usage();
  stats.index_bytes_on_disk = index.disk_bytes;
  stats.index_memory_bytes = index.memory_bytes;
  stats.index_flush_bytes = index.flushed_bytes;
  stats.index_compaction_bytes = index.compacted_bytes;
  stats.warming = core_.hot_set.is_warming;
  stats.warm = core_.hot_set.progress(core_.env.clock.monotonic_ns());
  stats.hot_saves = core_.hot_set.saves_ended;
  stats.hot_saves_failed = core_.hot_set.saves_failed;
  stats.hot_saved_entries = core_.hot_set.saved_entries;
  stats.entries = core_.live_counts.total();
  stats.memory_bytes = core_.memory_bytes;
  stats.capacity_bytes = core_.options.capacity_bytes;
  stats.write_buffer_bytes = core_.queue.staged_bytes();
  stats.write_buffer_capacity_bytes = core_.write_buffer_bytes;
  stats.draining = core_.draining;
  stats.doubtful_through = core_.doubtful_through;
  stats.follows_source = core_.follows_source;
  stats.arriving_segments = core_.arriving_segments;
  if (stats.doubtful_through != 0) stats.copied_ms = core_.copied_ms;
  for (const SnapshotInfo& info : core_.snapshots.infos()) {
    ++stats.snapshots;
    stats.snapshot_own_bytes += info.own_bytes;
    stats.snapshot_next_expiry_ms = earlier(stats.snapshot_next_expiry_ms, info.expires_ms);
  }
  stats.snapshots_dropped = core_.snapshots.dropped;
  stats.snapshots_failed = core_.snapshots.failed;
  stats.writable = core_.writable;
  stats.last_sequence = core_.queue.last_sequence();
  stats.durable_through = core_.durable_through;
  stats.start = start_;
  return stats;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Environment environment, const Options& options) {
  if (auto valid = check_options(options); !valid) return valid.error();
  bool tried = false;
  while (true) {
    auto identity = Identity::open(environment.storage, environment.clock, environment.random,
                                   options.create_if_missing);
    if (!identity) return identity.error();
    auto store = std::make_unique<StoreImpl>(environment, options, std::move(*identity));
    auto started = store->start();
    if (started) return std::unique_ptr<Store>(std::move(store));
    // The index was found damaged on the way: once more, from the segments alone.
    if (std::exchange(tried, true) || started.error().code != ErrorCode::kCorrupt) {
      return started.error();
    }
    const auto condemned = is_index_condemned(environment.storage);
    if (!condemned || !*condemned) return started.error();
  }
}

}  // namespace kachel
