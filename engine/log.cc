#include "engine/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/stored_entry.h"

namespace kachel {
namespace {
// In relaxed mode a batch is written when it has this size, or at the interval.
constexpr std::uint64_t kRelaxedBatchBytes = kMiB;
// A record whose write failed is placed anew this often before it is parked.
constexpr int kPlaceAttempts = 3;
// Each may have some microseconds of work behind it.
constexpr std::ptrdiff_t kAnswersAtOnce = 32;
constexpr const char* kCannotErase = "the device failed to sync; nothing can be erased durably";
}  // namespace

Log::Log(Core& core, Identity& identity, Applier& applier, std::uint64_t next_segment_id)
    : core_(core),
      identity_(identity),
      applier_(applier),
      allocator_(core, identity, next_segment_id),
      open_(core, allocator_) {}

void Log::start(std::uint64_t through, const std::vector<std::uint64_t>& spares) {
  taken_through_ = through;
  written_through_ = through;
  flushed_through_ = 0;
  core_.durable_through = through;
  applier_.set_applied_through(through);
  core_.queue.on_first([this] { wake(); });
  allocator_.adopt(spares);
  allocator_.refill();
  schedule_tick();
}

void Log::wake() {
  if (turn_posted_.exchange(true)) return;
  core_.env.log_loop.post([this] { turn(); });
}

void Log::turn() {
  turn_posted_ = false;
  const bool relaxed = core_.options.durability == Durability::kRelaxed;
  if (relaxed && !stopping_ && core_.queue.staged_bytes() < kRelaxedBatchBytes &&
      !core_.queue.take_urgent()) {
    if (relaxed_timer_set_) return;
    relaxed_timer_set_ = true;
    relaxed_timer_ = core_.env.log_loop.schedule_after(core_.options.relaxed_interval, [this] {
      relaxed_timer_set_ = false;
      write_batch();
    });
    return;
  }
  write_batch();
}

void Log::write_batch() {
  std::vector<Append> batch = std::exchange(parked_, {});
  const bool mark = wants_mark();
  std::vector<Append> fresh =
      core_.queue.take(mark ? std::function<Append()>([this] { return make_mark(); }) : nullptr);
  if (!fresh.empty()) mark_due_ = false;
  std::move(fresh.begin(), fresh.end(), std::back_inserter(batch));
  if (batch.empty()) {
    core_.queue.resume_waiters();
    return;
  }
  if (!core_.writable) {
    reject(batch);
    return;
  }
  Places places(batch.size());
  for (int attempt = 0; attempt < kPlaceAttempts; ++attempt) {
    place_all(batch, places);
    if (write_placed(batch, places)) break;
  }
  finish_batch(batch, places);
}

void Log::place_all(std::vector<Append>& batch, Places& places) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (places[i]) continue;
    auto placed = open_.place(batch[i]);
    if (!placed && batch[i].summary.type == format::RecordType::kPut) {
      if (hurry_) hurry_();
      if ((batch[i].summary.flags & format::kFlagMoved) != 0) {
        drop_survivor(batch[i]);
      } else {
        turn_into_erase(batch[i]);
      }
      placed = open_.place(batch[i]);
    }
    if (placed) places[i] = *placed;
  }
}

bool Log::write_placed(std::vector<Append>& batch, Places& places) {
  bool all = true;
  for (OpenSegments::Outcome& outcome : open_.write()) {
    // After a failure, too: what was cut off must stay so before the same sequences, perhaps as
    // something else, are durable elsewhere.
    note_dirty(outcome.segment);
    if (outcome.result) continue;
    all = false;
    // What an earlier attempt wrote into it is there, and stays.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool failed = batch[i].summary.offset >= outcome.segment->data_end;
      if (places[i] == outcome.segment && failed) places[i] = nullptr;
    }
  }
  return all;
}

/// A put that finds no room is dropped, as a cache may; what it replaced must go as well. The
/// erase takes the put's sequence, so that the log has no hole.
void Log::turn_into_erase(Append& append) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kErase;
  meta.space = append.summary.space;
  meta.mac = append.summary.mac;
  meta.created_ms = core_.clock.now_ms();
  meta.covers = std::max<std::uint64_t>(1, core_.segments.lowest_id());
  append.summary.covers = meta.covers;
  replace_record(append, format::encode_record(meta, {}), format::RecordType::kErase);
  append.outcome = Appended::kDropped;

  Shard& shard = core_.shard(append.summary.mac);
  const std::lock_guard lock(shard.mutex);
  shard.last_erase = std::max(shard.last_erase, append.summary.sequence);
  const auto pending = shard.pending.find(append.summary.mac);
  if (pending == shard.pending.end() || pending->second.version != append.summary.version) return;
  pending->second.erased = true;
  pending->second.entry.reset();
  pending->second.row.reset();
  shard.hot.erase(append.summary.mac);
}

/// A survivor that finds no room stays where it was, and dies there. What it superseded and may
/// still lie elsewhere must not come back for that.
void Log::drop_survivor(Append& append) {
  append.outcome = Appended::kDropped;
  if (append.summary.covers == 0) {
    return replace_record(append, encode_mark(), format::RecordType::kMark);
  }
  format::RecordMeta meta;
  meta.type = format::RecordType::kErase;
  meta.space = append.summary.space;
  meta.mac = append.summary.mac;
  meta.version = append.summary.version;
  meta.created_ms = core_.clock.now_ms();
  meta.covers = append.summary.covers;
  replace_record(append, format::encode_record(meta, {}), format::RecordType::kErase);
  append.summary.version = meta.version;
}

void Log::replace_record(Append& append, format::EncodedRecord record, format::RecordType type) {
  core_.queue.written(append.record.size());
  append.record = std::move(record);
  append.dictionary.reset();
  core_.queue.staged(append.record.size());
  append.summary.type = type;
  append.summary.flags = 0;
  append.summary.tags.clear();
  append.summary.expires_at_ms = append.summary.erase_by_ms = 0;
  append.summary.raw_bytes = 0;
  if (type == format::RecordType::kMark) {
    append.summary.space = {};
    append.summary.covers = 0;
  }
  append.summary.size = static_cast<std::uint32_t>(append.record.size());
  append.summary.version = append.summary.sequence;
}

void Log::finish_batch(std::vector<Append>& batch, Places& places) {
  std::vector<LogRecord> records;
  records.reserve(batch.size());
  taken_through_ = std::max(taken_through_, batch.back().summary.sequence);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!places[i]) {
      parked_.push_back(std::move(batch[i]));
      continue;
    }
    bytes += batch[i].record.size();
    records.push_back({batch[i].summary, places[i]});
    if (!batch[i].handler) continue;
    const bool durable = batch[i].ack == AckLevel::kDurable;
    (durable ? sync_waiters_ : write_waiters_)
        .push_back({batch[i].summary.sequence, batch[i].loop, std::move(batch[i].handler),
                    batch[i].outcome});
  }
  // Nothing past a hole counts as written, or it would be called durable.
  written_through_ = parked_.empty() ? taken_through_ : parked_.front().summary.sequence - 1;
  if (!parked_.empty() && hurry_) hurry_();
  core_.queue.written(bytes);
  bytes_since_flush_ += bytes;
  records_since_flush_ += records.size();
  if (!sync_waiters_.empty()) request_sync();
  add_unapplied(std::move(records));
  // Before the index, which may refuse: it is the log that they wait for.
  std::vector<Waiter> written = take_through(written_through_, write_waiters_);
  apply_in_order();
  acknowledge(std::move(written), {});
  core_.queue.resume_waiters();
  seal_ready();
  advance_flush();
  if (stopping_) advance_stop();
}

/// Those that wait for no more than this.
std::vector<Log::Waiter> Log::take_through(std::uint64_t through, std::vector<Waiter>& waiters) {
  const auto later = std::stable_partition(waiters.begin(), waiters.end(),
                                           [&](const Waiter& w) { return w.sequence <= through; });
  if (later == waiters.end()) return std::exchange(waiters, {});
  std::vector<Waiter> taken(std::make_move_iterator(waiters.begin()),
                            std::make_move_iterator(later));
  waiters.erase(waiters.begin(), later);
  return taken;
}

/// After a failed sync nothing can be promised any more: reads go on, writes do not.
void Log::reject(std::vector<Append>& batch) {
  std::vector<Waiter> dropped;
  std::vector<Waiter> failed;
  for (Append& append : batch) {
    core_.queue.written(append.record.size());
    const bool put = append.summary.type == format::RecordType::kPut;
    if (put && (append.summary.flags & format::kFlagMoved) == 0) turn_into_erase(append);
    if (put) core_.queue.written(append.record.size());
    if (!append.handler) continue;
    Waiter waiter{append.summary.sequence, append.loop, std::move(append.handler),
                  Appended::kDropped};
    (put ? dropped : failed).push_back(std::move(waiter));
  }
  acknowledge(std::move(dropped), {});
  acknowledge(std::move(failed), Error{ErrorCode::kIo, kCannotErase});
  core_.queue.resume_waiters();
  if (stopping_) advance_stop();
}

void Log::apply(std::vector<LogRecord>& records) {
  if (records.empty()) return;
  auto applied = applier_.apply(records);
  if (!applied && applied.error().code == ErrorCode::kNoSpace) {
    // The segments have them, and until the index has them too, reads find them pending.
    index_full_ = true;
    add_unapplied(std::move(records));
    return;
  }
  if (!applied) {
    fail_writes(applied.error());
    return;
  }
  for (LogRecord& record : records) {
    Segment& segment = *record.segment;
    segment.applied_end = record.summary.offset + record.summary.size;
    segment.highest_sequence = std::max(segment.highest_sequence, record.summary.sequence);
    segment.footer.add(segment.header(core_.store_id), record.summary);
    segment.note_deadlines(segment.footer.totals(), core_.erase_within_ms);
  }
  forget_pending(records);
  tell_applied();
}

void Log::when_safe(std::uint64_t sequence, AckLevel level, io::Loop& loop, AppendHandler handler) {
  core_.env.log_loop.post(
      [this, level,
       waiter = Waiter{sequence, &loop, std::move(handler), Appended::kDone}]() mutable {
        std::vector<Waiter> one;
        one.push_back(std::move(waiter));
        const bool durable = level == AckLevel::kDurable;
        const std::uint64_t through = durable ? core_.durable_through.load() : written_through_;
        if (one.front().sequence <= through) return acknowledge(std::move(one), {});
        if (!core_.writable)
          return acknowledge(std::move(one), Error{ErrorCode::kIo, kCannotErase});
        (durable ? sync_waiters_ : write_waiters_).push_back(std::move(one.front()));
        if (durable) request_sync();
      });
}

void Log::when_applied(io::Task done) {
  apply_waiters_.emplace_back(core_.queue.last_sequence(), std::move(done));
  tell_applied();
}

void Log::tell_applied() {
  const bool never = !core_.writable;  // what is not applied by now will not be
  std::vector<io::Task> ready;
  std::erase_if(apply_waiters_, [&](auto& waiter) {
    if (!never && waiter.first > applier_.applied_through()) return false;
    ready.push_back(std::move(waiter.second));
    return true;
  });
  for (io::Task& task : ready)
    task();
}

void Log::add_unapplied(std::vector<LogRecord> records) {
  if (unapplied_.empty()) {
    unapplied_ = std::move(records);
    return;
  }
  const auto middle = static_cast<std::ptrdiff_t>(unapplied_.size());
  std::move(records.begin(), records.end(), std::back_inserter(unapplied_));
  std::inplace_merge(unapplied_.begin(), unapplied_.begin() + middle, unapplied_.end(),
                     [](const LogRecord& a, const LogRecord& b) {
                       return a.summary.sequence < b.summary.sequence;
                     });
}

/// What waits for an earlier record waits to be applied as well: an erase before its put would
/// erase nothing, and the put would stay.
void Log::apply_in_order() {
  while (!apply_paused_ && !index_full_) {
    std::vector<LogRecord> ready = take_ready();
    if (ready.empty()) return;
    apply(ready);
  }
}

/// From the front: what the index has refused before, or all that has no gap before it.
std::vector<LogRecord> Log::take_ready() {
  std::size_t count = applier_.refused();
  if (count == 0) {
    const std::uint64_t next = applier_.applied_through() + 1;
    while (count < unapplied_.size() && unapplied_[count].summary.sequence == next + count)
      ++count;
  }
  if (count == unapplied_.size()) return std::exchange(unapplied_, {});
  const auto end = unapplied_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<LogRecord> ready(std::make_move_iterator(unapplied_.begin()),
                               std::make_move_iterator(end));
  unapplied_.erase(unapplied_.begin(), end);
  return ready;
}

/// The index knows them now: reads find them there.
void Log::forget_pending(const std::vector<LogRecord>& records) {
  for (const LogRecord& record : records) {
    const format::RecordSummary& summary = record.summary;
    if (summary.type != format::RecordType::kPut && summary.type != format::RecordType::kErase &&
        summary.type != format::RecordType::kExpiry) {
      continue;
    }
    Shard& shard = core_.shard(summary.mac);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.pending.find(summary.mac);
    if (found == shard.pending.end() || found->second.last_sequence != summary.sequence) continue;
    if (found->second.entry && summary.type == format::RecordType::kPut) {
      note_place(*found->second.entry, record.segment->id, summary.offset);
    }
    shard.pending.erase(found);
  }
}

void Log::acknowledge(std::vector<Waiter> waiters, const Result<void>& result) {
  // Few posts, however many of a loop's commands this batch held; and others' turn between them.
  std::stable_sort(waiters.begin(), waiters.end(),
                   [](const Waiter& a, const Waiter& b) { return a.loop < b.loop; });
  for (auto first = waiters.begin(); first != waiters.end();) {
    const auto most = first + std::min<std::ptrdiff_t>(kAnswersAtOnce, waiters.end() - first);
    const auto last =
        std::find_if(first, most, [&](const Waiter& w) { return w.loop != first->loop; });
    io::Loop* loop = first->loop;
    loop->post(
        [mine = std::vector<Waiter>(std::make_move_iterator(first), std::make_move_iterator(last)),
         result]() mutable {
          for (Waiter& waiter : mine) {
            if (result) {
              waiter.handler(waiter.outcome);
            } else {
              waiter.handler(result.error());
            }
          }
        });
    first = last;
  }
}

Append Log::make_mark() const {
  Append append;
  append.record = encode_mark();
  append.summary.type = format::RecordType::kMark;
  append.summary.durable_through = core_.durable_through;
  append.summary.written_through = written_through_;
  return append;
}

format::EncodedRecord Log::encode_mark() const {
  format::RecordMeta meta;
  meta.type = format::RecordType::kMark;
  meta.created_ms = core_.clock.now_ms();
  meta.durable_through = core_.durable_through;
  meta.written_through = written_through_;
  return format::encode_record(meta, {});
}

bool Log::wants_mark() const {
  return mark_due_ || core_.options.durability == Durability::kRelaxed;
}

void Log::close_segment(std::uint64_t id) {
  open_.close(id);
  seal_ready();
}

void Log::retry_parked() {
  if (!parked_.empty()) write_batch();
}

}  // namespace kachel
