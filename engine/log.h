// The log thread's work: writes batches, acknowledges, syncs, brings the index up to date,
// seals segments, flushes the index. Every member on the log loop's thread unless it says
// otherwise.
//
// Order that the invariants rest on:
//   * records are written in order of sequence, one batch at a time; `written_through` is the
//     sequence below which the kernel has everything;
//   * a sync covers what was written before it was submitted; `durable_through` follows it,
//     and stays where it is for ever after a sync has failed;
//   * the index is flushed only when everything applied to it is durable: applying waits
//     while that sync is under way;
//   * on a disk that is nearly full applying waits for the end of the flush as well. Resuming
//     the index flushes all it holds, so it should hold nothing above the marker that failed;
//   * a footer is written only over records that are durable.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/applier.h"
#include "engine/core.h"
#include "engine/identity.h"
#include "engine/open_segments.h"
#include "engine/segment_allocator.h"

namespace kachel {

class Log {
 public:
  Log(Core& core, Identity& identity, Applier& applier, std::uint64_t next_segment_id);

  /// Everything through this sequence is written, durable and applied already.
  void start(std::uint64_t through, const std::vector<std::uint64_t>& spares);
  /// Any thread: there is something to write.
  void wake();

  /// Calls back once everything appended so far is durable, in the index, and the index is
  /// flushed: then a segment whose survivors were appended before may go.
  using Done = UniqueFunction<void(Result<void>)>;
  void checkpoint(Done done);
  /// Calls back once nothing of what is dead in the index by now is left in its files: flushes it,
  /// in the usual order, and has it compacted. One at a time.
  void compact(Done done);
  /// That ends soon, with an error if need be.
  void abort_compaction();
  /// Calls back, on `loop`, once everything through `sequence` is written or durable. Any thread.
  void when_safe(std::uint64_t sequence, AckLevel level, io::Loop& loop, AppendHandler handler);
  /// Calls back once everything appended so far is in the index.
  void when_applied(io::Task done);
  /// What the log is as of one flush of the index: every record through the marker, and none above.
  struct Cut {
    struct Part {
      SegmentPointer segment;
      std::uint64_t bytes = 0;  // of its file, from the beginning
      bool is_sealed = false;
    };
    Marker marker;
    std::vector<Part> parts;  // by segment id
    std::uint64_t next_segment_id = 0;
  };
  using CutTaken = UniqueFunction<void(Result<Cut>)>;
  /// Closes the open segments, waits for their footers and flushes the index. No other flush begins
  /// until end_cut(), which follows whatever came of it. One at a time.
  void cut(CutTaken taken);
  void end_cut();
  /// Calls back with an error, unless it is about to.
  void abort_cut();
  /// Writes and syncs all, closes and seals the open segments, flushes the index; then
  /// nothing is under way any more.
  void stop(Done done);

  /// A record that says what is durable and what is written by now.
  Append make_mark() const;

  /// It takes no more appends, and is sealed soon.
  void close_segment(std::uint64_t id);

  SegmentAllocator& allocator() { return allocator_; }
  /// The disk is full, and the index can't be flushed for the time being.
  bool index_is_full() const { return index_full_; }
  /// Called when an append found no room: reclaim should hurry.
  void on_shortage(std::function<void()> hurry) { hurry_ = std::move(hurry); }
  /// Tries again to place what found no room.
  void retry_parked();

 private:
  struct Waiter {
    std::uint64_t sequence = 0;
    io::Loop* loop = nullptr;
    AppendHandler handler;
    Appended outcome = Appended::kDone;
  };
  struct FlushWaiter {
    std::uint64_t sequence = 0;  // must be applied before the flush begins
    Done done;
  };
  /// One fdatasync of every segment written since its last one.
  struct SyncRound {
    Log* log = nullptr;
    std::vector<std::unique_ptr<io::IoRequest>> requests;
    std::vector<std::pair<SegmentPointer, std::uint64_t>> ends;
    std::size_t left = 0;
    std::uint64_t through = 0;
    int error = 0;
  };
  enum class FlushStage : std::uint8_t { kIdle, kSyncing, kFlushing };
  enum class CutStage : std::uint8_t {
    kNone,
    kSealing,
    kDue,       // the next flush is the one
    kFlushing,  // it is under way
    kTaken,     // no flush may begin
  };
  enum class CompactionStage : std::uint8_t {
    kNone,
    kSettling,  // what the index has begun by itself comes to its end
    kDue,       // the next flush is its beginning
    kRunning,
  };
  using Places = std::vector<SegmentPointer>;

  // log.cc: batches
  void turn();
  void write_batch();
  void place_all(std::vector<Append>& batch, Places& places);
  bool write_placed(std::vector<Append>& batch, Places& places);
  void turn_into_erase(Append& append);
  void drop_survivor(Append& append);
  void replace_record(Append& append, format::EncodedRecord record, format::RecordType type);
  void finish_batch(std::vector<Append>& batch, Places& places);
  void reject(std::vector<Append>& batch);
  static std::vector<Waiter> take_through(std::uint64_t through, std::vector<Waiter>& waiters);
  void apply(std::vector<LogRecord>& records);
  void add_unapplied(std::vector<LogRecord> records);
  void apply_in_order();
  std::vector<LogRecord> take_ready();
  void tell_applied();
  void forget_pending(const std::vector<LogRecord>& records);
  static void acknowledge(std::vector<Waiter> waiters, const Result<void>& result);
  format::EncodedRecord encode_mark() const;
  bool wants_mark() const;

  // log_sync.cc: durability
  void schedule_tick();
  void tick();
  void keep_ahead();
  void note_dirty(const SegmentPointer& segment);
  void request_sync();
  void begin_sync();
  void end_sync();
  void fail_writes(const Error& error);
  void seal_ready();
  void seal(const SegmentPointer& segment);
  bool wants_flush() const;
  void advance_flush();
  void flush_index();
  void compact_index(const Marker& marker, Done flushed);
  void on_settled();
  void end_compaction(const Result<void>& result);
  Marker make_marker() const;
  void end_flush(Result<void> result);

  // log_cut.cc
  void advance_cut();
  void take_cut(const Marker& marker);
  void end_cut_flush(const Result<void>& result);
  bool is_short_of_space();
  void resume_index();
  void end_resume(const Result<void>& result);
  void advance_stop();

  Core& core_;
  Identity& identity_;
  Applier& applier_;
  SegmentAllocator allocator_;
  OpenSegments open_;
  std::function<void()> hurry_;

  std::atomic<bool> turn_posted_{false};
  bool relaxed_timer_set_ = false;
  io::Loop::TimerId relaxed_timer_ = 0;
  io::Loop::TimerId tick_timer_ = 0;
  std::vector<Append> parked_;         // found no room; tried again first
  std::uint64_t taken_through_ = 0;    // sequence: from the queue
  std::uint64_t written_through_ = 0;  // sequence: all up to here is with the kernel
  // Nobody is told before everything with a lower sequence is as safe.
  std::vector<Waiter> write_waiters_;
  std::vector<Waiter> sync_waiters_;
  std::vector<LogRecord> unapplied_;                               // written, by sequence
  std::vector<std::pair<std::uint64_t, io::Task>> apply_waiters_;  // sequence
  bool apply_paused_ = false;
  bool index_full_ = false;  // nothing is applied until the index has been resumed
  bool resuming_ = false;
  bool mark_due_ = false;

  std::unique_ptr<SyncRound> sync_;
  bool sync_again_ = false;
  std::vector<SegmentPointer> dirty_;    // written since their last sync
  std::vector<SegmentPointer> sealing_;  // closed, footer not yet written
  std::int64_t last_sync_ns_ = 0;

  FlushStage flush_stage_ = FlushStage::kIdle;
  std::uint64_t bytes_since_flush_ = 0;
  std::uint64_t records_since_flush_ = 0;
  std::uint64_t flushed_through_ = 0;
  std::deque<FlushWaiter> flush_waiters_;
  std::vector<Done> flushing_for_;

  CompactionStage compaction_stage_ = CompactionStage::kNone;
  bool compaction_aborted_ = false;
  Done compacted_;

  CutStage cut_stage_ = CutStage::kNone;
  std::uint64_t cut_below_ = 0;  // segments with lower ids are waited for
  Cut cut_;
  CutTaken cut_taken_;

  bool keeping_ahead_ = false;
  bool stopping_ = false;
  std::optional<Error> stop_error_;  // why the stop is not in order
  bool stopped_ = false;
  Done stop_done_;
};

}  // namespace kachel
