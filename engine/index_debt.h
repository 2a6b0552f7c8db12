// What is dead in the index and still in its files: by when it must have left them, and which
// compaction sees to that. Compactions are numbered in the order in which they begin.
//
// Written by the log thread, and by a start before that has the store; read by any.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/lifetime_bucket.h"
#include "engine/store_clock.h"

namespace kachel {

class IndexDebt {
 public:
  explicit IndexDebt(const StoreClock& clock) : clock_(clock) {}

  /// Rows have died, by the index or by its filter, and must be gone by then (ms since the epoch).
  void note(std::int64_t due_ms);
  /// A segment is leaving: its rows must be gone by then, and are dead only once it is gone for
  /// good.
  void note_leaving(std::int64_t due_ms) { leaving_due_ms_ = earlier(leaving_due_ms_, due_ms); }
  /// Some of those that were leaving are gone, or all of them.
  void note_left(bool all);
  /// When the first of what is dead or leaving must be gone; 0: nothing is.
  std::int64_t due_ms() const;
  /// Of what is dead and no compaction covers yet.
  std::int64_t uncovered_due_ms() const { return due_ms_; }
  /// When the next compaction should begin at the latest: three quarters of the way to the deadline
  /// from when the death became known, so that others come along. 0: nothing is dead that none
  /// covers yet. Log thread only, as all that follows but for the figures.
  std::int64_t begin_by_ms() const { return begin_by_ms_; }

  /// The compaction that takes out everything dead by now.
  std::uint64_t compaction_needed() const;
  bool is_complete(std::uint64_t compaction) const { return complete_ >= compaction; }

  /// One that covers everything noted so far.
  void begin_compaction();
  void end_compaction(bool complete, std::int64_t duration_ms);

  /// How long before a deadline its last segment should be gone, so that the rows can follow.
  std::int64_t margin_ms() const { return kBetweenMs + kTicksMs + 2 * duration_ms_; }
  /// From the end of one compaction to the beginning of the next, unless somebody waits for it.
  static constexpr std::int64_t kBetweenMs = 5'000;

  // Figures.
  std::uint64_t compactions() const { return complete_; }
  std::uint64_t failed_compactions() const { return failed_; }
  /// Of the last complete one; ms since the epoch when it ended, 0: none since the start.
  std::int64_t last_ms() const { return last_ms_; }
  std::int64_t duration_ms() const { return duration_ms_; }
  /// The last one did not come to its end.
  bool fails() const { return fails_; }

 private:
  static constexpr std::int64_t kTicksMs = 1'000;  // looks are half a second apart

  const StoreClock& clock_;
  std::atomic<std::int64_t> due_ms_{0};          // of what no compaction covers yet
  std::atomic<std::int64_t> running_due_ms_{0};  // of what the one under way covers
  std::atomic<std::int64_t> leaving_due_ms_{0};
  std::int64_t begin_by_ms_ = 0;
  bool running_ = false;
  std::uint64_t begun_ = 0;
  std::atomic<std::uint64_t> complete_{0};  // the last complete one's number
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::int64_t> last_ms_{0};
  std::atomic<std::int64_t> duration_ms_{0};
  std::atomic<bool> fails_{false};
};

}  // namespace kachel
