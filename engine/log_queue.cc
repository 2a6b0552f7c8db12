#include "engine/log_queue.h"

#include <utility>

namespace kachel {

Append fence_record(const Fence& fence) {
  const bool scope = is_scope(fence.space);
  format::RecordMeta meta;
  meta.type = scope ? format::RecordType::kScopeFence : format::RecordType::kFence;
  meta.space = fence.space;
  meta.mac = fence.mac;
  meta.version = fence.version;
  meta.created_ms = fence.created_ms;
  Append append;
  append.record = format::encode_record(meta, {});
  append.summary.type = meta.type;
  append.summary.space = fence.space;
  append.summary.mac = fence.mac;
  append.summary.version = fence.version;
  append.summary.created_ms = fence.created_ms;
  return append;
}

std::uint64_t LogQueue::append(Append append) {
  const bool urgent = append.ack == AckLevel::kDurable;
  bool wake = urgent;
  if (urgent) urgent_ = true;
  std::uint64_t sequence = 0;
  {
    const std::lock_guard lock(mutex_);
    sequence = next_++;
    append.summary.sequence = sequence;
    if (append.summary.version == 0) append.summary.version = sequence;
    append.summary.size = static_cast<std::uint32_t>(append.record.size());
    staged_bytes_.fetch_add(append.record.size(), std::memory_order_relaxed);
    wake = wake || queue_.empty();
    queue_.push_back(std::move(append));
  }
  if (wake && wake_) wake_();
  return sequence;
}

std::vector<Append> LogQueue::take(const std::function<Append()>& mark) {
  std::vector<Append> taken;
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return taken;
  if (mark) {
    Append append = mark();
    append.summary.sequence = next_++;
    append.summary.version = append.summary.sequence;
    append.summary.size = static_cast<std::uint32_t>(append.record.size());
    staged_bytes_.fetch_add(append.record.size(), std::memory_order_relaxed);
    queue_.push_back(std::move(append));
  }
  taken.swap(queue_);
  return taken;
}

void LogQueue::when_drained(io::Loop& loop, std::uint64_t bound, io::Task resume) {
  const std::lock_guard lock(resume_mutex_);
  resumes_.push_back({&loop, bound, std::move(resume)});
  // A drain between the caller's look and here would go unnoticed: the log wakes once more.
  if (wake_) wake_();
}

void LogQueue::resume_waiters() {
  const std::uint64_t staged = staged_bytes();
  const std::lock_guard lock(resume_mutex_);
  std::erase_if(resumes_, [&](Resume& resume) {
    if (staged > resume.bound / 4) return false;
    resume.loop->post(std::move(resume.task));
    return true;
  });
}

std::uint64_t LogQueue::last_sequence() const {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

}  // namespace kachel
