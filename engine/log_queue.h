// Where records take their place in the order of the log: any thread appends, the log thread
// takes all there is and writes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/dictionary.h"
#include "engine/format/footer.h"
#include "engine/format/record.h"
#include "engine/index.h"
#include "io/error.h"
#include "io/loop.h"
#include "io/unique_function.h"

namespace kachel {

/// What became of a record.
enum class Appended : std::uint8_t {
  kDone,     // written, or durable, as asked
  kDropped,  // a put that found no room: the key was erased instead
};
using AppendHandler = UniqueFunction<void(Result<Appended>)>;

enum class AckLevel : std::uint8_t {
  kNone,
  kWritten,  // the kernel has it
  kDurable,  // fdatasync has returned
};

struct Append {
  format::EncodedRecord record;
  format::RecordSummary summary;  // place, size and sequence are filled in on the way
  std::uint32_t bucket = 0;
  bool survivor = false;
  Dictionary::Pointer dictionary;  // that its payload is compressed with
  AckLevel ack = AckLevel::kNone;
  io::Loop* loop = nullptr;  // where the handler runs
  AppendHandler handler;
  Appended outcome = Appended::kDone;  // what the handler is told on success
};

/// The record of a fence; of a later copy when it has a version.
Append fence_record(const Fence& fence);
/// Likewise of a hold, and of the release of the hold with this id.
Append hold_record(const Hold& hold, std::int64_t now_ms);
Append release_record(std::uint32_t tenant, const Mac& id, std::uint64_t version,
                      std::int64_t now_ms);
/// From the summary of its record.
Hold hold_of(const format::RecordSummary& summary);

class LogQueue {
 public:
  /// Called, on any thread, when the queue stops being empty or a record is urgent.
  void on_first(std::function<void()> wake) { wake_ = std::move(wake); }

  /// The record's sequence.
  std::uint64_t append(Append append);
  /// All that is queued, in order of sequence. With `mark`, and when there is anything, one
  /// more record of the log's own goes to the end.
  std::vector<Append> take(const std::function<Append()>& mark);

  void set_next(std::uint64_t sequence) { next_ = sequence; }
  std::uint64_t last_sequence() const;
  /// Bytes appended and not yet written.
  std::uint64_t staged_bytes() const { return staged_bytes_.load(std::memory_order_relaxed); }
  void staged(std::uint64_t bytes) { staged_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  void written(std::uint64_t bytes) { staged_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  /// Whether a record that waits for durability came since the last call.
  bool take_urgent() { return urgent_.exchange(false); }

  /// Runs `resume` on `loop` once no more than a quarter of `bound` bytes are staged.
  void when_drained(io::Loop& loop, std::uint64_t bound, io::Task resume);
  /// Log thread, after a batch: runs what waited long enough.
  void resume_waiters();

 private:
  mutable std::mutex mutex_;
  std::vector<Append> queue_;
  std::uint64_t next_ = 1;
  std::atomic<std::uint64_t> staged_bytes_{0};
  std::atomic<bool> urgent_{false};
  std::function<void()> wake_;

  struct Resume {
    io::Loop* loop = nullptr;
    std::uint64_t bound = 0;
    io::Task task;
  };
  std::mutex resume_mutex_;
  std::vector<Resume> resumes_;
};

}  // namespace kachel
