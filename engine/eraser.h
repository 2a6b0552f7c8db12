// Carries out what fences of scopes promise: finds every record they cover, takes their rows out
// of the index and their entries out of the hot tier, gives the segments that hold them a
// deadline, and lets go of the fence once the last of these segments is gone.
//
// It goes by the segments' tables, not by the index: they have the older copies as well. A sweep
// covers all fences raised before it began; those that come meanwhile wait for the next. Nothing
// of this is kept on disk but the fences: a start sweeps again for those that are left.
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
#include "engine/core.h"
#include "engine/erasure.h"
#include "engine/log.h"

namespace kachel {

class Eraser {
 public:
  Eraser(Core& core, Log& log, Applier& applier) : core_(core), log_(log), applier_(applier) {}

  /// Takes up the fences that the start has found.
  void start();
  /// The fence has its place in the log. Any thread.
  void add(const Fence& fence);
  /// No further steps; `done` once none is under way.
  void stop(io::Task done);

  /// By the sequence of the fence; nothing when it is not known, or was forgotten: those that are
  /// reclaimed are kept for a while. Any thread.
  std::optional<Erasure> find(std::uint64_t fence) const;
  /// Those not yet reclaimed. Any thread.
  std::vector<Erasure> pending() const;

  using Counted = UniqueFunction<void(Result<ScopeCount>)>;
  /// Counts what a fence of this scope would cover now. `done` on `loop`. Any thread.
  void count(const Fence& scope, io::Loop& loop, Counted done);

 private:
  /// A fence, and what has been found for it.
  struct Task {
    Fence fence;
    Erasure state;
    std::set<std::uint64_t> segments;  // that hold what it covers, and are not gone
  };
  struct Sweep;
  struct Match {
    RowKey key;
    std::uint64_t version = 0;
    std::uint32_t bytes = 0;
    ScopeTags tags;
  };
  struct Found {
    std::vector<Match> matches;
    bool unsure = false;  // some of the segment can't be read: it may hold more
  };

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
  void purge_hot_tier();
  void end_sweep(const std::shared_ptr<Sweep>& sweep, bool complete);
  void collect();
  bool let_go(const Fence& fence);
  void finish_stop();

  Core& core_;
  Log& log_;
  Applier& applier_;
  std::shared_ptr<Sweep> sweep_;
  io::Loop::TimerId tick_timer_ = 0;
  bool stopping_ = false;
  io::Task stopped_;

  mutable std::mutex mutex_;             // over what follows
  std::map<std::uint64_t, Task> tasks_;  // by the fence's sequence
  std::deque<Erasure> done_;             // reclaimed, the newest last
};

}  // namespace kachel
