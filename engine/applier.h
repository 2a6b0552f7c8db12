// Brings the index up to the log, record by record in order of sequence; live appends and
// recovery go the same way. Log thread only.
//
// Besides the rows it keeps the books of the segments: what is live where, and for each put
// the lowest segment that may still hold an older copy of its key (`covers`): when the put's
// segment is dropped while that one stays, reclaim leaves a tombstone behind.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/core.h"

namespace kachel {

struct LogRecord {
  format::RecordSummary summary;
  SegmentPointer segment;
};

/// What a fence of this scope covers, when all that is counted came before the fence.
void take_out_of_books(Core& core, Namespace scope);

class Applier {
 public:
  explicit Applier(Core& core) : core_(core) {}

  /// Fills in `summary.covers` of puts. kNoSpace: the index takes nothing now; the books have the
  /// records, and the next call must be with them again, and no others. kIo when the index can't
  /// be written, kCorrupt when it can't be read.
  Result<void> apply(std::span<LogRecord> records);

  /// How many records the next call must be with; 0: any.
  std::size_t refused() const { return uncommitted_ ? uncommitted_->records : 0; }

  /// Takes the rows of these keys out of the index as far as a scope's fence covers them, and
  /// out of the books. Those rows. Not while refused() is above 0.
  Result<std::vector<Row>> take_out_fenced(std::vector<RowKey> keys);

  /// Sequence through which everything is in the index.
  std::uint64_t applied_through() const { return core_.applied_through; }
  void set_applied_through(std::uint64_t sequence) { core_.applied_through = sequence; }

 private:
  class Batch;
  struct HoldChange {
    Mac id;
    std::optional<Hold> hold;  // nothing: it is released
  };
  struct Changes {
    std::vector<IndexChange> rows;
    std::vector<Fence> fences;
    std::vector<HoldChange> holds;
    std::size_t records = 0;  // that they come from
  };
  Result<void> commit();

  Core& core_;
  std::optional<Changes> uncommitted_;  // of an apply() that found the index full
};

}  // namespace kachel
