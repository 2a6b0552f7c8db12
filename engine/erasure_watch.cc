#include "engine/erasure_watch.h"

#include <algorithm>
#include <utility>

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kWatchTick{500};
}  // namespace

void ErasureWatch::start() {
  tick_timer_ = core_.env.log_loop.schedule_after(kWatchTick, [this] {
    start();
    look();
  });
}

void ErasureWatch::stop() {
  core_.env.log_loop.cancel(tick_timer_);
}

void ErasureWatch::look() {
  const ErasureOutlook now = outlook();
  if (std::exchange(told_, now.trouble) == now.trouble) return;
  if (core_.env.on_erasure_alarm) core_.env.on_erasure_alarm(now);
}

ErasureOutlook ErasureWatch::outlook() const {
  ErasureSituation situation;
  for (const SegmentPointer& segment : core_.segments.all()) {
    const std::int64_t due_ms = segment->due_ms;
    if (due_ms == 0 || held_share_of(core_, *segment) == HeldShare::kAll) continue;
    const std::uint64_t bytes = segment->bytes;
    const std::uint64_t live = std::min<std::uint64_t>(bytes, segment->live_bytes);
    situation.segments.push_back({due_ms, segment->created_ms, bytes - live, 1});
  }
  for (const Erasure& erasure : eraser_.pending()) {
    if (erasure.held_copies > 0) continue;  // its deadline begins with the release
    situation.erasures.push_back(
        {erasure.deadline_ms, erasure.fenced_ms, 0, erasure.segments_left});
  }
  situation.index_due_ms = core_.index_debt.due_ms();
  situation.now_ms = core_.clock.now_ms();
  situation.reclaim_ms = core_.erasure_work.reclaim_ms;
  situation.compaction_ms = core_.index_debt.duration_ms();
  situation.writable = core_.writable;
  situation.index_full = core_.index->is_full();
  situation.sweep_fails = core_.erasure_work.sweep_fails;
  situation.reclaim_fails = core_.erasure_work.reclaim_fails;
  situation.compaction_fails = core_.index_debt.fails();
  return assess(std::move(situation));
}

}  // namespace kachel
