// Whether what is dead will be gone by its deadlines. Pure functions over what is known.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace kachel {

/// Why a deadline is at risk, the gravest cause first.
enum class ErasureTrouble : std::uint8_t {
  kNone,
  kNotWritable,  // after a failed sync or a damaged index
  kDiskFull,     // the index can't be flushed
  kSweep,        // segments can't be searched for what was erased
  kReclaim,      // a segment can't be emptied or removed
  kCompaction,   // the index can't be compacted
  kSlow,         // there is more to do than time
};
/// For a log line and INFO; "" for kNone.
std::string_view describe(ErasureTrouble trouble);

struct ErasureDeadline {
  std::int64_t due_ms = 0;
  std::int64_t began_ms = 0;     // how long it has been known decides how early to warn
  std::uint64_t dead_bytes = 0;  // in a segment
  std::uint64_t segments = 1;    // to be reclaimed for it
};

struct ErasureSituation {
  std::vector<ErasureDeadline> segments;
  std::vector<ErasureDeadline> erasures;  // of scopes
  std::int64_t index_due_ms = 0;          // 0: nothing is dead in the index
  std::int64_t now_ms = 0;
  std::int64_t reclaim_ms = 0;     // that a segment takes
  std::int64_t compaction_ms = 0;  // that the index takes
  bool writable = true;
  bool index_full = false;
  // The last attempt failed.
  bool sweep_fails = false;
  bool reclaim_fails = false;
  bool compaction_fails = false;
};

struct ErasureOutlook {
  std::int64_t next_deadline_ms = 0;  // 0: nothing has to go
  std::uint64_t at_risk = 0;          // deadlines that will not be met as things go
  std::uint64_t at_risk_bytes = 0;    // dead in segments
  std::uint64_t overdue = 0;          // deadlines that have passed
  ErasureTrouble trouble = ErasureTrouble::kNone;
  bool is_alarming() const { return trouble != ErasureTrouble::kNone; }
};

/// A deadline is at risk when the work that is due before it would take until then; while something
/// fails, from when its reclaim should have begun; and while nothing can be written, at once.
ErasureOutlook assess(ErasureSituation situation);

}  // namespace kachel
