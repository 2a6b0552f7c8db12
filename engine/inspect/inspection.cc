#include "engine/inspect/inspection.h"

#include <thread>

namespace kachel::inspect {

void Inspection::report(Finding finding) {
  const Severity severity = finding.severity();
  if (severity == Severity::kNote) {
    ++progress.notes;
  } else {
    ++progress.findings;
  }
  if (severity == Severity::kOverdue) ++progress.overdue;
  if (on_finding_) on_finding_(finding);
}

void Inspection::count(std::uint64_t bytes) {
  progress.checked_bytes += bytes;
  counted_ += bytes;
  if (limits_.bytes_per_s == 0) return;
  const auto due =
      began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                   static_cast<double>(counted_) / static_cast<double>(limits_.bytes_per_s)));
  if (due > Clock::now()) std::this_thread::sleep_until(due);
}

Result<void> Inspection::go_on() {
  const auto now = Clock::now();
  if (on_progress_ && now - told_ >= every_) {
    told_ = now;
    on_progress_(progress);
  }
  if (limits_.longest.count() != 0 && now - began_ >= limits_.longest) {
    out_of_time_ = true;
    return Error{ErrorCode::kShutdown, "the time given is up"};
  }
  return {};
}

}  // namespace kachel::inspect
