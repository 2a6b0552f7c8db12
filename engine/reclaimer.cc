#include "engine/reclaimer.h"

#include <utility>

#include "engine/codec.h"
#include "engine/lifetime_bucket.h"
#include "engine/reclaim_policy.h"
#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kTick{500};
constexpr std::size_t kRecordsPerStep = 256;
// Hot entries taken over from a victim, as a share of it: the rest of its bytes is the gain.
constexpr std::uint64_t kKeptShare = 4;  // a quarter
constexpr std::size_t kWindowBytes = 512 * 1024;
constexpr std::uint64_t kMaxKeptValueBytes = kMiB;

format::RecordMeta meta_of_entry(const Entry& entry, Namespace space, std::int64_t expires_at_ms) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kPut;
  meta.flags = format::kFlagMoved;
  meta.kind = entry.metadata.kind;
  meta.space = space;
  meta.version = entry.version;
  meta.created_ms = entry.created_ms;
  meta.expires_at_ms = expires_at_ms;
  meta.erase_by_ms = entry.metadata.erase_by_ms;
  meta.raw_bytes = entry.value().size();
  meta.tokens_in = entry.metadata.tokens_in;
  meta.tokens_out = entry.metadata.tokens_out;
  meta.cost_micro_usd = entry.metadata.cost_micro_usd;
  meta.model = entry.metadata.model;
  meta.subjects.assign(entry.metadata.subjects.begin(), entry.metadata.subjects.end());
  return meta;
}

std::uint32_t bucket_until(std::int64_t expires_at_ms, std::int64_t erase_by_ms,
                           std::int64_t now_ms) {
  std::int64_t death_ms = expires_at_ms;
  if (erase_by_ms != 0 && (death_ms == 0 || erase_by_ms < death_ms)) death_ms = erase_by_ms;
  return death_ms == 0 ? kNoExpiryBucket : lifetime_bucket(death_ms - now_ms);
}

}  // namespace

struct Reclaimer::Job {
  SegmentPointer segment;
  Reason reason = Reason::kSpace;
  std::vector<format::RecordSummary> summaries;
  std::size_t next = 0;
  bool appended = false;
  bool failed = false;  // not all of it could be looked at: it must stay
  std::uint64_t kept_bytes = 0;
  std::uint64_t window_start = 0;
  std::vector<std::byte> window;  // of the file: records are visited in order of offset
};

void Reclaimer::start() {
  log_.on_shortage([this] { hurry(); });
  schedule_tick();
}

void Reclaimer::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kTick, [this] {
    if (stopping_) return;
    schedule_tick();
    resting_ = false;
    look();
  });
}

void Reclaimer::hurry() {
  core_.env.log_loop.post([this] { look(); });
}

void Reclaimer::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!job_) {
    done();
    return;
  }
  stopped_ = std::move(done);
}

void Reclaimer::look() {
  if (job_ || stopping_ || resting_ || !core_.writable) return;
  std::vector<SegmentView> views;
  for (const SegmentPointer& segment : core_.segments.all()) {
    views.push_back({segment->id, segment->state == SegmentState::kSealed, segment->bytes,
                     segment->live_bytes, segment->reads, segment->highest_deadline_ms});
  }
  if (const auto expired = choose_expired(views, core_.clock.now_ms())) {
    begin(*expired, Reason::kExpired);
  } else if (log_.allocator().shortage_bytes() > 0 && !log_.index_is_full()) {
    if (const auto victim = choose_victim(views)) begin(*victim, Reason::kSpace);
  }
}

void Reclaimer::begin(std::uint64_t segment_id, Reason reason) {
  auto job = std::make_shared<Job>();
  job->segment = core_.segments.find(segment_id);
  job->reason = reason;
  if (!job->segment) return;
  job->segment->state = SegmentState::kReclaiming;
  job_ = job;
  core_.env.pool.run([this, job] {
    auto summaries = read_summaries(core_.store_id, core_.mac_key, *job->segment);
    if (summaries) job->summaries = std::move(*summaries);
    job->failed = !summaries.has_value();
    core_.env.log_loop.post([this, job] { step(job); });
  });
}

void Reclaimer::step(const std::shared_ptr<Job>& job) {
  for (std::size_t i = 0; i < kRecordsPerStep && job->next < job->summaries.size(); ++i) {
    visit(*job, job->summaries[job->next++]);
  }
  if (job->failed) {
    bump(core_.counters.io_errors);
    return give_up(*job);
  }
  if (job->next < job->summaries.size()) {
    core_.env.log_loop.post([this, job] { step(job); });
  } else {
    drop_when_durable(job);
  }
}

/// What can't be read may be a tombstone that is still needed: the segment stays, and is tried
/// again later. What was appended for its sake does no harm.
void Reclaimer::give_up(Job& job) {
  job.segment->state = SegmentState::kSealed;
  finish(Next::kTick);
}

void Reclaimer::drop_when_durable(const std::shared_ptr<Job>& job) {
  if (!job->appended) return drop_when_marked(job);
  log_.checkpoint([this, job](Result<void> done) {
    if (done) return drop_when_marked(job);
    give_up(*job);  // nothing may go while nothing is durable
  });
}

/// With the segment its sequences go, and perhaps the last mark. A mark that outlives it tells
/// the next start that the gap is no loss, even if the index is lost by then.
void Reclaimer::drop_when_marked(const std::shared_ptr<Job>& job) {
  Append mark = log_.make_mark();
  mark.ack = AckLevel::kDurable;
  mark.loop = &core_.env.log_loop;
  mark.handler = [this, job](Result<Appended> done) {
    if (done) return drop(job);
    give_up(*job);
  };
  core_.queue.append(std::move(mark));
}

void Reclaimer::visit(Job& job, const format::RecordSummary& summary) {
  switch (summary.type) {
    case format::RecordType::kPut:
      return visit_put(job, summary);
    case format::RecordType::kErase:
      return visit_erase(job, summary);
    case format::RecordType::kExpiry:
      return visit_expiry(job, summary);
    case format::RecordType::kFence:
      return visit_fence(job, summary);
    case format::RecordType::kVoid:  // its sequences are below what any later start replays
    case format::RecordType::kMark:
      return;
  }
}

void Reclaimer::visit_put(Job& job, const format::RecordSummary& summary) {
  Shard& shard = core_.shard(summary.mac);
  {
    const std::lock_guard lock(shard.mutex);
    const HotItem* item = shard.hot.peek(summary.mac);
    if (item != nullptr && item->entry->version == summary.version) {
      if (keep_hot(job, summary, shard, *item)) return;
      shard.hot.erase(summary.mac);
    }
    Row row;
    if (job.reason == Reason::kExpired && job.segment->has_later_expiries &&
        is_current(job, shard, summary, row)) {
      const bool alive = row.expires_at_ms == 0 || row.expires_at_ms > core_.clock.now_ms();
      if (alive && keep_put_off(job, summary, row)) return;
    }
  }
  // An older copy may lie in a segment that stays: without this it would come back to life
  // when the index is rebuilt. It kills what is older than the put, and nothing else.
  if (core_.segments.may_hold_older(summary.covers, summary.version, job.segment->id)) {
    append_again(job, summary);
  }
}

bool Reclaimer::keep_hot(Job& job, const format::RecordSummary& summary, Shard& shard,
                         const HotItem& item) {
  const std::int64_t now_ms = core_.clock.now_ms();
  if (item.expires_at_ms != 0 && item.expires_at_ms <= now_ms) return false;
  const bool put_off = job.reason == Reason::kExpired;
  if (!put_off && shard.hot.frequency(summary.mac).value_or(0) == 0) return false;
  if (!put_off && job.kept_bytes >= job.segment->bytes / kKeptShare) return false;
  const std::string_view value = item.entry->value();
  if (!put_off && value.size() > kMaxKeptValueBytes) return false;
  // The key's text is not kept in memory: it is in the record.
  auto record = read_record(job, summary);
  if (!record || record->meta.version != summary.version) return false;
  format::RecordMeta meta = meta_of_entry(*item.entry, item.space, item.expires_at_ms);
  meta.key = record->meta.key;
  meta.codec = record->meta.codec;
  Append again;
  again.record = format::encode_record(meta, record->payload);
  again.summary = summary;
  again.summary.flags = format::kFlagMoved;
  again.summary.expires_at_ms = item.expires_at_ms;
  again.survivor = true;
  again.bucket = bucket_until(item.expires_at_ms, meta.erase_by_ms, now_ms);
  job.kept_bytes += again.record.size();
  append(job, std::move(again));
  bump(core_.counters.reinserted_entries);
  return true;
}

/// Its expiry was put off beyond its segment's: it moves on with the expiry in force.
bool Reclaimer::keep_put_off(Job& job, const format::RecordSummary& summary, const Row& row) {
  auto record = read_record(job, summary);
  if (!record) {
    bump(core_.counters.damaged_reads);
    job.failed |= record.error().code == ErrorCode::kIo;
    return false;
  }
  format::RecordMeta meta = record->meta;
  meta.flags = format::kFlagMoved;
  meta.expires_at_ms = row.expires_at_ms;
  Append again;
  again.record = format::encode_record(meta, record->payload);
  again.summary = summary;
  again.summary.flags = format::kFlagMoved;
  again.summary.expires_at_ms = row.expires_at_ms;
  again.survivor = true;
  again.bucket = bucket_until(row.expires_at_ms, meta.erase_by_ms, core_.clock.now_ms());
  append(job, std::move(again));
  bump(core_.counters.reinserted_entries);
  return true;
}

/// Through a window that is read in large pieces: victims are walked in order of offset.
Result<format::DecodedRecord> Reclaimer::read_record(Job& job,
                                                     const format::RecordSummary& summary) {
  const bool inside = summary.offset >= job.window_start &&
                      summary.offset + summary.size <= job.window_start + job.window.size();
  if (!inside) {
    job.window.resize(std::max<std::size_t>(kWindowBytes, summary.size));
    auto got = job.segment->file->read_at(summary.offset, job.window);
    if (!got) {
      job.window.clear();
      return got.error();
    }
    job.window.resize(*got);
    job.window_start = summary.offset;
    if (*got < summary.size) return Error{ErrorCode::kIo, "the segment ends early"};
  }
  const std::span<const std::byte> bytes =
      std::span(job.window).subspan(summary.offset - job.window_start, summary.size);
  return format::decode_record(bytes, {core_.store_id, job.segment->id, summary.offset});
}

/// Under the shard's lock: whether the index's row is this record, and no change is on its
/// way. The log thread may wait for the disk here, and seldom does.
bool Reclaimer::is_current(Job& job, Shard& shard, const format::RecordSummary& summary, Row& row) {
  if (shard.pending.contains(summary.mac)) return false;
  const Lookup lookup = core_.index->find({summary.space, summary.mac}, Where::kAnywhere);
  job.failed |= lookup.status == LookupStatus::kFailed;
  if (lookup.status != LookupStatus::kFound || lookup.row.version != summary.version) return false;
  row = lookup.row;
  return !core_.fences.is_fenced(summary.space, row.version);
}

void Reclaimer::visit_erase(Job& job, const format::RecordSummary& summary) {
  if (core_.segments.may_hold_older(summary.covers, summary.version, job.segment->id)) {
    append_again(job, summary);
  }
}

void Reclaimer::visit_expiry(Job& job, const format::RecordSummary& summary) {
  Shard& shard = core_.shard(summary.mac);
  const std::lock_guard lock(shard.mutex);
  Row row;
  if (!is_current(job, shard, summary, row)) return;
  if (row.expiry_sequence != summary.sequence || row.segment_id == job.segment->id) return;
  format::RecordMeta meta;
  meta.type = format::RecordType::kExpiry;
  meta.space = summary.space;
  meta.mac = summary.mac;
  meta.version = summary.version;
  meta.created_ms = core_.clock.now_ms();
  meta.expires_at_ms = summary.expires_at_ms;
  Append again;
  again.record = format::encode_record(meta, {});
  again.summary = summary;
  again.bucket = bucket_until(summary.expires_at_ms, 0, meta.created_ms);
  append(job, std::move(again));
}

void Reclaimer::visit_fence(Job& job, const format::RecordSummary& summary) {
  if (!core_.segments.may_hold_older(1, summary.version, job.segment->id)) return;
  format::RecordMeta meta;
  meta.type = format::RecordType::kFence;
  meta.space = summary.space;
  meta.version = summary.version;
  meta.created_ms = core_.clock.now_ms();
  Append again;
  again.record = format::encode_record(meta, {});
  again.summary = summary;
  append(job, std::move(again));
}

/// A tombstone with the version of the record given, for what that one superseded or killed.
void Reclaimer::append_again(Job& job, const format::RecordSummary& summary) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kErase;
  meta.space = summary.space;
  meta.mac = summary.mac;
  meta.version = summary.version;
  meta.created_ms = core_.clock.now_ms();
  meta.covers = summary.covers;
  Append again;
  again.record = format::encode_record(meta, {});
  again.summary = summary;
  again.summary.type = format::RecordType::kErase;
  again.summary.flags = 0;
  append(job, std::move(again));
}

void Reclaimer::append(Job& job, Append append) {
  job.appended = true;
  append.summary.offset = 0;
  core_.queue.append(std::move(append));
}

void Reclaimer::drop(const std::shared_ptr<Job>& job) {
  Segment& segment = *job->segment;
  std::uint64_t entries = 0;
  for (const auto& [space, live] : segment.live_entries) {
    core_.live_counts.add(space, -static_cast<std::int64_t>(live));
    entries += live;
  }
  segment.live_entries.clear();
  core_.segments.remove(segment.id);
  if (job->reason == Reason::kExpired) {
    bump(core_.counters.expired_segments);
  } else {
    bump(core_.counters.evicted_segments);
    bump(core_.counters.evicted_entries, entries);
  }
  core_.env.pool.run([this, id = segment.id] {
    auto removed = core_.env.storage.remove(segment_path(id));
    if (removed) removed = core_.env.storage.sync_directory("segments");
    core_.env.log_loop.post([this, id, ok = removed.has_value()] {
      // Until its removal is durable it may come back, and still counts as a copy.
      if (ok) core_.segments.forget(id);
      if (!ok) bump(core_.counters.io_errors);
      finish(Next::kNow);
    });
  });
}

void Reclaimer::finish(Next next) {
  job_.reset();
  if (stopping_) {
    if (stopped_) std::exchange(stopped_, nullptr)();
    return;
  }
  log_.allocator().refill();
  if (next == Next::kTick) {
    resting_ = true;
    return;
  }
  log_.retry_parked();
  look();
}

}  // namespace kachel
