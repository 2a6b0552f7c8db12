// Makes snapshots of the store while it serves, and sees to it that they go in time.
//
// A snapshot is a directory below snapshots/ that a store can be made of: the segments by hard
// links (they never change once they are sealed), what is open by copies of its beginning, the
// index as of one flush, audit log, key and tenants by copies. Its superblock says that all of it
// is in doubt: whoever opens a copy is served nothing that may have been erased since.
//
// What a snapshot keeps is still in the data directory, and no erase of it counts as reclaimed. So
// it lives no longer than `erase_within`, which what dies meanwhile has left anyway; and each
// segment leaves it when the first of what is dead in there must be gone. What was to follow the
// segments, index and manifest of the hot tier, leaves with the first of them.
//
// Log thread only; files are the blocking pool's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/audit_trail.h"
#include "engine/core.h"
#include "engine/eraser.h"
#include "engine/identity.h"
#include "engine/log.h"
#include "engine/snapshots.h"

namespace kachel {

/// Takes up the snapshots that are there, and removes what one that was not completed has left, or
/// one whose manifest is damaged: it might keep what must go. What is no snapshot of this store is
/// left alone. Before the store is recovered. Blocking.
Result<void> load_snapshots(Core& core);

class Snapshotter {
 public:
  Snapshotter(Core& core, Log& log, Identity& identity, Eraser& eraser, AuditTrail& trail)
      : core_(core), log_(log), identity_(identity), eraser_(eraser), trail_(trail) {}

  void start();
  /// No more; `done` once none is under way.
  void stop(io::Task done);

  using Made = UniqueFunction<void(Result<SnapshotInfo>)>;
  /// `lifetime` is shortened to `erase_within`; 0: a day, or that. kInvalidArgument: no name for a
  /// snapshot; kAlreadyExists; kTooLarge: there are kMaxSnapshots; kLocked: another one is being
  /// made. `done` on the log loop.
  void create(const std::string& name, std::chrono::milliseconds lifetime, Made done);
  /// kNotFound. `done` on the log loop.
  void remove(const std::string& name, DoneHandler done);

 private:
  struct Job;
  /// What of a snapshot is to go.
  struct Due {
    std::string name;
    bool all = false;
    bool derived = false;
    std::vector<std::uint64_t> segments;
  };

  void schedule_tick();
  void look();
  std::vector<Due> find_due() const;
  void carry_out(std::vector<Due> due, DoneHandler done);
  void on_carried_out(const Due& due, const Result<void>& result);
  format::SnapshotManifest manifest_of(const Job& job) const;
  void on_cut(const std::shared_ptr<Job>& job, Result<Log::Cut> cut);
  void on_index(const std::shared_ptr<Job>& job, const Result<void>& copied);
  Result<void> take_segments(const Job& job);
  Result<void> take_the_rest(const Job& job);
  void end(const std::shared_ptr<Job>& job, const Result<void>& result);
  void finish_stop();

  Core& core_;
  Log& log_;
  Identity& identity_;
  Eraser& eraser_;
  AuditTrail& trail_;
  std::shared_ptr<Job> job_;
  io::Loop::TimerId tick_timer_ = 0;
  int removals_ = 0;  // under way
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
