// Index in memory with RocksDbIndex's contract: crash() forgets what no completed flush
// covered, and what is dead stays until it is compacted away. For tests and the simulator.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/index.h"

namespace kachel {

/// What survives a crash; outlives the index that writes it.
struct MemoryIndexImage {
  std::map<RowKey, Row> rows;
  std::map<std::pair<Namespace, Mac>, Fence> fences;
  std::map<Mac, Hold> holds;
  std::map<std::uint64_t, SegmentCounts> counts;
  std::optional<Marker> marker;
  /// Rows that were deleted or overwritten, in that order: they are in the files still.
  std::vector<std::pair<RowKey, Row>> dead;

  /// What a compaction leaves that began when `dead` had this size.
  void compact(std::size_t dead_before, const RowFilter* filter);
};

class MemoryIndex final : public Index {
 public:
  /// `durable` is read now and replaced by every flush.
  explicit MemoryIndex(std::shared_ptr<MemoryIndexImage> durable,
                       const RowFilter* filter = nullptr);

  Lookup find(const RowKey& key, Where where) const override;
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override;
  Result<void> apply(std::span<const IndexChange> changes) override;
  Result<void> put_fence(const Fence& fence) override;
  Result<void> put_hold(const Hold& hold) override;
  Result<void> drop_hold(const Mac& id) override;
  Result<void> drop_fence(const Fence& fence) override;
  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override;
  void when_settled(UniqueFunction<void()> done) override { done(); }
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override;
  Result<std::optional<Marker>> marker() const override;
  Result<std::vector<SegmentCounts>> counts() const override;
  Result<std::vector<Fence>> fences() const override;
  Result<std::vector<Hold>> holds() const override;
  void start_housekeeping() override {}
  void set_memory(std::uint64_t) override {}
  IndexUsage usage() const override;

  /// The two ends of a compaction, for who has time pass in between: dead rows there are by now;
  /// they leave.
  std::size_t dead_rows() const;
  void drop_dead(std::size_t dead_before);

 private:
  void bury(const RowKey& key);

  mutable std::mutex mutex_;
  MemoryIndexImage now_;
  std::uint64_t unflushed_rows_ = 0;
  std::shared_ptr<MemoryIndexImage> durable_;
  const RowFilter* filter_;
};

/// For Environment: an index whose disk is `image`.
IndexFactory memory_index_factory(std::shared_ptr<MemoryIndexImage> image);

}  // namespace kachel
