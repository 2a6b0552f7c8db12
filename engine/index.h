// The index: where each entry's newest record lies. Derived from the segments, never the
// truth: it may lose everything since its last completed flush (and is then replayed), or all
// (and is then rebuilt). Implementations: RocksDbIndex, MemoryIndex (tests, simulator); one
// contract suite runs against both.
//
// Threads: find() and list() from any thread; everything else from the log thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/entry.h"
#include "engine/format/record.h"
#include "engine/mac.h"
#include "engine/scope.h"
#include "io/error.h"
#include "io/unique_function.h"

namespace kachel {

/// docs/format.md ("Index").
struct Row {
  std::uint64_t segment_id = 0;
  std::uint64_t offset = 0;  // bytes
  std::uint32_t size = 0;    // bytes, padding included
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;
  std::int64_t expires_at_ms = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t covers = 0;           // lowest segment that may hold an older copy; 0: none
  std::uint64_t expiry_sequence = 0;  // the expiry record in force; 0: the put's own
  std::int64_t erase_by_ms = 0;       // 0: none
  ScopeTags tags{};
  friend bool operator==(const Row&, const Row&) = default;
};

struct RowKey {
  Namespace space;
  Mac mac;
  friend bool operator==(const RowKey&, const RowKey&) = default;
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

/// Puts what has a `space` and a `mac` in the order of the index, where neighbours lie in one
/// block.
template <typename Items>
void sort_as_rows(Items& items) {
  std::sort(items.begin(), items.end(), [](const auto& one, const auto& other) {
    return RowKey{one.space, one.mac} < RowKey{other.space, other.mac};
  });
}

struct IndexChange {
  RowKey key;
  std::optional<Row> row;  // nothing: delete
};

/// What is live: expired entries not yet reclaimed included.
struct LiveShare {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // of their records
  friend bool operator==(const LiveShare&, const LiveShare&) = default;
};

/// What is live in one segment, by namespace. Of segment 0, which there is none of, `due_ms` speaks
/// of what is dead in the index itself.
struct SegmentCounts {
  std::uint64_t segment_id = 0;
  std::uint64_t live_bytes = 0;
  bool has_later_expiries = false;  // the expiry of one of its entries was put off
  std::vector<std::pair<Namespace, LiveShare>> live;
  std::int64_t due_ms = 0;  // when the first of what is dead in it must be gone; 0: never
};

struct Marker {
  format::StoreId store_id{};
  std::uint64_t applied_through = 0;
  /// Open segments and the offset up to which their records are applied.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> open_segments;
};

/// Kills what is of the scope and has no higher version.
struct Fence {
  Namespace space;  // database 255: all; 253, 254: of the model or subject with this MAC
  Mac mac{};
  std::uint64_t version = 0;
  std::int64_t created_ms = 0;  // of a scope's
  friend bool operator==(const Fence&, const Fence&) = default;
};

/// Keeps the bytes of what is of the scope from being destroyed.
struct Hold {
  Mac id{};           // a UUID
  Namespace space{};  // database 255: all the tenant's; 254: of the subject with this MAC
  Mac scope{};
  std::uint64_t version = 0;
  friend bool operator==(const Hold&, const Hold&) = default;
};

enum class Where : std::uint8_t {
  kMemory,    // kNeedsDisk when memory can't tell
  kAnywhere,  // may block on the disk
};
enum class LookupStatus : std::uint8_t { kFound, kAbsent, kNeedsDisk, kFailed };
struct Lookup {
  LookupStatus status = LookupStatus::kAbsent;
  Row row;
};

/// Says which rows compaction may drop. Called from the index's own threads.
class RowFilter {
 public:
  virtual ~RowFilter() = default;
  virtual bool is_dead(const RowKey& key, const Row& row) const = 0;
};

struct IndexUsage {
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t unflushed_bytes = 0;  // in memory and not yet on its way to disk
  // Written to its tables since it was opened.
  std::uint64_t flushed_bytes = 0;
  std::uint64_t compacted_bytes = 0;
};

class Index {
 public:
  using Done = UniqueFunction<void(Result<void>)>;

  virtual ~Index() = default;

  virtual Lookup find(const RowKey& key, Where where) const = 0;
  /// As find() of each, anywhere; `found` has as many. In the order of the index (sort_as_rows)
  /// they are cheaper together: each table is asked once for all.
  virtual void find_many(std::span<const RowKey> keys, std::span<Lookup> found) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
      found[i] = find(keys[i], Where::kAnywhere);
  }
  /// Up to `limit` rows of the namespace with MAC >= `from`, in MAC order. May block.
  virtual Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                        std::size_t limit) const = 0;

  /// Visible at once, durable with the next flush. In the order given.
  virtual Result<void> apply(std::span<const IndexChange> changes) = 0;
  virtual Result<void> put_fence(const Fence& fence) = 0;
  /// Nothing is left of what it kills.
  virtual Result<void> drop_fence(const Fence& fence) = 0;
  virtual Result<void> put_hold(const Hold& hold) = 0;
  virtual Result<void> drop_hold(const Mac& id) = 0;

  /// Starts making everything applied so far durable, atomically with the marker and the
  /// counts; returns at once. `done` runs on any thread, or never when the index is destroyed
  /// first. One at a time.
  virtual void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) = 0;

  /// Calls back once no compaction that the index has begun by itself before this call is running
  /// any more. On any thread, or never when the index is destroyed first.
  virtual void when_settled(UniqueFunction<void()> done) = 0;
  /// Flushes as flush() does, and `flushed` says how that ended; nothing may be applied until
  /// then. Afterwards all tables are written anew, and the old ones removed: once `done` says so,
  /// what had been deleted or overwritten by the call, and what the filter called dead by the last
  /// when_settled() before it, is in none of the index's files. Both on any thread, `flushed`
  /// first, or never when the index is destroyed first. One at a time; not while a flush is under
  /// way, while others may begin after `flushed`.
  virtual void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
                       Done done) = 0;
  /// when_settled() and compact() call back soon, the latter perhaps with an error: the index is
  /// about to be closed.
  virtual void abort_compaction() {}

  /// The disk was full: apply() and flush() answer kNoSpace until resume() has succeeded. What
  /// was applied before stays readable.
  virtual bool is_full() const { return false; }
  /// Flushes what the full disk had kept from it, and takes changes again. May block; not while
  /// apply() or flush() runs.
  virtual Result<void> resume() { return {}; }

  /// Makes `directory`, below the storage's root, and copies into it what the last flush has made
  /// durable: with that, the index opens as it was then. Blocks; no flush, compact() or resume()
  /// may be under way or begin meanwhile. kNotFound when this index is not kept in files.
  virtual Result<void> copy_to(const std::string& directory) const {
    static_cast<void>(directory);
    return Error{ErrorCode::kNotFound, "this index is not kept in files"};
  }

  /// As found at open.
  virtual Result<std::optional<Marker>> marker() const = 0;
  virtual Result<std::vector<SegmentCounts>> counts() const = 0;
  virtual Result<std::vector<Fence>> fences() const = 0;
  virtual Result<std::vector<Hold>> holds() const = 0;

  /// Lets housekeeping (compaction) begin: until then a start has the processors to itself.
  virtual void start_housekeeping() = 0;
  virtual void set_memory(std::uint64_t bytes) = 0;
  virtual IndexUsage usage() const = 0;
};

struct IndexRequest {
  format::StoreId store_id{};
  std::uint64_t memory_bytes = 0;
  const RowFilter* filter = nullptr;  // outlives the index
  bool wipe = false;                  // whatever is there goes, and an empty one is made
};
/// Errors: kCorrupt and kForeign ask for another call, with `wipe`.
using IndexFactory = std::function<Result<std::unique_ptr<Index>>(const IndexRequest&)>;

}  // namespace kachel
