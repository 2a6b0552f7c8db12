#include "engine/log_queue.h"

#include <cstring>
#include <utility>

namespace kachel {

namespace {

/// Of what is not about one key: it has no payload.
Append small_record(const format::RecordMeta& meta) {
  Append append;
  append.record = format::encode_record(meta, {});
  append.summary.type = meta.type;
  append.summary.space = meta.space;
  append.summary.mac = meta.mac;
  append.summary.version = meta.version;
  append.summary.created_ms = meta.created_ms;
  return append;
}

}  // namespace

Append fence_record(const Fence& fence) {
  const bool scope = is_scope(fence.space);
  format::RecordMeta meta;
  meta.type = scope ? format::RecordType::kScopeFence : format::RecordType::kFence;
  meta.space = fence.space;
  meta.mac = fence.mac;
  meta.version = fence.version;
  meta.created_ms = fence.created_ms;
  return small_record(meta);
}

Append hold_record(const Hold& hold, std::int64_t now_ms) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kHold;
  meta.space = hold.space;
  meta.mac = hold.id;
  meta.scope = hold.scope;
  meta.version = hold.version;
  meta.created_ms = now_ms;
  Append append = small_record(meta);
  if (is_scope(hold.space)) append.summary.tags = {hold.scope.low(), hold.scope.high()};
  return append;
}

Append release_record(std::uint32_t tenant, const Mac& id, std::uint64_t version,
                      std::int64_t now_ms) {
  format::RecordMeta meta;
  meta.type = format::RecordType::kRelease;
  meta.space = {tenant, format::kAllDatabases};
  meta.mac = id;
  meta.version = version;
  meta.created_ms = now_ms;
  return small_record(meta);
}

Hold hold_of(const format::RecordSummary& summary) {
  Hold hold{summary.mac, summary.space, {}, summary.version};
  if (summary.tags.size() == 2) {
    std::memcpy(hold.scope.bytes.data(), summary.tags.data(), sizeof hold.scope.bytes);
  }
  return hold;
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
