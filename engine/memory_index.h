// Index in memory with RocksDbIndex's contract: crash() forgets what no completed flush
// covered. For tests and the simulator.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "engine/index.h"

namespace kachel {

/// What survives a crash; outlives the index that writes it.
struct MemoryIndexImage {
  std::map<RowKey, Row> rows;
  std::map<std::pair<Namespace, Mac>, Fence> fences;
  std::map<std::uint64_t, SegmentCounts> counts;
  std::optional<Marker> marker;
};

class MemoryIndex final : public Index {
 public:
  /// `durable` is read now and replaced by every flush.
  explicit MemoryIndex(std::shared_ptr<MemoryIndexImage> durable);

  Lookup find(const RowKey& key, Where where) const override;
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override;
  Result<void> apply(std::span<const IndexChange> changes) override;
  Result<void> put_fence(const Fence& fence) override;
  Result<void> drop_fence(const Fence& fence) override;
  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override;
  Result<std::optional<Marker>> marker() const override;
  Result<std::vector<SegmentCounts>> counts() const override;
  Result<std::vector<Fence>> fences() const override;
  void start_housekeeping() override {}
  void set_memory(std::uint64_t) override {}
  IndexUsage usage() const override;

 private:
  mutable std::mutex mutex_;
  MemoryIndexImage now_;
  std::uint64_t unflushed_rows_ = 0;
  std::shared_ptr<MemoryIndexImage> durable_;
};

/// For Environment: an index whose disk is `image`.
IndexFactory memory_index_factory(std::shared_ptr<MemoryIndexImage> image);

}  // namespace kachel
