#include "engine/erasure_outlook.h"

#include <algorithm>

#include "engine/lifetime_bucket.h"
#include "engine/reclaim_policy.h"

namespace kachel {
namespace {

// Before the deadline and not after it: looks are half a second apart.
constexpr std::int64_t kWarningMs = 1'500;

ErasureTrouble cause(const ErasureSituation& situation) {
  if (!situation.writable) return ErasureTrouble::kNotWritable;
  if (situation.index_full) return ErasureTrouble::kDiskFull;
  if (situation.sweep_fails) return ErasureTrouble::kSweep;
  if (situation.reclaim_fails) return ErasureTrouble::kReclaim;
  if (situation.compaction_fails) return ErasureTrouble::kCompaction;
  return ErasureTrouble::kSlow;
}

bool is_at_risk(const ErasureSituation& situation, const ErasureDeadline& deadline,
                std::int64_t work_ms) {
  if (!situation.writable) return true;
  std::int64_t lead_ms = work_ms + situation.compaction_ms + kWarningMs;
  if (cause(situation) != ErasureTrouble::kSlow) {
    lead_ms = std::max(lead_ms, reclaim_slack_ms(deadline.due_ms, deadline.began_ms));
  }
  return deadline.due_ms - lead_ms <= situation.now_ms;
}

void count(const ErasureSituation& situation, const ErasureDeadline& deadline, std::int64_t work_ms,
           ErasureOutlook& outlook) {
  outlook.next_deadline_ms = earlier(outlook.next_deadline_ms, deadline.due_ms);
  if (deadline.due_ms < situation.now_ms) ++outlook.overdue;
  if (!is_at_risk(situation, deadline, work_ms)) return;
  ++outlook.at_risk;
  outlook.at_risk_bytes += deadline.dead_bytes;
}

}  // namespace

std::string_view describe(ErasureTrouble trouble) {
  switch (trouble) {
    case ErasureTrouble::kNone:
      return "";
    case ErasureTrouble::kNotWritable:
      return "the store can't write: look to the device, then restart";
    case ErasureTrouble::kDiskFull:
      return "the disk is full";
    case ErasureTrouble::kSweep:
      return "segments can't be searched for what was erased";
    case ErasureTrouble::kReclaim:
      return "a segment can't be reclaimed";
    case ErasureTrouble::kCompaction:
      return "the index can't be compacted";
    case ErasureTrouble::kSlow:
      return "there is more to reclaim than time";
  }
  return "";
}

ErasureOutlook assess(ErasureSituation situation) {
  ErasureOutlook outlook;
  std::sort(situation.segments.begin(), situation.segments.end(),
            [](const auto& a, const auto& b) { return a.due_ms < b.due_ms; });
  std::int64_t work_ms = 0;
  for (const ErasureDeadline& segment : situation.segments) {
    work_ms += situation.reclaim_ms;
    count(situation, segment, work_ms, outlook);
  }
  for (const ErasureDeadline& erasure : situation.erasures) {
    const auto segments = static_cast<std::int64_t>(erasure.segments);
    count(situation, erasure, segments * situation.reclaim_ms, outlook);
  }
  if (situation.index_due_ms != 0) {
    count(situation, {situation.index_due_ms, situation.index_due_ms, 0, 0}, 0, outlook);
  }
  if (outlook.at_risk != 0) outlook.trouble = cause(situation);
  return outlook;
}

}  // namespace kachel
