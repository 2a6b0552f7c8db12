// Frees flash: whole segments. Expired ones go first, then those in which something dead has to
// be gone by a deadline, the earliest first; then the least valuable while space is short. Of the
// second, and of what is mostly dead, all that lives is written anew, of the others what is hot or
// dear; what else must outlive them (tombstones that still cover something, fences, expiries put
// off) is appended again before it goes. So is what a hold covers, dead or alive: what is dead
// apart from all else. What lives on is compressed with the newest dictionary of its tenant, more
// densely than on its way in.
//
// One segment at a time, in bounded stretches, so that appends go on in between, and with rests
// while nothing presses. What it reads and compresses is the blocking pool's to do. The file is
// removed only after a checkpoint and a mark: everything it left behind is durable, the durable
// index names the new places, and without the index the log says so itself. Log thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/core.h"
#include "engine/log.h"
#include "engine/reclaim_encoder.h"
#include "engine/reclaim_pace.h"

namespace kachel {

class Reclaimer {
 public:
  Reclaimer(Core& core, Log& log)
      : core_(core), log_(log), pace_(core.read_latency, core.options.reclaim_bytes_per_s) {}

  void start();
  /// Looks now whether something should go.
  void hurry();
  /// No new victims; `done` once none is under way.
  void stop(io::Task done);

 private:
  enum class Reason : std::uint8_t { kExpired, kDue, kSpace };
  /// When to look for the next victim: after a failure not at once, or it would be the same.
  enum class Next : std::uint8_t { kNow, kTick };
  /// What becomes of a put when its segment goes.
  enum class Fate : std::uint8_t { kGone, kCopied, kHeldOnly };
  struct Job;
  /// Records that are looked at without letting others in between.
  struct Stretch {
    std::size_t end = 0;
    std::int64_t began_ns = 0;
    std::uint64_t bytes_before = 0;  // moved by the job
  };

  void schedule_tick();
  std::vector<SegmentView> views() const;
  ReclaimCost cost() const;
  void look();
  void begin(std::uint64_t segment_id, Reason reason);
  void step(const std::shared_ptr<Job>& job);
  static bool is_mostly_dead(const Job& job);
  std::size_t end_of_stretch(const Job& job) const;
  void appraise(Job& job) const;
  unsigned uses_of(const format::RecordSummary& summary) const;
  bool is_in_index(const Job& job, const format::RecordSummary& summary) const;
  void prepare(Job& job, std::size_t end, bool pressed) const;
  Fate likely_fate(const Job& job, const format::RecordSummary& summary) const;
  bool is_pressed(const Job& job) const;
  void visit_stretch(const std::shared_ptr<Job>& job, const Stretch& stretch);
  void rest(const std::shared_ptr<Job>& job, std::int64_t left_ms);
  std::optional<Encoding> encoding_of(Job& job, const format::RecordSummary& summary,
                                      const format::DecodedRecord& record, std::int64_t death_ms);
  std::optional<Encoding> held_encoding_of(Job& job, const format::RecordSummary& summary,
                                           const format::DecodedRecord& record);
  void note_dead_sample(const format::RecordSummary& summary);
  void visit(Job& job, const format::RecordSummary& summary);
  void visit_put(Job& job, const format::RecordSummary& summary);
  void visit_erase(Job& job, const format::RecordSummary& summary);
  void visit_expiry(Job& job, const format::RecordSummary& summary);
  void visit_fence(Job& job, const format::RecordSummary& summary);
  void visit_scope_fence(Job& job, const format::RecordSummary& summary);
  void visit_hold(Job& job, const format::RecordSummary& summary);
  void visit_release(Job& job, const format::RecordSummary& summary);
  bool is_held(const format::RecordSummary& summary) const;
  bool assess_holds(Job& job);
  void keep_held(Job& job, const format::RecordSummary& summary);
  bool keep(Job& job, const format::RecordSummary& summary);
  bool keep_cold(Job& job, const format::RecordSummary& summary, const Row& row);
  bool is_current(Job& job, Shard& shard, const format::RecordSummary& summary, Row& row);
  Result<format::DecodedRecord> read_record(Job& job, const format::RecordSummary& summary) const;
  void append_again(Job& job, const format::RecordSummary& summary, std::uint64_t version);
  bool is_last_copy(Job& job, const format::RecordSummary& summary);
  void append(Job& job, Append append);
  bool append_copy(Job& job, const format::RecordSummary& summary,
                   const format::DecodedRecord& record, std::int64_t expires_at_ms);
  void append_held_copy(Job& job, const format::RecordSummary& summary,
                        const format::DecodedRecord& record);
  void drop_when_durable(const std::shared_ptr<Job>& job);
  void drop_when_marked(const std::shared_ptr<Job>& job);
  void note_cost(const Job& job, std::int64_t worked_ms);
  void drop(const std::shared_ptr<Job>& job);
  void remove_leftovers();
  void on_removed(const std::vector<std::uint64_t>& ids, bool ok);
  void give_up(Job& job);
  void leave(Job& job);
  void finish(Next next);

  Core& core_;
  Log& log_;
  ReclaimPace pace_;
  std::shared_ptr<Job> job_;
  io::Loop::TimerId tick_timer_ = 0;
  std::vector<std::uint64_t> leftovers_;  // dropped segments whose files may be there
  bool removing_ = false;
  bool resting_ = false;        // until the next tick, after a failure
  bool queue_presses_ = false;  // what waits behind the job would be late
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
