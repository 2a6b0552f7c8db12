// Log, third part: the state that a snapshot takes. It is that of a flush of the index, so that the
// index which goes with it has just the records that its segments have. What is open is closed
// before, so that little more than names has to be copied; what has been appended since then lies
// in new segments, of which the beginning is copied, up to what the flush covers.
#include <algorithm>
#include <utility>

#include "engine/log.h"

namespace kachel {

void Log::cut(CutTaken taken) {
  cut_taken_ = std::move(taken);
  cut_stage_ = CutStage::kSealing;
  if (!core_.writable) {
    return end_cut_flush(Error{ErrorCode::kIo, "nothing can be made durable any more"});
  }
  open_.close_all();
  cut_below_ = allocator_.next_id();
  seal_ready();
}

/// Called whenever segments may have got their footers.
void Log::advance_cut() {
  const auto is_waited_for = [this](const SegmentPointer& segment) {
    return segment->id < cut_below_;
  };
  if (std::any_of(sealing_.begin(), sealing_.end(), is_waited_for)) return;
  cut_stage_ = CutStage::kDue;
  core_.env.log_loop.post([this] { advance_flush(); });
}

/// The flush with this marker is about to begin.
void Log::take_cut(const Marker& marker) {
  cut_stage_ = CutStage::kFlushing;
  cut_ = {};
  cut_.marker = marker;
  cut_.next_segment_id = allocator_.next_id();
  for (const SegmentPointer& segment : core_.segments.all()) {
    const bool is_sealed =
        segment->state == SegmentState::kSealed || segment->state == SegmentState::kReclaiming;
    const std::uint64_t bytes = is_sealed ? segment->bytes.load() : segment->applied_end;
    if (is_sealed || bytes > segment->data_begin) cut_.parts.push_back({segment, bytes, is_sealed});
  }
}

void Log::end_cut_flush(const Result<void>& result) {
  cut_stage_ = CutStage::kTaken;
  Result<Cut> taken = std::exchange(cut_, {});
  if (!result) taken = result.error();
  std::exchange(cut_taken_, nullptr)(std::move(taken));
}

void Log::abort_cut() {
  if (cut_stage_ != CutStage::kSealing && cut_stage_ != CutStage::kDue) return;
  end_cut_flush(Error{ErrorCode::kShutdown, "the store is being closed"});
}

void Log::end_cut() {
  cut_stage_ = CutStage::kNone;
  advance_flush();
  if (stopping_) advance_stop();
}

}  // namespace kachel
