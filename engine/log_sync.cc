// Log, second half: syncs, footers, index flushes, and the way to a stop.
#include <algorithm>
#include <utility>

#include "engine/failed_sync.h"
#include "engine/index_mark.h"
#include "engine/log.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kTick{250};
// Bound what a start has to replay: the bytes by how fast they are scanned, the records by how
// fast they are applied.
constexpr std::uint64_t kFlushEveryBytes = 64 * kMiB;
constexpr std::uint64_t kFlushEveryRecords = 24 * 1024;
// Free space below which a flush of the index is not sure to succeed: its own files, and what
// others may write meanwhile.
constexpr std::uint64_t kFlushHeadroomBytes = 64 * kMiB;
}  // namespace

void Log::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kTick, [this] { tick(); });
}

void Log::tick() {
  if (stopped_) return;
  schedule_tick();
  retry_parked();
  open_.close_aged(core_.clock.now_ms());
  open_.close_outdated();
  allocator_.set_index_bytes(core_.index->usage().disk_bytes);
  if (index_full_ || core_.index->is_full()) resume_index();
  if (!index_full_) allocator_.refill();
  const auto since_sync = std::chrono::nanoseconds(core_.env.clock.monotonic_ns() - last_sync_ns_);
  if (!dirty_.empty() && since_sync + kTick >= core_.options.sync_interval) request_sync();
  keep_ahead();
  seal_ready();
  advance_flush();
}

/// The superblock's limits; two syncs now and then, not on this thread.
void Log::keep_ahead() {
  if (keeping_ahead_) return;
  keeping_ahead_ = true;
  core_.env.pool.run([this, sequence = core_.queue.last_sequence(), id = allocator_.next_id(),
                      now_ms = core_.clock.now_ms()] {
    const bool kept = identity_.keep_ahead(sequence, id, now_ms).has_value();
    core_.env.log_loop.post([this, kept] {
      keeping_ahead_ = false;
      if (!kept) bump(core_.counters.io_errors);
      if (stopping_) advance_stop();
    });
  });
}

void Log::note_dirty(const SegmentPointer& segment) {
  if (std::exchange(segment->dirty, true)) return;
  dirty_.push_back(segment);
}

void Log::request_sync() {
  if (sync_) {
    sync_again_ = true;
    return;
  }
  begin_sync();
}

void Log::begin_sync() {
  sync_again_ = false;
  sync_ = std::make_unique<SyncRound>();
  sync_->log = this;
  sync_->through = written_through_;
  last_sync_ns_ = core_.env.clock.monotonic_ns();
  for (const SegmentPointer& segment : std::exchange(dirty_, {})) {
    segment->dirty = false;
    auto request = std::make_unique<io::IoRequest>();
    request->op = io::IoOp::kSync;
    request->file = segment->file.get();
    request->context = sync_.get();
    request->on_complete = [](io::IoRequest& done) {
      auto* round = static_cast<SyncRound*>(done.context);
      if (done.error != 0) round->error = done.error;
      if (--round->left == 0) round->log->end_sync();
    };
    sync_->ends.emplace_back(segment, segment->data_end);
    sync_->requests.push_back(std::move(request));
  }
  sync_->left = sync_->requests.size();
  bump(core_.counters.device_syncs, sync_->left);
  if (sync_->left == 0) {
    core_.env.log_loop.post([this] { end_sync(); });
    return;
  }
  for (const auto& request : sync_->requests)
    core_.env.log_loop.io().submit(*request);
}

void Log::end_sync() {
  const std::unique_ptr<SyncRound> round = std::move(sync_);
  if (round->error != 0) {
    mark_failed_sync(core_.env.storage);
    fail_writes(os_error(round->error, "fdatasync of a segment"));
    if (stopping_) advance_stop();
    return;
  }
  if (core_.writable && round->through > core_.durable_through) {
    core_.durable_through = round->through;
    mark_due_ = true;
  }
  for (const auto& [segment, end] : round->ends) {
    // Cold reads bypass the page cache: what is on the device need not stay in it. What a sync has
    // failed to write is nowhere else.
    if (!core_.writable) break;
    segment->file->drop_cache(segment->synced_end / io::kBlockBytes * io::kBlockBytes,
                              end - segment->synced_end / io::kBlockBytes * io::kBlockBytes);
    segment->synced_end = std::max(segment->synced_end, end);
  }
  acknowledge(take_through(core_.durable_through, sync_waiters_), {});
  seal_ready();
  advance_flush();
  const bool waited_for = !sync_waiters_.empty() && core_.durable_through < written_through_;
  if (!sync_ && (sync_again_ || waited_for)) begin_sync();
  if (stopping_) advance_stop();
}

/// The kernel may have dropped the pages that failed: a later success would prove nothing
/// about them. So no write is promised again until a restart has looked at what is there.
void Log::fail_writes(const Error& error) {
  core_.writable = false;
  bump(core_.counters.io_errors);
  const bool index_damaged = error.code == ErrorCode::kCorrupt;
  if (index_damaged && !condemn_index(core_.env.storage)) bump(core_.counters.io_errors);
  for (std::vector<Waiter>* waiters : {&write_waiters_, &sync_waiters_})
    acknowledge(std::exchange(*waiters, {}), error);
  flush_stage_ = flush_stage_ == FlushStage::kFlushing ? flush_stage_ : FlushStage::kIdle;
  apply_paused_ = false;
  for (FlushWaiter& waiter : std::exchange(flush_waiters_, {}))
    waiter.done(error);
  if (compaction_stage_ == CompactionStage::kDue) end_compaction(error);
  if (cut_stage_ == CutStage::kSealing || cut_stage_ == CutStage::kDue) end_cut_flush(error);
  tell_applied();
}

void Log::seal_ready() {
  for (SegmentPointer& closed : open_.take_closed())
    sealing_.push_back(std::move(closed));
  if (!core_.writable) return;
  // A footer says that everything up to its highest sequence is durable, in other segments too.
  const auto is_durable = [this](const Segment& segment) {
    return segment.synced_end >= segment.data_end &&
           segment.highest_sequence <= core_.durable_through;
  };
  std::erase_if(sealing_, [&](const SegmentPointer& segment) {
    const bool empty = segment->data_end == segment->data_begin;
    if (!empty && (segment->applied_end < segment->data_end || !is_durable(*segment))) return false;
    seal(segment);
    return true;
  });
  if (cut_stage_ == CutStage::kSealing) advance_cut();
  const bool helps = !dirty_.empty() || core_.durable_through < written_through_;
  if (helps && !std::all_of(sealing_.begin(), sealing_.end(),
                            [&](const SegmentPointer& s) { return is_durable(*s); })) {
    request_sync();
  }
  // Only sealed segments can be reclaimed, so this is the moment to look.
  if (hurry_ && allocator_.shortage_bytes() > 0) hurry_();
}

void Log::seal(const SegmentPointer& segment) {
  if (segment->data_end == segment->data_begin) {
    // Its very first write failed: there is nothing in it, perhaps not even a header.
    core_.segments.remove(segment->id);
    (void)core_.env.storage.remove(segment_path(segment->id));  // else set aside at the next start
    core_.segments.forget(segment->id);
    return;
  }
  format::EncodedFooter footer =
      segment->footer.finish(core_.store_id, segment->header(core_.store_id), segment->data_end);
  iovec part{footer.bytes.data(), footer.bytes.size()};
  const std::uint64_t end = segment->data_end + footer.bytes.size();
  auto written = segment->file->write_at(segment->data_end, std::span(&part, 1));
  if (written) {
    bump(core_.counters.device_writes);
    bump(core_.counters.device_write_bytes, footer.bytes.size());
    note_dirty(segment);
    segment->bytes = end;
    // Gives back what was reserved beyond the end.
    if (!segment->file->truncate(end)) bump(core_.counters.io_errors);
  } else {
    // Without a footer the records are still there: it will be scanned when needed. A part of
    // one would pass for damage.
    (void)segment->file->truncate(segment->data_end);
    bump(core_.counters.io_errors);
  }
  segment->highest_sequence = footer.trailer.highest_sequence;
  segment->highest_deadline_ms = footer.trailer.highest_deadline_ms;
  segment->note_deadlines(footer.trailer, core_.erase_within_ms);
  segment->state = SegmentState::kSealed;
}

bool Log::wants_flush() const {
  if (!core_.writable || !parked_.empty() || index_full_) return false;
  if (cut_stage_ == CutStage::kTaken) return false;
  if (cut_stage_ == CutStage::kDue) return true;
  if (compaction_stage_ == CompactionStage::kDue) return true;
  const std::uint64_t applied = applier_.applied_through();
  const bool asked = std::any_of(flush_waiters_.begin(), flush_waiters_.end(),
                                 [&](const FlushWaiter& w) { return w.sequence <= applied; });
  if (asked) return true;
  if (applied <= flushed_through_) return false;
  if (bytes_since_flush_ >= kFlushEveryBytes || records_since_flush_ >= kFlushEveryRecords) {
    return true;
  }
  const std::uint64_t memory = MemoryPlan::of(core_.memory_bytes).index_bytes;
  return core_.index->usage().unflushed_bytes >= memory / 3;
}

void Log::advance_flush() {
  if (flush_stage_ == FlushStage::kIdle && wants_flush()) {
    flush_stage_ = FlushStage::kSyncing;
    apply_paused_ = true;
    if (core_.durable_through < applier_.applied_through()) {
      request_sync();
      return;
    }
  }
  if (flush_stage_ != FlushStage::kSyncing) return;
  if (core_.durable_through >= applier_.applied_through()) {
    flush_index();
  } else if (!sync_) {
    begin_sync();
  }
}

void Log::flush_index() {
  flush_stage_ = FlushStage::kFlushing;
  bytes_since_flush_ = 0;
  records_since_flush_ = 0;
  const Marker marker = make_marker();
  for (auto it = flush_waiters_.begin(); it != flush_waiters_.end();) {
    if (it->sequence > marker.applied_through) {
      ++it;
      continue;
    }
    flushing_for_.push_back(std::move(it->done));
    it = flush_waiters_.erase(it);
  }
  bump(core_.counters.index_flushes);
  if (cut_stage_ == CutStage::kDue) take_cut(marker);
  const auto flushed = [this, through = marker.applied_through](const Result<void>& result) {
    core_.env.log_loop.post([this, through, result] {
      if (result) flushed_through_ = through;
      end_flush(result);
    });
  };
  const bool is_cut = cut_stage_ == CutStage::kFlushing;
  if (compaction_stage_ == CompactionStage::kDue && !is_cut) return compact_index(marker, flushed);
  apply_paused_ = is_short_of_space();
  core_.index->flush(marker, books_of(core_), flushed);
  apply_in_order();
}

/// A flush that goes on as a compaction. It is another thread's to begin: until it has ended
/// nothing is applied, or rows might be flushed that the marker does not speak for.
void Log::compact_index(const Marker& marker, Done flushed) {
  compaction_stage_ = CompactionStage::kRunning;
  apply_paused_ = true;
  core_.index->compact(marker, books_of(core_), std::move(flushed),
                       [this](const Result<void>& result) {
                         core_.env.log_loop.post([this, result] { end_compaction(result); });
                       });
}

void Log::compact(Done done) {
  compacted_ = std::move(done);
  compaction_stage_ = CompactionStage::kSettling;
  core_.index->when_settled([this] { core_.env.log_loop.post([this] { on_settled(); }); });
}

void Log::on_settled() {
  compaction_stage_ = CompactionStage::kDue;
  if (compaction_aborted_ || !core_.writable) {
    return end_compaction(Error{ErrorCode::kIo, "the index can't be compacted any more"});
  }
  advance_flush();
}

void Log::abort_compaction() {
  compaction_aborted_ = true;
  core_.index->abort_compaction();
  if (compaction_stage_ != CompactionStage::kDue) return;
  end_compaction(Error{ErrorCode::kIo, "the store is being closed"});
}

void Log::end_compaction(const Result<void>& result) {
  compaction_stage_ = CompactionStage::kNone;
  std::exchange(compacted_, nullptr)(result);
}

/// Too short to be sure that a flush of the index succeeds.
bool Log::is_short_of_space() {
  const auto space = core_.env.storage.space();
  const std::uint64_t needed = kFlushHeadroomBytes + 2 * core_.index->usage().unflushed_bytes;
  return space && space->available_bytes < needed;
}

/// Gives the index a spare segment's room, and lets it flush what it could not.
void Log::resume_index() {
  if (resuming_ || flush_stage_ != FlushStage::kIdle || !core_.writable) return;
  if (cut_stage_ == CutStage::kTaken) return;  // it would flush; the next tick comes back
  index_full_ = true;
  if (core_.durable_through < applier_.applied_through()) return request_sync();
  resuming_ = true;
  allocator_.discard_spare();
  core_.env.pool.run([this] {
    auto resumed = core_.index->resume();
    core_.env.log_loop.post([this, resumed] { end_resume(resumed); });
  });
}

void Log::end_resume(const Result<void>& result) {
  resuming_ = false;
  if (!result) bump(core_.counters.io_errors);
  if (result) {
    index_full_ = false;
    bytes_since_flush_ = kFlushEveryBytes;  // a marker for what it flushed
    apply_in_order();
    advance_flush();
    retry_parked();
  } else if (stopping_) {
    stop_error_ = result.error();
  }
  if (stopping_) advance_stop();
}

Marker Log::make_marker() const {
  Marker marker;
  marker.store_id = core_.store_id;
  marker.applied_through = applier_.applied_through();
  const auto add = [&](const Segment& segment) {
    // Of the others nothing need be durable.
    if (segment.applied_end <= segment.data_begin) return;
    marker.open_segments.emplace_back(segment.id, segment.applied_end);
  };
  for (const SegmentPointer& segment : open_.open())
    add(*segment);
  for (const SegmentPointer& segment : sealing_)
    add(*segment);
  return marker;
}

void Log::end_flush(Result<void> result) {
  flush_stage_ = FlushStage::kIdle;
  if (!result) bump(core_.counters.io_errors);
  if (!result && core_.index->is_full()) index_full_ = true;
  if (!result && !index_full_ && stopping_) stop_error_ = result.error();  // it would fail again
  if (cut_stage_ == CutStage::kFlushing) end_cut_flush(result);
  apply_paused_ = false;
  apply_in_order();
  for (Done& done : std::exchange(flushing_for_, {}))
    done(result);
  advance_flush();
  if (stopping_) advance_stop();
}

void Log::checkpoint(Done done) {
  if (!core_.writable) return done(Error{ErrorCode::kIo, "nothing can be made durable any more"});
  flush_waiters_.push_back({core_.queue.last_sequence(), std::move(done)});
  wake();
  advance_flush();
}

void Log::stop(Done done) {
  stopping_ = true;
  stop_done_ = std::move(done);
  write_batch();
  open_.close_all();
  advance_stop();
}

/// Called whenever something ended: takes the next step towards a clean stop.
void Log::advance_stop() {
  if (stopped_ || sync_ || keeping_ahead_ || resuming_ || flush_stage_ != FlushStage::kIdle ||
      !allocator_.idle()) {
    if (!stopped_ && !allocator_.idle()) {
      core_.env.log_loop.schedule_after(std::chrono::milliseconds(1), [this] { advance_stop(); });
    }
    return;
  }
  if (!parked_.empty()) stop_error_ = Error{ErrorCode::kNoSpace, "the disk is full"};
  if (core_.writable && index_full_ && !stop_error_) return resume_index();
  if (core_.writable && !stop_error_) {
    seal_ready();
    if (!dirty_.empty() || !sealing_.empty()) return request_sync();
    if (flushed_through_ < applier_.applied_through()) {
      if (flush_waiters_.empty()) checkpoint([](Result<void>) {});
      return;
    }
  }
  stopped_ = true;
  allocator_.discard_spares();
  // The store may be gone once the caller knows: nothing of it may be left with the loop. What
  // was posted before runs before.
  core_.env.log_loop.cancel(tick_timer_);
  core_.env.log_loop.cancel(relaxed_timer_);
  Result<void> result =
      Error{ErrorCode::kIo, "the store had stopped writing after a device failure"};
  if (stop_error_) {
    result = *stop_error_;
  } else if (core_.writable) {
    result =
        identity_.end(core_.queue.last_sequence() + 1, allocator_.next_id(), core_.clock.now_ms());
  }
  core_.env.log_loop.post(
      [done = std::move(stop_done_), result]() mutable { done(std::move(result)); });
}

}  // namespace kachel
