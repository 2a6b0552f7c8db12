#include "engine/store_worker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/codec.h"
#include "engine/cold_read.h"
#include "engine/lifetime_bucket.h"
#include "engine/limits.h"

namespace kachel {
namespace {

// After so many rounds of warming, the blocks are evidently evicted as fast as they are read
// in: then the decision blocks.
constexpr int kMaxWarmups = 4;
// Above this, compressing takes milliseconds: not on a thread that serves others.
constexpr std::size_t kEncodeOnPoolBytes = kMiB;
// At once: those who wait for the pool have their value in memory twice.
constexpr unsigned kMostOnPool = 4;

void mark_read_stale(const Core& core, Shard& shard, const Mac& mac) {
  const auto found = shard.reads.find(mac);
  if (found == shard.reads.end()) return;
  found->second->mark_stale(core.clock.now_ms());
  shard.reads.erase(found);
}

/// To be changed.
Pending& pending_of(const Core& core, Shard& shard, const Mac& mac) {
  if (core.hot_set.is_warming.load(std::memory_order_relaxed)) shard.changed.note(mac);
  return shard.pending[mac];
}

}  // namespace

// ---- reads ---------------------------------------------------------------------------------

StoreWorker::Key StoreWorker::key_of(Namespace space, std::string_view text) const {
  return {space, key_mac(core_.mac_key, space, text)};
}

std::optional<Found> StoreWorker::get_hot(Namespace space, std::string_view text) {
  const Mac mac = key_of(space, text).mac;
  Shard& shard = core_.shard(mac);
  std::optional<Found> found;
  {
    const std::lock_guard lock(shard.mutex);
    const HotItem* item = shard.hot.find(mac);
    if (item == nullptr) return std::nullopt;
    const bool expired = item->expires_at_ms != 0 && item->expires_at_ms <= core_.clock.now_ms();
    if (expired || core_.fences.is_fenced(space, item->entry->version, item->entry->tags)) {
      shard.hot.erase(mac);
      return std::nullopt;
    }
    found = Found{item->entry, item->expires_at_ms, Tier::kHot};
  }
  bump(core_.counters.hot_hits);
  return found;
}

/// In passes over all: while one key's memory is on its way, the others are asked for.
void StoreWorker::foresee(std::span<const Foreseen> keys) {
  std::array<Mac, kMostForeseen> macs;
  const std::size_t count = std::min(keys.size(), macs.size());
  const auto pass = [&](void (HotShard::*prefetch)(const Mac&) const) {
    for (std::size_t i = 0; i < count; ++i) {
      Shard& shard = core_.shard(macs[i]);
      const std::lock_guard lock(shard.mutex);
      (shard.hot.*prefetch)(macs[i]);
    }
  };
  for (std::size_t i = 0; i < count; ++i)
    macs[i] = key_of(keys[i].space, keys[i].key).mac;
  pass(&HotShard::prefetch_slot);
  pass(&HotShard::prefetch_item);
  pass(&HotShard::prefetch_entry);
}

bool StoreWorker::get(Namespace space, std::string_view text, GetHandler handler) {
  if (auto found = get_hot(space, text)) {
    handler(std::move(found));
    return true;
  }
  bump(core_.counters.hot_misses);
  const Key key = key_of(space, text);
  Shard& shard = core_.shard(key.mac);
  std::optional<Row> row;
  std::optional<Found> buffered;
  bool absent = false;
  std::unique_lock lock(shard.mutex);
  if (shard.pending.contains(key.mac)) {
    const Current current =
        find_current(core_, shard, space, key.mac, core_.clock.now_ms(), Where::kMemory);
    absent = !current.exists;
    if (current.entry) buffered = Found{current.entry, current.expires_at_ms, current.tier};
    row = current.row;
  }
  if (absent || buffered) {
    lock.unlock();
    bump(absent ? core_.counters.misses : core_.counters.write_buffer_hits);
    if (absent) bump(core_.counters.flash_misses);
    handler(std::move(buffered));
    return true;
  }
  if (const auto found = shard.reads.find(key.mac);
      found != shard.reads.end() && !found->second->stale()) {
    found->second->join(loop_, std::move(handler));
    return found->second->located();
  }
  auto read = std::make_shared<ColdRead>(core_, loop_, space, key.mac, text);
  read->join(loop_, std::move(handler));
  shard.reads[key.mac] = read;
  lock.unlock();
  return read->start(row);
}

bool StoreWorker::decide(const Key& key, Decision decision, int warmed) {
  Shard& shard = core_.shard(key.mac);
  const Where where = warmed < kMaxWarmups ? Where::kMemory : Where::kAnywhere;
  io::Task after;
  bool needs_disk = false;
  {
    const std::lock_guard lock(shard.mutex);
    const Current current =
        find_current(core_, shard, key.space, key.mac, core_.clock.now_ms(), where);
    if (!current.needs_disk) after = decision(shard, current);
    if (current.needs_disk) needs_disk = true;
  }
  if (needs_disk && core_.lookup_pace.is_quick()) {
    (void)find_timed(core_, {key.space, key.mac});
    return decide(key, std::move(decision), warmed + 1);
  }
  if (needs_disk) {
    warm(key, std::move(decision), warmed + 1);
    return false;
  }
  if (after) after();
  return true;
}

void StoreWorker::warm(const Key& key, Decision decision, int warmed) {
  bump(core_.counters.index_pool_lookups);
  core_.env.pool.run([this, &core = core_, &loop = loop_, presence = presence(), key,
                      decision = std::move(decision), warmed]() mutable {
    (void)find_timed(core, {key.space, key.mac});
    loop.post([this, presence, key, decision = std::move(decision), warmed]() mutable {
      if (!presence.expired()) decide(key, std::move(decision), warmed);
    });
  });
}

bool StoreWorker::glimpse(Namespace space, std::string_view text, GlimpseHandler handler) {
  return decide(key_of(space, text),
                [handler = std::move(handler)](Shard&, const Current& current) mutable -> io::Task {
                  std::optional<Glimpse> glimpse;
                  if (current.exists) {
                    glimpse = Glimpse{current.expires_at_ms, current.raw_bytes, current.version,
                                      current.tier};
                  }
                  return [handler = std::move(handler), glimpse]() mutable { handler(glimpse); };
                });
}

// ---- puts ----------------------------------------------------------------------------------

struct StoreWorker::PutOperation {
  Key key;
  ZeroizingString text;  // the key's
  Entry::Pointer entry;
  PutOptions options;
  PutHandler handler;
  format::EncodedRecord record;
  Dictionary::Pointer dictionary;  // that the record is compressed with
  std::int64_t now_ms = 0;

  /// When its bytes are of no use any more; 0: never.
  std::int64_t death_ms() const {
    return earlier(options.expires_at_ms, options.metadata.erase_by_ms);
  }
};

AckLevel StoreWorker::ack_level() const {
  switch (core_.options.durability) {
    case Durability::kRelaxed:
      return AckLevel::kNone;
    case Durability::kGroup:
      return AckLevel::kWritten;
    case Durability::kStrict:
      return AckLevel::kDurable;
  }
  return AckLevel::kDurable;
}

bool StoreWorker::put(Namespace space, std::string_view text, std::string_view value,
                      PutOptions options, PutHandler handler) {
  if (auto valid = check_put(core_.options, text, value, options.metadata); !valid) {
    if (options.lease) give_up_lease(space, text, *options.lease);
    handler(valid.error());
    return true;
  }
  auto operation = std::make_shared<PutOperation>();
  operation->key = key_of(space, text);
  operation->text = text;
  operation->now_ms = core_.clock.now_ms();
  operation->entry = Entry::make(value);
  operation->entry->metadata = options.metadata;
  operation->entry->tags =
      scope_tags(core_.mac_key, space.tenant, options.metadata.model, options.metadata.subjects);
  operation->entry->created_ms = operation->now_ms;
  operation->options = std::move(options);
  operation->options.expires_at_ms =
      earlier(operation->options.expires_at_ms, operation->options.metadata.erase_by_ms);
  operation->handler = std::move(handler);
  const PutOptions& chosen = operation->options;
  const bool is_large = !chosen.keep_ttl && value.size() > kEncodeOnPoolBytes;
  if (is_large && core_.values_on_pool.fetch_add(1) < kMostOnPool) {
    encode_on_pool(std::move(operation));
    return false;
  }
  if (is_large) --core_.values_on_pool;
  if (!chosen.keep_ttl) encode(core_, *operation);
  return place(operation);
}

/// The operation has its handler, and goes from thread to thread as a whole.
void StoreWorker::encode_on_pool(std::shared_ptr<PutOperation> operation) {
  core_.env.pool.run([this, &core = core_, &loop = loop_, presence = presence(),
                      operation = std::move(operation)]() mutable {
    encode(core, *operation);
    release_compress_scratch();
    --core.values_on_pool;
    loop.post([this, presence = std::move(presence), operation = std::move(operation)] {
      if (!presence.expired()) place(operation);
    });
  });
}

bool StoreWorker::place(const std::shared_ptr<PutOperation>& operation) {
  const PutOptions& chosen = operation->options;
  const bool plain = !chosen.keep_ttl && chosen.condition == Condition::kAlways &&
                     !chosen.if_version &&
                     !(chosen.expires_at_ms != 0 && chosen.expires_at_ms <= operation->now_ms);
  return plain ? put_now(operation) : put_conditionally(operation);
}

/// Compresses, and lays out the record, all but its place in the log.
void StoreWorker::encode(const Core& core, PutOperation& operation) {
  const std::span value = std::as_bytes(std::span(operation.entry->value()));
  Dictionary::Pointer dictionary = core.dictionaries.current(operation.key.space.tenant);
  if (dictionary && !dictionary->outlives(operation.death_ms(), operation.now_ms)) {
    dictionary->note_misfit();
    dictionary.reset();
  }
  if (value.size() > kMaxDictionaryValueBytes) dictionary.reset();
  const Compressed stored = dictionary ? compress(value, *dictionary, Effort::kFast)
                                       : compress(value, core.options.compression_level);
  const bool uses_it = stored.codec == format::Codec::kZstdDictionary;
  operation.dictionary = uses_it ? dictionary : nullptr;
  const Metadata& metadata = operation.entry->metadata;
  format::RecordMeta meta;
  meta.type = format::RecordType::kPut;
  meta.codec = stored.codec;
  meta.kind = metadata.kind;
  meta.space = operation.key.space;
  meta.created_ms = operation.now_ms;
  meta.expires_at_ms = operation.options.expires_at_ms;
  meta.erase_by_ms = metadata.erase_by_ms;
  meta.raw_bytes = value.size();
  meta.tokens_in = metadata.tokens_in;
  meta.tokens_out = metadata.tokens_out;
  meta.cost_micro_usd = metadata.cost_micro_usd;
  meta.model = metadata.model;
  meta.subjects.assign(metadata.subjects.begin(), metadata.subjects.end());
  meta.key = operation.text;
  operation.record = format::encode_record(meta, stored.bytes);
  operation.entry->stored_bytes = static_cast<std::uint32_t>(operation.record.size());
}

bool StoreWorker::put_now(const std::shared_ptr<PutOperation>& operation) {
  Shard& shard = core_.shard(operation->key.mac);
  io::Task after;
  {
    const std::lock_guard lock(shard.mutex);
    after = operation->options.lease ? fill(shard, operation, {}) : commit(shard, operation);
  }
  if (after) after();
  return true;
}

bool StoreWorker::put_conditionally(const std::shared_ptr<PutOperation>& operation) {
  return decide(
      operation->key, [this, operation](Shard& shard, const Current& current) -> io::Task {
        PutOptions& options = operation->options;
        const auto answer = [&operation](PutOutcome outcome) {
          return [operation, outcome] { operation->handler(outcome); };
        };
        if (options.if_version && *options.if_version != (current.exists ? current.version : 0)) {
          return answer(PutOutcome::kVersionChanged);
        }
        if ((options.condition == Condition::kIfAbsent && current.exists) ||
            (options.condition == Condition::kIfPresent && !current.exists)) {
          if (options.lease) shard.leases.give_up(core_, operation->key.mac, *options.lease);
          return answer(PutOutcome::kConditionFailed);
        }
        if (options.keep_ttl) {
          // Only here is the expiry known; such puts are rare enough to compress under the lock.
          options.expires_at_ms =
              earlier(current.exists ? current.expires_at_ms : options.expires_at_ms,
                      options.metadata.erase_by_ms);
          encode(core_, *operation);
        }
        return options.lease ? fill(shard, operation, current)
                             : apply_put(shard, operation, current);
      });
}

/// As apply_put(), if the lease is good. No erase of a scope, and none of a database, comes between
/// the look at the fences and the record's place in the log.
io::Task StoreWorker::fill(Shard& shard, const std::shared_ptr<PutOperation>& operation,
                           const Current& current) {
  const Key& key = operation->key;
  const LeaseToken lease = *operation->options.lease;
  const std::lock_guard gate(core_.fences.gate());
  if (!shard.leases.redeem(core_, key.space, key.mac, lease, operation->entry->tags)) {
    return [operation] { operation->handler(PutOutcome::kLeaseRefused); };
  }
  return apply_put(shard, operation, current);
}

/// Under the shard's lock.
io::Task StoreWorker::apply_put(Shard& shard, const std::shared_ptr<PutOperation>& operation,
                                const Current& current) {
  const std::int64_t expires_at_ms = operation->options.expires_at_ms;
  if (expires_at_ms == 0 || expires_at_ms > operation->now_ms) return commit(shard, operation);
  if (!current.exists) {
    end_lease(shard, operation->key.mac, LeaseEnd::kErased);
    return [operation] { operation->handler(PutOutcome::kStored); };
  }
  return commit_erase(shard, operation->key, current, ack_level(),
                      [operation](Result<Appended> done) {
                        if (done) return operation->handler(PutOutcome::kStored);
                        operation->handler(done.error());
                      });
}

/// Under the shard's lock: the entry takes its place in the log and becomes what is read.
io::Task StoreWorker::commit(Shard& shard, const std::shared_ptr<PutOperation>& operation) {
  const Key& key = operation->key;
  const std::uint64_t bound = core_.write_buffer_bytes.load(std::memory_order_relaxed);
  const std::uint64_t staged = core_.queue.staged_bytes();
  // Who minds throttled() is slowed long before: this is for those who do not. A single value
  // may overshoot.
  if (!core_.writable || core_.no_room || staged > bound) {
    bump(core_.counters.sets_not_stored);
    return drop_put(shard, operation);
  }
  if (core_.draining) {
    bump(core_.counters.sets_while_draining);
    return drop_put(shard, operation);
  }
  if (core_.quotas.is_full(key.space.tenant)) {
    bump(core_.counters.sets_over_quota);
    core_.quotas.count_refusal(key.space.tenant);
    return drop_put(shard, operation);
  }
  // What the dictionary was trained on may have died since.
  if (operation->dictionary &&
      !operation->dictionary->outlives(operation->death_ms(), operation->now_ms)) {
    encode(core_, *operation);
  }
  const std::uint64_t raw_bytes = operation->entry->value().size();
  const std::int64_t expires_at_ms = operation->options.expires_at_ms;
  bump(core_.counters.sets);
  bump(core_.counters.raw_bytes, raw_bytes);
  bump(core_.counters.stored_bytes, operation->record.size());

  Append record;
  record.summary.type = format::RecordType::kPut;
  record.summary.space = key.space;
  record.summary.mac = key.mac;
  record.summary.expires_at_ms = expires_at_ms;
  record.summary.erase_by_ms = operation->entry->metadata.erase_by_ms;
  record.summary.raw_bytes = raw_bytes;
  record.summary.tags = operation->entry->tags;
  record.summary.created_ms = operation->now_ms;
  record.bucket =
      bucket_until(expires_at_ms, operation->entry->metadata.erase_by_ms, operation->now_ms);
  record.record = std::move(operation->record);
  record.dictionary = std::move(operation->dictionary);
  std::uint64_t sequence = 0;
  io::Task after;
  append(
      std::move(record), ack_level(),
      [operation, counters = &core_.counters](Result<Appended> done) {
        if (!done) return operation->handler(done.error());
        if (*done == Appended::kDone) return operation->handler(PutOutcome::kStored);
        bump(counters->sets_not_stored);
        operation->handler(PutOutcome::kNotStored);
      },
      &sequence, &after);
  if (has_fields(key.space)) raise_to(core_.last_field, sequence);
  operation->entry->version = sequence;
  Pending& pending = pending_of(core_, shard, key.mac);
  pending = {sequence, sequence, expires_at_ms, raw_bytes, false, operation->entry, {}};
  shard.hot.insert(key.mac, {operation->entry, expires_at_ms, key.space});
  mark_read_stale(core_, shard, key.mac);
  if (!shard.leases.empty()) {
    shard.leases.fill(key.mac, {operation->entry, expires_at_ms, Tier::kWriteBuffer});
  }
  return after;
}

/// A put that is dropped leaves nothing behind, the older value neither: it is acknowledged when
/// the older one can't come back.
io::Task StoreWorker::drop_put(Shard& shard, const std::shared_ptr<PutOperation>& operation) {
  const Key& key = operation->key;
  shard.hot.erase(key.mac);
  mark_read_stale(core_, shard, key.mac);
  const bool absent = is_surely_absent(shard, key);  // on a full disk every record counts
  if (absent || !core_.writable) end_lease(shard, key.mac, LeaseEnd::kUnknown);
  if (core_.writable) {
    const auto answer = [operation](Result<Appended> done) {
      if (done) return operation->handler(PutOutcome::kNotStored);
      operation->handler(done.error());
    };
    return absent ? answer_absent(shard, ack_level(), answer)
                  : commit_erase(shard, key, {}, ack_level(), answer);
  }
  if (!absent) {
    Pending& pending = pending_of(core_, shard, key.mac);
    pending = {};
    pending.erased = true;
  }
  return [operation] { operation->handler(PutOutcome::kNotStored); };
}

io::Task StoreWorker::answer_absent(const Shard& shard, AckLevel level, AppendHandler answer) {
  const std::uint64_t erased = std::max(shard.last_erase, core_.last_fence.load());
  const bool safe = level == AckLevel::kNone || erased <= core_.durable_through;
  return [this, erased, level, safe, answer = std::move(answer)]() mutable {
    if (safe) return answer(Appended::kDone);
    log_.when_safe(erased, level, loop_, std::move(answer));
  };
}

/// Under the shard's lock; without asking the disk.
bool StoreWorker::is_surely_absent(Shard& shard, const Key& key) const {
  const auto pending = shard.pending.find(key.mac);
  if (pending != shard.pending.end()) return pending->second.erased;
  const Lookup lookup = core_.index->find({key.space, key.mac}, Where::kMemory);
  if (lookup.status == LookupStatus::kFound) {
    return core_.fences.is_fenced(key.space, lookup.row.version, lookup.row.tags);
  }
  return lookup.status == LookupStatus::kAbsent;
}

/// With kNone, `after` is what the caller runs once the lock is gone.
void StoreWorker::append(Append append, AckLevel ack, AppendHandler handler,
                         std::uint64_t* sequence, io::Task* after) {
  append.ack = ack;
  append.loop = &loop_;
  if (ack == AckLevel::kNone) {
    if (handler) {
      *after = [handler = std::move(handler)]() mutable { handler(Appended::kDone); };
    }
  } else {
    append.handler = std::move(handler);
  }
  *sequence = core_.queue.append(std::move(append));
}

// ---- erases and expiries -------------------------------------------------------------------

io::Task StoreWorker::commit_erase(Shard& shard, const Key& key, const Current& current,
                                   AckLevel ack, AppendHandler handler,
                                   std::uint64_t* taken_sequence) {
  // Which segments may hold what this kills: known from the row; else all there are.
  std::uint64_t covers = std::max<std::uint64_t>(1, core_.segments.lowest_id());
  std::optional<Row> row = current.row;
  const bool pending_before = shard.pending.contains(key.mac);
  if (!row && !pending_before) {
    const Lookup lookup = core_.index->find({key.space, key.mac}, Where::kMemory);
    if (lookup.status == LookupStatus::kFound) row = lookup.row;
  }
  if (row && !pending_before && !is_moving(*row)) {
    covers = row->segment_id;
    if (row->covers != 0) covers = std::min(covers, row->covers);
  }
  const std::int64_t now_ms = core_.clock.now_ms();
  format::RecordMeta meta;
  meta.type = format::RecordType::kErase;
  meta.space = key.space;
  meta.mac = key.mac;
  meta.created_ms = now_ms;
  meta.covers = covers;
  Append record;
  record.record = format::encode_record(meta, {});
  record.summary.type = format::RecordType::kErase;
  record.summary.space = key.space;
  record.summary.mac = key.mac;
  record.summary.covers = covers;
  record.bucket = bucket_until(current.expires_at_ms, 0, now_ms);
  std::uint64_t sequence = 0;
  io::Task after;
  append(std::move(record), ack, std::move(handler), &sequence, &after);
  if (taken_sequence != nullptr) *taken_sequence = sequence;
  Pending& pending = pending_of(core_, shard, key.mac);
  pending = {};
  pending.last_sequence = sequence;
  pending.version = sequence;
  pending.erased = true;
  shard.last_erase = sequence;
  shard.hot.erase(key.mac);
  mark_read_stale(core_, shard, key.mac);
  end_lease(shard, key.mac, LeaseEnd::kErased);
  return after;
}

/// Reclaim may have made a copy that the index does not know yet, in a segment with a lower id.
bool StoreWorker::is_moving(const Row& row) const {
  const SegmentPointer segment = core_.segments.find(row.segment_id);
  return segment && segment->state == SegmentState::kReclaiming;
}

/// Evicted, but its file is still there, and would be after a crash; or not served only until it
/// is known not to be erased. Who is told that the entry is absent must be able to rely on it.
bool StoreWorker::may_come_back(const Current& current) const {
  return current.row && (core_.segments.is_leaving(current.row->segment_id) ||
                         core_.is_doubtful(current.row->version));
}

bool StoreWorker::erase(Namespace space, std::string_view text,
                        std::optional<std::uint64_t> if_version, EraseHandler handler) {
  const Key key = key_of(space, text);
  auto answer = std::make_shared<EraseHandler>(std::move(handler));
  return decide(
      key, [this, key, if_version, answer](Shard& shard, const Current& current) -> io::Task {
        if (if_version && *if_version != (current.exists ? current.version : 0)) {
          return [answer] { (*answer)(EraseOutcome::kVersionChanged); };
        }
        const auto say = [&answer](EraseOutcome outcome) {
          return [answer, outcome](Result<Appended> done) {
            if (done) return (*answer)(outcome);
            (*answer)(done.error());
          };
        };
        const auto outcome = current.exists ? EraseOutcome::kErased : EraseOutcome::kAbsent;
        if (!current.exists && !may_come_back(current)) {
          // What is being computed meanwhile may rest on what the caller knows to be outdated.
          end_lease(shard, key.mac, LeaseEnd::kErased);
          return answer_absent(shard, AckLevel::kDurable, say(outcome));
        }
        if (!core_.writable) {
          return [answer] { (*answer)(Error{ErrorCode::kIo, "the store can't write"}); };
        }
        bump(core_.counters.erases);
        return commit_erase(shard, key, current, AckLevel::kDurable, say(outcome));
      });
}

void StoreWorker::evict(const RowKey& entry, std::uint64_t version, const ScopeTags& tags,
                        bool spares_read, UniqueFunction<void(bool)> handler) {
  const Key key{entry.space, entry.mac};
  auto answer = std::make_shared<UniqueFunction<void(bool)>>(std::move(handler));
  decide(key,
         [this, key, version, tags, spares_read, answer](Shard& shard,
                                                         const Current& current) -> io::Task {
           const bool has_expired =
               !current.exists && is_expired_row(shard, key, version, tags, current);
           const bool is_current = current.exists && current.version == version;
           // Who computes a new value in place of what has expired keeps his lease.
           const bool may_be_leased = has_expired && !shard.leases.empty();
           const bool was_read =
               spares_read && !has_expired && shard.hot.frequency(key.mac).value_or(0) > 0;
           if ((!is_current && !has_expired) || may_be_leased || was_read || !core_.writable) {
             return [answer] { (*answer)(false); };
           }
           core_.quotas.count_eviction(key.space.tenant);
           bump(core_.counters.quota_evicted_entries);
           return commit_erase(shard, key, current, AckLevel::kNone,
                               [answer](const Result<Appended>&) { (*answer)(true); });
         });
}

/// What has expired has a row, and counts, until its segment goes.
bool StoreWorker::is_expired_row(const Shard& shard, const Key& key, std::uint64_t version,
                                 const ScopeTags& tags, const Current& current) const {
  std::optional<Row> row = current.row;
  if (!row && !shard.pending.contains(key.mac)) {
    const Lookup lookup = core_.index->find({key.space, key.mac}, Where::kMemory);
    if (lookup.status == LookupStatus::kFound) row = lookup.row;
  }
  return row && row->version == version && core_.segments.contains(row->segment_id) &&
         !core_.fences.is_fenced(key.space, version, tags);
}

namespace {

bool allows(ExpiryCondition condition, std::int64_t now_has, std::int64_t wanted) {
  switch (condition) {
    case ExpiryCondition::kAlways:
      return true;
    case ExpiryCondition::kIfNone:
      return now_has == 0;
    case ExpiryCondition::kIfSome:
      return now_has != 0;
    case ExpiryCondition::kIfLater:
      return now_has != 0 && wanted > now_has;
    case ExpiryCondition::kIfSooner:
      return now_has == 0 || wanted < now_has;
  }
  return false;
}

}  // namespace

bool StoreWorker::change_expiry(Namespace space, std::string_view text, ExpiryChange change,
                                ExpiryHandler handler) {
  const Key key = key_of(space, text);
  auto answer = std::make_shared<ExpiryHandler>(std::move(handler));
  return decide(
      key, [this, key, change, answer](Shard& shard, const Current& current) mutable -> io::Task {
        const auto say = [&answer](ExpiryOutcome outcome) {
          return [answer, outcome] { (*answer)(outcome); };
        };
        if (change.if_version && *change.if_version != (current.exists ? current.version : 0)) {
          return say(ExpiryOutcome::kVersionChanged);
        }
        if (!current.exists) {
          const bool erases =
              change.expires_at_ms != 0 && change.expires_at_ms <= core_.clock.now_ms();
          if (erases) end_lease(shard, key.mac, LeaseEnd::kErased);
          return say(ExpiryOutcome::kAbsent);
        }
        // Nothing is served past the day by which it must be gone.
        change.expires_at_ms = earlier(change.expires_at_ms, current.erase_by_ms);
        const bool persist = change.expires_at_ms == 0;
        if ((persist && current.expires_at_ms == 0) ||
            !allows(change.condition, current.expires_at_ms, change.expires_at_ms)) {
          return say(ExpiryOutcome::kConditionFailed);
        }
        if (!core_.writable) {
          return [answer] { (*answer)(Error{ErrorCode::kIo, "the store can't write"}); };
        }
        if (!persist && change.expires_at_ms <= core_.clock.now_ms()) {
          bump(core_.counters.erases);
          return commit_erase(shard, key, current, AckLevel::kDurable,
                              [answer](Result<Appended> done) {
                                if (done) return (*answer)(ExpiryOutcome::kErased);
                                (*answer)(done.error());
                              });
        }
        return commit_expiry(shard, key, current, change.expires_at_ms,
                             [answer](Result<ExpiryOutcome> done) { (*answer)(std::move(done)); });
      });
}

io::Task StoreWorker::commit_expiry(Shard& shard, const Key& key, const Current& current,
                                    std::int64_t expires_at_ms, ExpiryHandler handler) {
  const std::int64_t now_ms = core_.clock.now_ms();
  format::RecordMeta meta;
  meta.type = format::RecordType::kExpiry;
  meta.space = key.space;
  meta.mac = key.mac;
  meta.version = current.version;
  meta.created_ms = now_ms;
  meta.expires_at_ms = expires_at_ms;
  Append record;
  record.record = format::encode_record(meta, {});
  record.summary.type = format::RecordType::kExpiry;
  record.summary.space = key.space;
  record.summary.mac = key.mac;
  record.summary.version = current.version;
  record.summary.expires_at_ms = expires_at_ms;
  record.bucket = bucket_until(expires_at_ms, 0, now_ms);
  std::uint64_t sequence = 0;
  io::Task after;
  append(
      std::move(record), ack_level(),
      [handler = std::move(handler)](Result<Appended> done) mutable {
        if (done) return handler(ExpiryOutcome::kChanged);
        handler(done.error());
      },
      &sequence, &after);
  Pending& pending = pending_of(core_, shard, key.mac);
  pending.version = current.version;
  pending.raw_bytes = current.raw_bytes;
  pending.entry = current.entry ? current.entry : pending.entry;
  pending.row = current.row ? current.row : pending.row;
  pending.last_sequence = sequence;
  pending.expires_at_ms = expires_at_ms;
  shard.hot.set_expiry(key.mac, expires_at_ms);
  mark_read_stale(core_, shard, key.mac);
  return after;
}

bool StoreWorker::throttled() const {
  return core_.queue.staged_bytes() > core_.write_buffer_bytes.load(std::memory_order_relaxed) / 2;
}

void StoreWorker::when_unthrottled(UniqueFunction<void()> resume) {
  core_.queue.when_drained(loop_, core_.write_buffer_bytes, std::move(resume));
}

}  // namespace kachel
