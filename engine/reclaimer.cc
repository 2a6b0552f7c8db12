#include "engine/reclaimer.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <utility>

#include "engine/lifetime_bucket.h"
#include "engine/reclaim_policy.h"
#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kReclaimerTick{500};
constexpr std::size_t kRecordsPerStretch = 256;
// What is taken over from a victim for its worth, as a share of it: the rest of its bytes is the
// gain.
constexpr std::uint64_t kKeptShare = 4;  // a quarter
constexpr std::size_t kWindowBytes = 512 * 1024;
constexpr std::uint64_t kMaxKeptValueBytes = kMiB;
constexpr std::int64_t kLastMomentMs = 1'000;  // looks are half a second apart
// Of a segment's bytes, under holds: so many, and giving it up makes too little room.
constexpr std::uint64_t kMostNumerator = 3;
constexpr std::uint64_t kMostDenominator = 4;
// Of a segment's bytes: with no more than that alive, all of it is moved on rather than evicted.
constexpr std::uint64_t kPackedShare = 3;  // a third
// As often as a segment takes typically: with less time left before its deadline, nothing but that
// counts.
constexpr std::int64_t kPressingShare = 4;

/// Of computing it anew. Where only its tokens are known: as of a model that takes a dollar for a
/// million of them in, and four out. 0: not known.
std::uint64_t cost_of(const format::RecordMeta& meta) {
  constexpr std::uint64_t kMicroUsdOut = 4;
  if (meta.cost_micro_usd != 0) return meta.cost_micro_usd;
  return meta.tokens_in + kMicroUsdOut * meta.tokens_out;
}

}  // namespace

struct Reclaimer::Job {
  SegmentPointer segment;
  Reason reason = Reason::kSpace;
  std::vector<format::RecordSummary> summaries;
  std::size_t next = 0;
  std::int64_t began_ns = 0;
  bool looks_for_survivors = false;  // beyond what is hot, or held
  bool appended = false;
  bool gone = false;               // all but its file
  bool failed = false;             // not all of it could be looked at: it must stay
  bool held_dropped = false;       // a copy for a hold has found no room: it must stay
  std::uint64_t holds_placed = 0;  // when it began
  std::uint64_t read_bytes = 0;
  std::uint64_t kept_bytes = 0;
  std::int64_t rested_ms = 0;
  std::uint64_t window_start = 0;
  ZeroizingBytes window;  // of the file: records are visited in order of offset
  std::map<std::uint64_t, Encoding> encodings;      // by offset, of the stretch at hand
  boost::unordered_flat_set<std::uint64_t> worthy;  // offsets of what is kept though room is short
  std::vector<std::pair<Mac, std::uint64_t>> dropped;  // what was to live on and finds no room
};

void Reclaimer::start() {
  log_.on_shortage([this] { hurry(); });
  schedule_tick();
}

void Reclaimer::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kReclaimerTick, [this] {
    if (stopping_) return;
    schedule_tick();
    resting_ = false;
    queue_presses_ =
        is_pressing(views(), core_.clock.now_ms() + core_.index_debt.margin_ms(), cost());
    remove_leftovers();
    look();
  });
}

void Reclaimer::hurry() {
  core_.env.log_loop.post([this] { look(); });
}

void Reclaimer::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!job_ && !removing_) {
    done();
    return;
  }
  stopped_ = std::move(done);
  if (job_ && job_->gone) remove_leftovers();  // a snapshot may have kept it from that
}

std::vector<SegmentView> Reclaimer::views() const {
  std::vector<SegmentView> views;
  for (const SegmentPointer& segment : core_.segments.all()) {
    views.push_back({segment->id, segment->state == SegmentState::kSealed, segment->bytes,
                     segment->live_bytes, segment->reads, segment->highest_deadline_ms,
                     segment->state == SegmentState::kOpen, segment->created_ms, segment->due_ms,
                     held_share_of(core_, *segment)});
  }
  return views;
}

ReclaimCost Reclaimer::cost() const {
  return {core_.erasure_work.reclaim_ms, core_.erasure_work.rewrite_us_per_kib};
}

void Reclaimer::look() {
  if (job_ || stopping_ || resting_ || !core_.writable) return;
  const std::vector<SegmentView> views = this->views();
  const std::int64_t now_ms = core_.clock.now_ms();
  if (const auto expired = choose_expired(views, now_ms)) return begin(*expired, Reason::kExpired);
  if (log_.index_is_full()) return;
  // Its rows leave the index's files after it, and by the same deadline.
  const std::int64_t margin_ms = core_.index_debt.margin_ms();
  if (const auto due = choose_due(views, now_ms + margin_ms, cost())) {
    const SegmentPointer segment = core_.segments.find(*due);
    if (segment->state == SegmentState::kSealed) return begin(*due, Reason::kDue);
    log_.close_segment(*due);
  }
  if (log_.allocator().shortage_bytes() > 0) {
    if (const auto victim = choose_victim(views)) return begin(*victim, Reason::kSpace);
  }
  core_.erasure_work.reclaim_fails = false;  // what has failed is gone by other ways
}

void Reclaimer::begin(std::uint64_t segment_id, Reason reason) {
  auto job = std::make_shared<Job>();
  job->segment = core_.segments.find(segment_id);
  job->reason = reason;
  job->began_ns = core_.env.clock.monotonic_ns();
  if (!job->segment) return;
  job->holds_placed = core_.holds.placed();
  job->looks_for_survivors = reason == Reason::kDue || job->segment->has_later_expiries;
  job->segment->state = SegmentState::kReclaiming;
  core_.read_latency.set_reclaiming(true);
  job_ = job;
  core_.env.pool.run([this, job] {
    auto summaries = read_summaries(core_.store_id, core_.mac_key, *job->segment);
    if (summaries) job->summaries = std::move(*summaries);
    job->failed = !summaries.has_value();
    const bool is_for_room = job->reason == Reason::kSpace && !job->looks_for_survivors;
    if (is_for_room && !is_mostly_dead(*job)) appraise(*job);
    core_.env.log_loop.post([this, job] { step(job); });
  });
}

void Reclaimer::step(const std::shared_ptr<Job>& job) {
  if (job->next == 0 && !job->failed && assess_holds(*job)) {
    job->segment->state = SegmentState::kSealed;
    return finish(Next::kNow);
  }
  if (job->next == 0 && job->reason == Reason::kSpace) {
    job->looks_for_survivors |= is_mostly_dead(*job);
  }
  if (job->failed) {
    bump(core_.counters.io_errors);
    return give_up(*job);
  }
  if (job->next == job->summaries.size()) return drop_when_durable(job);
  const std::size_t end = end_of_stretch(*job);
  const Stretch stretch{end, core_.env.clock.monotonic_ns(), job->read_bytes + job->kept_bytes};
  core_.env.pool.run([this, job, stretch, pressed = is_pressed(*job)] {
    prepare(*job, stretch.end, pressed);
    core_.env.log_loop.post([this, job, stretch] { visit_stretch(job, stretch); });
  });
}

/// For room, or for time: rests are for when nobody waits.
bool Reclaimer::is_pressed(const Job& job) const {
  const std::int64_t needed_ms =
      kPressingShare * core_.erasure_work.reclaim_ms + core_.index_debt.margin_ms();
  const std::int64_t due_ms = job.segment->due_ms;
  return job.reason == Reason::kSpace || stopping_ || queue_presses_ ||
         (due_ms != 0 && due_ms - needed_ms < core_.clock.now_ms());
}

bool Reclaimer::is_mostly_dead(const Job& job) {
  std::uint64_t bytes = 0;
  for (const format::RecordSummary& summary : job.summaries)
    bytes += summary.size;
  return job.segment->live_bytes * kPackedShare <= bytes;
}

/// As many records as are looked at without letting others in between.
std::size_t Reclaimer::end_of_stretch(const Job& job) const {
  const std::uint64_t limit = job.summaries[job.next].offset + kWindowBytes;
  std::size_t end = job.next + 1;
  while (end < job.summaries.size() && end - job.next < kRecordsPerStretch &&
         job.summaries[end].offset + job.summaries[end].size <= limit)
    ++end;
  return end;
}

void Reclaimer::visit_stretch(const std::shared_ptr<Job>& job, const Stretch& stretch) {
  while (job->next < stretch.end)
    visit(*job, job->summaries[job->next++]);
  job->encodings.clear();
  const std::uint64_t bytes = job->read_bytes + job->kept_bytes - stretch.bytes_before;
  const std::int64_t took_ms = (core_.env.clock.monotonic_ns() - stretch.began_ns) / 1'000'000;
  rest(job, pace_.duration_ms(bytes) - took_ms);
}

/// In pieces: meanwhile a deadline may have come near.
void Reclaimer::rest(const std::shared_ptr<Job>& job, std::int64_t left_ms) {
  if (left_ms <= 0 || is_pressed(*job)) {
    return core_.env.log_loop.post([this, job] { step(job); });
  }
  const std::int64_t piece_ms = std::min<std::int64_t>(left_ms, kReclaimerTick.count());
  job->rested_ms += piece_ms;
  core_.env.log_loop.schedule_after(
      std::chrono::milliseconds(piece_ms),
      [this, job, left_ms, piece_ms] { rest(job, left_ms - piece_ms); });
}

/// What can't be read may be a tombstone that is still needed: the segment stays, and is tried
/// again later. What was appended for its sake does no harm.
void Reclaimer::give_up(Job& job) {
  core_.erasure_work.reclaim_fails = true;
  leave(job);
}

void Reclaimer::leave(Job& job) {
  // Not before the index knows the copies that were made: until then an erase has to.
  log_.when_applied([segment = job.segment] { segment->state = SegmentState::kSealed; });
  finish(Next::kTick);
}

void Reclaimer::drop_when_durable(const std::shared_ptr<Job>& job) {
  if (!job->appended) return drop_when_marked(job);
  log_.checkpoint([this, job](Result<void> done) {
    // Nothing may go while nothing is durable; and what is to live on does not go for want of
    // room before the deadline asks for it.
    const bool waits =
        !job->dropped.empty() && job->reason == Reason::kDue &&
        core_.clock.now_ms() + core_.index_debt.margin_ms() + kLastMomentMs < job->segment->due_ms;
    if (done && !waits && !job->held_dropped) return drop_when_marked(job);
    give_up(*job);
  });
}

/// With the segment its sequences go, and perhaps the last mark. A mark that outlives it tells
/// the next start that the gap is no loss, even if the index is lost by then.
void Reclaimer::drop_when_marked(const std::shared_ptr<Job>& job) {
  Append mark = log_.make_mark();
  mark.ack = AckLevel::kDurable;
  mark.loop = &core_.env.log_loop;
  mark.handler = [this, job](Result<Appended> done) {
    if (!done) return give_up(*job);
    // A hold that was placed meanwhile may be of what was passed over.
    if (job->holds_placed != core_.holds.placed()) return leave(*job);
    drop(job);
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
    case format::RecordType::kScopeFence:
      return visit_scope_fence(job, summary);
    case format::RecordType::kHold:
      return visit_hold(job, summary);
    case format::RecordType::kRelease:
      return visit_release(job, summary);
    case format::RecordType::kVoid:  // its sequences are below what any later start replays
    case format::RecordType::kMark:
      return;
  }
}

void Reclaimer::visit_put(Job& job, const format::RecordSummary& summary) {
  if ((summary.flags & format::kFlagHeld) != 0) return keep_held(job, summary);
  if (keep(job, summary)) return;
  note_dead_sample(summary);
  keep_held(job, summary);
  // An older copy may lie in a segment that stays: without this it would come back to life
  // when the index is rebuilt. It kills what is older than the put, and nothing else.
  const std::uint64_t kills = is_last_copy(job, summary) ? summary.sequence : summary.version;
  if (core_.segments.may_hold_older(summary.covers, kills, job.segment->id)) {
    append_again(job, summary, kills);
  }
}

/// It goes, or has been dead before: so do the dictionaries that were trained on it.
void Reclaimer::note_dead_sample(const format::RecordSummary& summary) {
  if (!core_.dictionaries.is_sample(summary.mac, summary.version)) return;
  // Not when another copy is the one that counts: a reclaim that was given up has left this behind.
  const Lookup lookup = core_.index->find({summary.space, summary.mac}, Where::kAnywhere);
  if (lookup.status == LookupStatus::kFound && lookup.row.version == summary.version &&
      lookup.row.sequence != summary.sequence) {
    return;
  }
  const std::int64_t due_ms = deadline_after(core_.clock.now_ms(), core_.erase_within_ms);
  core_.dictionaries.note_death(summary.mac, summary.version, due_ms, core_.segments);
}

/// Of a copy that a reclaim has made: whether the entry goes with it. What it was copied from may
/// lie there still, for a crash or an error, with an expiry that has been shortened since.
bool Reclaimer::is_last_copy(Job& job, const format::RecordSummary& summary) {
  if (summary.sequence == summary.version) return true;
  Shard& shard = core_.shard(summary.mac);
  const std::lock_guard lock(shard.mutex);
  if (shard.pending.contains(summary.mac)) return false;
  const Lookup lookup = core_.index->find({summary.space, summary.mac}, Where::kAnywhere);
  job.failed |= lookup.status == LookupStatus::kFailed;
  return lookup.status == LookupStatus::kAbsent ||
         (lookup.status == LookupStatus::kFound && lookup.row.version == summary.version &&
          lookup.row.segment_id == job.segment->id);
}

/// Writes it anew where it is to outlive the segment.
bool Reclaimer::keep(Job& job, const format::RecordSummary& summary) {
  Shard& shard = core_.shard(summary.mac);
  const std::lock_guard lock(shard.mutex);
  const std::lock_guard gate(core_.fences.gate());
  const HotItem* item = shard.hot.peek(summary.mac);
  const bool is_hot = item != nullptr && item->entry->version == summary.version;
  const bool is_kept = is_held(summary);
  const bool is_worthy = job.worthy.contains(summary.offset);
  if (job.reason == Reason::kSpace && !is_kept && !job.looks_for_survivors && !is_worthy) {
    if (is_hot) shard.hot.erase(summary.mac);
    return false;
  }
  // An expiry that was put off may not have come to the books yet.
  const bool lives_on = job.looks_for_survivors || job.segment->has_later_expiries || is_kept ||
                        is_worthy || shard.pending.contains(summary.mac);
  Row row;
  if (!lives_on || !is_current(job, shard, summary, row)) return false;
  // Another copy is the one that counts: a reclaim that was given up has left this one behind.
  if (row.segment_id != job.segment->id || row.offset != summary.offset) return false;
  const bool alive = row.expires_at_ms == 0 || row.expires_at_ms > core_.clock.now_ms();
  // What has to be gone by then itself is not carried on until then.
  const bool goes_too = row.erase_by_ms != 0 && row.erase_by_ms <= job.segment->due_ms;
  if (alive && !goes_too && keep_cold(job, summary, row)) return true;
  if (is_hot) shard.hot.erase(summary.mac);
  return false;
}

/// It moves on, with the expiry in force.
bool Reclaimer::keep_cold(Job& job, const format::RecordSummary& summary, const Row& row) {
  auto record = read_record(job, summary);
  if (!record) {
    note_unreadable(core_, *job.segment);
    // Of what is only worth keeping, one less: that is no reason for the segment to stay.
    job.failed |= record.error().code == ErrorCode::kIo && !job.worthy.contains(summary.offset);
    return false;
  }
  return append_copy(job, summary, *record, row.expires_at_ms);
}

/// What of a victim is worth a place elsewhere. Costs are in its records: it is read for them, but
/// not where the first stretch knows of none. Pool thread, while the log thread leaves the job
/// alone.
void Reclaimer::appraise(Job& job) const {
  std::vector<KeepCandidate> candidates;
  bool has_costs = false;
  for (std::size_t i = 0; i < job.summaries.size(); ++i) {
    const format::RecordSummary& summary = job.summaries[i];
    const bool is_put = summary.type == format::RecordType::kPut;
    if (!is_put || (summary.flags & format::kFlagHeld) != 0) continue;
    if (summary.raw_bytes > kMaxKeptValueBytes) continue;
    KeepCandidate candidate{i, summary.size, 0, uses_of(summary)};
    if (has_costs || i < kRecordsPerStretch) {
      const auto record = read_record(job, summary);
      if (!record && record.error().code == ErrorCode::kIo) return;  // room is needed all the same
      if (record) candidate.cost = cost_of(record->meta);
      has_costs |= candidate.cost != 0;
    }
    candidates.push_back(candidate);
  }
  const std::uint64_t room = job.segment->bytes / kKeptShare;
  std::uint64_t taken = 0;
  for (const KeepCandidate& candidate : choose_kept(candidates)) {
    if (taken >= room) return;
    const format::RecordSummary& summary = job.summaries[candidate.id];
    if (!is_in_index(job, summary)) continue;
    job.worthy.insert(summary.offset);
    taken += candidate.bytes;
  }
}

/// In the hot tier; 0 for what is not there.
unsigned Reclaimer::uses_of(const format::RecordSummary& summary) const {
  const Shard& shard = core_.shard(summary.mac);
  const std::lock_guard lock(shard.mutex);
  const HotItem* item = shard.hot.peek(summary.mac);
  if (item == nullptr || item->entry->version != summary.version) return 0;
  return shard.hot.frequency(summary.mac).value_or(0);
}

/// Reads a stretch, and compresses anew what of it is likely to be written anew, so that neither
/// is the log thread's to do. Pool thread, while the log thread leaves the job alone.
void Reclaimer::prepare(Job& job, std::size_t end, bool pressed) const {
  const ReclaimEncoder encoder(core_, *job.segment);
  for (std::size_t i = job.next; i < end; ++i) {
    const format::RecordSummary& summary = job.summaries[i];
    if (summary.type != format::RecordType::kPut) continue;
    const Fate fate = likely_fate(job, summary);
    if (fate == Fate::kGone) continue;
    auto record = read_record(job, summary);
    if (!record) continue;  // whoever visits it finds out as well
    auto encoding = fate == Fate::kHeldOnly ? encoder.encode_held(*record)
                                            : encoder.encode_copy(*record, pressed);
    if (encoding) job.encodings.emplace(summary.offset, std::move(*encoding));
  }
}

bool Reclaimer::is_in_index(const Job& job, const format::RecordSummary& summary) const {
  const Lookup lookup = core_.index->find({summary.space, summary.mac}, Where::kAnywhere);
  return lookup.status == LookupStatus::kFound && lookup.row.segment_id == job.segment->id &&
         lookup.row.offset == summary.offset;
}

Reclaimer::Fate Reclaimer::likely_fate(const Job& job, const format::RecordSummary& summary) const {
  const bool held = is_held(summary);
  if ((summary.flags & format::kFlagHeld) != 0) return held ? Fate::kHeldOnly : Fate::kGone;
  const bool is_worthy = job.worthy.contains(summary.offset);
  if (!held && !job.looks_for_survivors && !is_worthy) return Fate::kGone;
  if (is_in_index(job, summary)) return Fate::kCopied;
  return held ? Fate::kHeldOnly : Fate::kGone;
}

/// How the payload is written anew, for an entry that dies at `death_ms` (0: never): as prepared,
/// or as it is. Nothing when it can't be read.
std::optional<Encoding> Reclaimer::encoding_of(Job& job, const format::RecordSummary& summary,
                                               const format::DecodedRecord& record,
                                               std::int64_t death_ms) {
  const ReclaimEncoder encoder(core_, *job.segment);
  const auto prepared = job.encodings.find(summary.offset);
  if (prepared != job.encodings.end() && encoder.may_use(prepared->second, death_ms)) {
    bump(core_.counters.reencoded_entries);
    return std::move(prepared->second);
  }
  Encoding as_it_is = encoder.as_it_is(record);
  return encoder.may_use(as_it_is, death_ms) ? std::move(as_it_is)
                                             : encoder.without_dictionary(record);
}

/// The same where there is no dictionary.
std::optional<Encoding> Reclaimer::held_encoding_of(Job& job, const format::RecordSummary& summary,
                                                    const format::DecodedRecord& record) {
  const ReclaimEncoder encoder(core_, *job.segment);
  const auto prepared = job.encodings.find(summary.offset);
  if (prepared != job.encodings.end() && !prepared->second.dictionary) {
    bump(core_.counters.reencoded_entries);
    return std::move(prepared->second);
  }
  Encoding as_it_is = encoder.as_it_is(record);
  return as_it_is.codec == format::Codec::kZstdDictionary ? encoder.without_dictionary(record)
                                                          : std::move(as_it_is);
}

/// Through a window that is read in large pieces: victims are walked in order of offset.
Result<format::DecodedRecord> Reclaimer::read_record(Job& job,
                                                     const format::RecordSummary& summary) const {
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
    job.read_bytes += *got;
    job.window_start = summary.offset;
    if (*got < summary.size) return Error{ErrorCode::kIo, "the segment ends early"};
  }
  const std::span<const std::byte> bytes =
      std::span(job.window).subspan(summary.offset - job.window_start, summary.size);
  return format::decode_record(bytes, {core_.store_id, job.segment->id, summary.offset});
}

/// Under the shard's lock: whether the entry is this record's; the index's row, with the expiry
/// that is on its way. The log thread may wait for the disk here, and seldom does.
bool Reclaimer::is_current(Job& job, Shard& shard, const format::RecordSummary& summary, Row& row) {
  const auto pending = shard.pending.find(summary.mac);
  const bool is_pending = pending != shard.pending.end();
  if (is_pending && (pending->second.erased || pending->second.version != summary.version)) {
    return false;
  }
  const Lookup lookup = core_.index->find({summary.space, summary.mac}, Where::kAnywhere);
  job.failed |= lookup.status == LookupStatus::kFailed;
  if (lookup.status != LookupStatus::kFound || lookup.row.version != summary.version) return false;
  row = lookup.row;
  if (is_pending) row.expires_at_ms = pending->second.expires_at_ms;
  return !core_.fences.is_fenced(summary.space, row.version, row.tags);
}

void Reclaimer::visit_erase(Job& job, const format::RecordSummary& summary) {
  if (core_.segments.may_hold_older(summary.covers, summary.version, job.segment->id)) {
    append_again(job, summary, summary.version);
  }
}

void Reclaimer::visit_expiry(Job& job, const format::RecordSummary& summary) {
  Shard& shard = core_.shard(summary.mac);
  const std::lock_guard lock(shard.mutex);
  Row row;
  if (shard.pending.contains(summary.mac)) return;  // a change that comes after this one
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
  append(job, fence_record({summary.space, {}, summary.version, core_.clock.now_ms()}));
}

/// While the eraser has not let go of it.
void Reclaimer::visit_scope_fence(Job& job, const format::RecordSummary& summary) {
  const auto fence = core_.fences.scope_fence(summary.mac);
  if (fence && fence->version == summary.version) append(job, fence_record(*fence));
}

void Reclaimer::visit_hold(Job& job, const format::RecordSummary& summary) {
  const std::lock_guard gate(core_.fences.gate());  // a release comes after this copy, or before
  const auto hold = core_.holds.find(summary.mac);
  if (hold) append(job, hold_record(*hold, core_.clock.now_ms()));
}

/// While a record of its hold may be left.
void Reclaimer::visit_release(Job& job, const format::RecordSummary& summary) {
  if (!core_.segments.may_hold_older(1, summary.version, job.segment->id)) return;
  append(job,
         release_record(summary.space.tenant, summary.mac, summary.version, core_.clock.now_ms()));
}

// ---- holds ---------------------------------------------------------------------------------

bool Reclaimer::is_held(const format::RecordSummary& summary) const {
  return core_.holds.is_held(summary.space.tenant, summary.tags);
}

/// Whether, for the holds there are, it is not worth while to give the segment up.
bool Reclaimer::assess_holds(Job& job) {
  Segment& segment = *job.segment;
  const std::uint64_t generation = core_.holds.generation();
  if (segment.held_generation.exchange(generation) != generation) segment.held_copies.clear();
  segment.held = HeldShare::kUnknown;
  if (core_.holds.size() == 0) return false;
  if (segment.has_due_dictionary()) return false;
  std::uint64_t held_bytes = 0;
  std::uint64_t free_bytes = 0;
  for (const format::RecordSummary& summary : job.summaries) {
    if (summary.type != format::RecordType::kPut) continue;
    (is_held(summary) ? held_bytes : free_bytes) += summary.size;
  }
  if (held_bytes == 0) return false;
  if (free_bytes == 0) {
    segment.held = HeldShare::kAll;
  } else if (held_bytes * kMostDenominator > segment.bytes * kMostNumerator) {
    segment.held = HeldShare::kMost;
  }
  return segment.held == HeldShare::kAll ||
         (segment.held == HeldShare::kMost && job.reason == Reason::kSpace);
}

/// Dead, or no longer to be served from here: only its bytes are kept.
void Reclaimer::keep_held(Job& job, const format::RecordSummary& summary) {
  const std::lock_guard gate(core_.fences.gate());  // as for visit_hold()
  if (!is_held(summary) || job.segment->held_copies.contains(summary.offset)) return;
  auto record = read_record(job, summary);
  if (record) return append_held_copy(job, summary, *record);
  note_unreadable(core_, *job.segment);
  job.failed |= record.error().code == ErrorCode::kIo || job.segment->is_arriving;
}

/// A tombstone for what the record given superseded or killed: whatever is below `version`.
void Reclaimer::append_again(Job& job, const format::RecordSummary& summary,
                             std::uint64_t version) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kErase;
  meta.space = summary.space;
  meta.mac = summary.mac;
  meta.version = version;
  meta.created_ms = core_.clock.now_ms();
  meta.covers = summary.covers;
  Append again;
  again.record = format::encode_record(meta, {});
  // What the record has, and nothing of the put that it stands for.
  again.summary.type = format::RecordType::kErase;
  again.summary.space = summary.space;
  again.summary.mac = summary.mac;
  again.summary.version = version;
  again.summary.covers = summary.covers;
  append(job, std::move(again));
}

void Reclaimer::append(Job& job, Append append) {
  job.appended = true;
  append.summary.offset = 0;
  bump(core_.counters.reclaim_write_bytes, append.record.size());
  core_.queue.append(std::move(append));
}

/// A copy of an entry that lives on, with the expiry in force. It may find no room. False when its
/// value can't be read any more.
bool Reclaimer::append_copy(Job& job, const format::RecordSummary& summary,
                            const format::DecodedRecord& record, std::int64_t expires_at_ms) {
  format::RecordMeta meta = record.meta;
  const auto encoding = encoding_of(job, summary, record, earlier(expires_at_ms, meta.erase_by_ms));
  if (!encoding) {
    note_unreadable(core_, *job.segment);
    return false;
  }
  meta.flags = format::kFlagMoved;
  meta.codec = encoding->codec;
  meta.expires_at_ms = expires_at_ms;
  Append copy;
  copy.record = format::encode_record(meta, encoding->payload);
  copy.dictionary = encoding->dictionary;
  copy.summary = summary;
  copy.summary.flags = format::kFlagMoved;
  copy.summary.expires_at_ms = expires_at_ms;
  copy.survivor = true;
  copy.bucket = bucket_until(expires_at_ms, meta.erase_by_ms, core_.clock.now_ms());
  copy.ack = AckLevel::kWritten;
  copy.loop = &core_.env.log_loop;
  copy.handler = [job = job_, held = is_held(summary), mac = summary.mac,
                  version = summary.version](Result<Appended> done) {
    job->held_dropped |= held && (!done || *done == Appended::kDropped);
    if (done && *done == Appended::kDropped) job->dropped.emplace_back(mac, version);
  };
  job.kept_bytes += copy.record.size();
  append(job, std::move(copy));
  bump(core_.counters.reinserted_entries);
  return true;
}

/// It keeps all that the record says; where it lies, it has no deadline.
void Reclaimer::append_held_copy(Job& job, const format::RecordSummary& summary,
                                 const format::DecodedRecord& record) {
  const auto encoding = held_encoding_of(job, summary, record);
  if (!encoding) {
    note_unreadable(core_, *job.segment);
    return;
  }
  format::RecordMeta meta = record.meta;
  meta.flags = format::kFlagMoved | format::kFlagHeld;
  meta.codec = encoding->codec;
  Append copy;
  copy.record = format::encode_record(meta, encoding->payload);
  copy.summary = summary;
  copy.summary.flags = meta.flags;
  copy.summary.expires_at_ms = 0;
  copy.summary.erase_by_ms = 0;
  copy.summary.covers = 0;
  copy.survivor = true;
  copy.bucket = kHeldBucket;
  copy.ack = AckLevel::kWritten;
  copy.loop = &core_.env.log_loop;
  copy.handler = [job = job_, offset = summary.offset](Result<Appended> done) {
    const bool is_written = done && *done == Appended::kDone;
    job->held_dropped |= !is_written;
    if (is_written) job->segment->held_copies.insert(offset);
  };
  append(job, std::move(copy));
}

/// Of what was written anew, if that was enough to tell.
void Reclaimer::note_cost(const Job& job, std::int64_t worked_ms) {
  constexpr std::uint64_t kTellingBytes = std::uint64_t{256} * 1024;
  if (job.kept_bytes < kTellingBytes) return;
  const auto kept_kib = static_cast<std::int64_t>(job.kept_bytes / 1024);
  std::atomic<std::int64_t>& cost = core_.erasure_work.rewrite_us_per_kib;
  cost = (cost * 3 + std::max<std::int64_t>(0, worked_ms) * 1000 / kept_kib) / 4;
}

void Reclaimer::drop(const std::shared_ptr<Job>& job) {
  Segment& segment = *job->segment;
  // Or a read would find what a kill makes go away.
  for (const auto& [mac, version] : job->dropped) {
    Shard& shard = core_.shard(mac);
    const std::lock_guard lock(shard.mutex);
    const HotItem* item = shard.hot.peek(mac);
    if (item != nullptr && item->entry->version == version) shard.hot.erase(mac);
  }
  std::uint64_t entries = 0;
  for (const auto& [space, live] : segment.live) {
    core_.live_counts.remove(space, live);
    entries += live.entries;
  }
  segment.live.clear();
  const std::int64_t took_ms = (core_.env.clock.monotonic_ns() - job->began_ns) / 1'000'000;
  core_.erasure_work.reclaim_ms = (core_.erasure_work.reclaim_ms * 3 + took_ms) / 4;
  note_cost(*job, took_ms - job->rested_ms);
  core_.erasure_work.reclaim_fails = false;
  if (job->reason == Reason::kExpired) {
    bump(core_.counters.expired_segments);
  } else if (job->reason == Reason::kDue) {
    bump(core_.counters.due_segments);
    if (segment.due_ms < core_.clock.now_ms()) bump(core_.counters.overdue_segments);
  } else {
    bump(core_.counters.evicted_segments);
    bump(core_.counters.evicted_entries, entries);
  }
  const std::int64_t due_ms = segment.due_ms;
  const std::int64_t evicted_ms = deadline_after(core_.clock.now_ms(), core_.erase_within_ms);
  core_.index_debt.note_leaving(due_ms != 0 ? due_ms : evicted_ms);
  core_.segments.remove(segment.id);  // whoever misses an entry finds it counted
  leftovers_.push_back(segment.id);
  job->gone = true;
  remove_leftovers();
}

/// The files of what is dropped; again at each tick those that could not be removed.
void Reclaimer::remove_leftovers() {
  if (removing_ || leftovers_.empty() || core_.snapshots.is_taking) return;
  removing_ = true;
  core_.env.pool.run([this, ids = leftovers_] {
    bool ok = true;
    for (const std::uint64_t id : ids) {
      const auto removed = core_.env.storage.remove(segment_path(id));
      ok &= removed || removed.error().code == ErrorCode::kNotFound;
    }
    ok = ok && core_.env.storage.sync_directory("segments");
    core_.env.log_loop.post([this, ids, ok] { on_removed(ids, ok); });
  });
}

void Reclaimer::on_removed(const std::vector<std::uint64_t>& ids, bool ok) {
  removing_ = false;
  core_.erasure_work.reclaim_fails = !ok;
  if (ok) {
    // Until its removal is durable it may come back, and still counts as a copy.
    for (const std::uint64_t id : ids)
      core_.segments.forget(id);
    leftovers_.erase(leftovers_.begin(),
                     leftovers_.begin() + static_cast<std::ptrdiff_t>(ids.size()));
    core_.index_debt.note_left(leftovers_.empty());
  } else {
    bump(core_.counters.io_errors);
  }
  if (job_ && job_->gone) {
    const bool tried = std::find(ids.begin(), ids.end(), job_->segment->id) != ids.end();
    return tried ? finish(Next::kNow) : remove_leftovers();
  }
  if (stopping_ && !job_ && stopped_) std::exchange(stopped_, nullptr)();
}

void Reclaimer::finish(Next next) {
  job_.reset();
  core_.read_latency.set_reclaiming(false);
  if (stopping_) {
    if (stopped_ && !removing_) std::exchange(stopped_, nullptr)();
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
