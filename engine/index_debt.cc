#include "engine/index_debt.h"

#include <algorithm>

namespace kachel {

void IndexDebt::note(std::int64_t due_ms) {
  due_ms = std::max<std::int64_t>(due_ms, 1);
  const std::int64_t known_ms = due_ms_;
  if (known_ms != 0 && known_ms <= due_ms) return;
  due_ms_ = due_ms;
  const std::int64_t now_ms = clock_.now_ms();
  begin_by_ms_ =
      earlier(begin_by_ms_, due_ms <= now_ms ? due_ms : now_ms + (due_ms - now_ms) / 4 * 3);
}

std::int64_t IndexDebt::due_ms() const {
  return earlier(earlier(due_ms_, running_due_ms_), leaving_due_ms_);
}

void IndexDebt::note_left(bool all) {
  if (leaving_due_ms_ != 0) note(leaving_due_ms_);
  if (all) leaving_due_ms_ = 0;
}

std::uint64_t IndexDebt::compaction_needed() const {
  if (due_ms_ != 0) return begun_ + 1;
  return running_ ? begun_ : complete_.load();
}

void IndexDebt::begin_compaction() {
  ++begun_;
  running_ = true;
  // In this order, so that nobody sees neither.
  running_due_ms_ = due_ms_.load();
  due_ms_ = 0;
  begin_by_ms_ = 0;
}

void IndexDebt::end_compaction(bool complete, std::int64_t duration_ms) {
  running_ = false;
  fails_ = !complete;
  const std::int64_t covered_ms = running_due_ms_;
  if (complete) {
    complete_ = begun_;
    last_ms_ = clock_.now_ms();
    duration_ms_ = duration_ms;
  } else {
    ++failed_;
    if (covered_ms != 0) note(covered_ms);
  }
  running_due_ms_ = 0;
}

}  // namespace kachel
