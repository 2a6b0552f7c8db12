// Carries out what erases promise: finds every record they cover, takes the rows of scopes out of
// the index and their entries out of the hot tier, gives the segments that hold them a deadline,
// and once the last of these segments is gone, and a compaction of the index that began after that
// has ended, and the hot tier's manifest was written anew, says so in the audit log and lets go of
// the fence.
//
// It goes by the segments' tables, not by the index: they have the older copies as well. A sweep
// covers all fences raised before it began; those that come meanwhile wait for the next. What is
// kept on disk are the fences, and the audit log: a start sweeps again for what is left of both.
// What a hold keeps is waited for until the hold is released; whenever the holds change, what is
// pending is looked for again.
// A fence that the log does not know of, since a crash came between, gets its entry then.
//
// Log thread only, but for what says otherwise.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "engine/applier.h"
#include "engine/audit_trail.h"
#include "engine/compactor.h"
#include "engine/core.h"
#include "engine/erasure.h"
#include "engine/log.h"

namespace kachel {

/// What an erase covers.
struct EraseTarget {
  EraseKind kind = EraseKind::kSubject;
  Fence fence;               // of keys: its version is that of the newest tombstone
  std::vector<RowKey> keys;  // of kKeys, sorted

  bool covers(const RowKey& key, const ScopeTags& tags) const;
};
/// With everything but the fence's version and time.
EraseTarget target_of(const Core& core, const EraseRequest& request);
/// What the audit log says of it.
audit::EraseEvent event_of(const EraseTarget& target, const ReceiptId& id);

class Eraser {
 public:
  Eraser(Core& core, Log& log, Applier& applier, AuditTrail& trail, Compactor& compactor)
      : core_(core), log_(log), applier_(applier), trail_(trail), compactor_(compactor) {}

  /// Takes up the fences that the start has found.
  void start();
  /// It has its place in the log. `entries`: what it is known to take; of scopes it is counted.
  /// Any thread.
  void add(const EraseTarget& target, std::uint64_t entries);
  /// No further steps; `done` once none is under way.
  void stop(io::Task done);

  /// Nothing when it is not known, or was forgotten: those that are reclaimed are kept for a
  /// while. Any thread.
  std::optional<Erasure> find(const ReceiptId& id) const;
  /// Those not yet reclaimed. Any thread.
  std::vector<Erasure> pending() const;
  /// Of those whose segments are not known yet; 0: there are none. Any thread.
  std::int64_t first_unswept_deadline_ms() const;

  using Counted = UniqueFunction<void(Result<ScopeCount>)>;
  /// Counts what an erase of this target would cover now. `done` on `loop`. Any thread.
  void count(EraseTarget target, io::Loop& loop, Counted done);

 private:
  /// An erase, and what has been found for it.
  struct Task {
    EraseTarget target;
    Erasure state;
    std::set<std::uint64_t> segments;         // that hold what it covers, and are not gone
    std::set<std::uint64_t> all_segments;     // those that are gone, too
    std::optional<std::uint64_t> compaction;  // to be waited for, once no segment is left
    std::optional<std::uint64_t> hot_save;    // likewise, of the hot tier's manifest
    std::optional<std::uint64_t> snapshots;   // begun before both were over
    std::uint64_t holds = 0;                  // their generation when it was looked for
    std::uint64_t copies_before = 0;          // found before the holds changed
    std::uint64_t bytes_before = 0;
    bool is_recorded = false;  // the audit log has the erase
    enum class End : std::uint8_t { kOpen, kRecording, kRecorded } end = End::kOpen;  // of it
  };
  struct Sweep;
  struct Match {
    RowKey key;
    std::uint64_t version = 0;
    std::uint32_t bytes = 0;
    ScopeTags tags;
    bool has_row = false;  // that is to be taken out
    bool is_held = false;
  };
  struct Found {
    std::vector<Match> matches;
    bool unsure = false;  // some of the segment can't be read: it may hold more
  };

  void note_recorded(std::uint64_t fence, const ReceiptId& id);
  void take_up(const AuditTrail::Known& known);
  void record_unknown(std::uint64_t last);
  void schedule_tick();
  void look();
  void begin_sweep();
  void list_segments(const std::shared_ptr<Sweep>& sweep);
  void next_segment(const std::shared_ptr<Sweep>& sweep);
  void read(const std::shared_ptr<Sweep>& sweep, const SegmentPointer& segment);
  void on_read(const std::shared_ptr<Sweep>& sweep, const SegmentPointer& segment,
               Result<Found> found);
  void take_out(const std::shared_ptr<Sweep>& sweep);
  void note_taken_out(Sweep& sweep, const std::vector<Row>& rows);
  void purge_hot_tier(Sweep& sweep);
  void end_sweep(const std::shared_ptr<Sweep>& sweep, bool complete);
  void collect();
  void look_again(Task& task);
  void look_for_dictionaries(Task& task);
  bool has_left_the_index(Task& task);
  bool has_left_the_manifest(Task& task);
  bool has_left_the_snapshots(Task& task);
  void record_end(std::uint64_t fence);
  void finish(std::uint64_t fence);
  bool let_go(const Fence& fence);
  Erasure state_of(const Task& task) const;
  void finish_stop();

  Core& core_;
  Log& log_;
  Applier& applier_;
  AuditTrail& trail_;
  Compactor& compactor_;
  std::shared_ptr<Sweep> sweep_;
  io::Loop::TimerId tick_timer_ = 0;
  bool stopping_ = false;
  io::Task stopped_;

  mutable std::mutex mutex_;             // over what follows
  std::map<std::uint64_t, Task> tasks_;  // by the fence's version
  std::deque<Erasure> done_;             // reclaimed, the newest last
};

}  // namespace kachel
