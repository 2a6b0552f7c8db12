#include "tests/simulator/sim_index.h"

#include <utility>

#include "tests/simulator/forwarding_index.h"

namespace kachel::sim {
namespace {

/// The moods, of any index.
class MoodyIndex : public ForwardingIndex {
 public:
  MoodyIndex(std::unique_ptr<Index> index, std::shared_ptr<IndexDisk> disk, Choices& choices)
      : ForwardingIndex(std::move(index)), disk_(std::move(disk)), choices_(choices) {}

  Lookup find(const RowKey& key, Where where) const override {
    if (where == Where::kMemory && draw(disk_->needs_disk_percent)) {
      return {LookupStatus::kNeedsDisk, {}};
    }
    if (where != Where::kMemory && disk_->is_running && draw(disk_->read_error_percent)) {
      disk_->faults->note(FaultClass::kIndexReadError);
      return {LookupStatus::kFailed, {}};
    }
    return index_->find(key, where);
  }
  Result<void> apply(std::span<const IndexChange> changes) override {
    unflushed_ += changes.size();
    return index_->apply(changes);
  }
  Result<void> put_fence(const Fence& fence) override {
    ++unflushed_;
    return index_->put_fence(fence);
  }
  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override {
    unflushed_ = 0;
    index_->flush(marker, counts, std::move(done));
  }
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override {
    unflushed_ = 0;
    index_->compact(marker, counts, std::move(flushed), std::move(done));
  }
  IndexUsage usage() const override {
    const bool full = disk_->flush_at_rows != 0 && unflushed_ >= disk_->flush_at_rows;
    return {disk_->fake_bytes, 0, full ? std::uint64_t{1} << 40 : 0};
  }

 protected:
  bool draw(std::size_t percent) const { return percent != 0 && choices_.choose(100) < percent; }

  const std::shared_ptr<IndexDisk> disk_;  // outlives this, for the next start
  Choices& choices_;

 private:
  std::uint64_t unflushed_ = 0;
};

/// In memory, with a disk that is slow and fails.
class SimIndex final : public MoodyIndex {
 public:
  SimIndex(const std::shared_ptr<IndexDisk>& disk, io::Loop& loop, Choices& choices,
           const RowFilter* filter)
      : SimIndex(disk, loop, choices, filter, std::make_shared<MemoryIndexImage>(disk->durable)) {}

  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override;
  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override;

 private:
  SimIndex(const std::shared_ptr<IndexDisk>& disk, io::Loop& loop, Choices& choices,
           const RowFilter* filter, const std::shared_ptr<MemoryIndexImage>& snapshot)
      : SimIndex(disk, loop, choices, filter, snapshot,
                 std::make_unique<MemoryIndex>(snapshot, filter)) {}
  SimIndex(const std::shared_ptr<IndexDisk>& disk, io::Loop& loop, Choices& choices,
           const RowFilter* filter, const std::shared_ptr<MemoryIndexImage>& snapshot,
           std::unique_ptr<MemoryIndex> rows)
      : MoodyIndex(std::move(rows), disk, choices),
        loop_(loop),
        filter_(filter),
        snapshot_(snapshot),
        rows_(static_cast<MemoryIndex&>(*index_)) {}
  void complete(Done done, bool fails);
  std::chrono::milliseconds draw_delay();
  void rewrite(std::size_t dead, Done done);
  void complete_rewrite(std::size_t dead, Done done, bool fails);

  io::Loop& loop_;
  const RowFilter* filter_;
  const std::shared_ptr<MemoryIndexImage> snapshot_;  // where the index flushes to, at once
  MemoryIndex& rows_;
};

std::chrono::milliseconds SimIndex::draw_delay() {
  return std::chrono::milliseconds(
      choices_.choose(static_cast<std::size_t>(disk_->flush_max_ms) + 1));
}

void SimIndex::flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) {
  MoodyIndex::flush(marker, counts, [](Result<void>) {});
  disk_->pending = *snapshot_;
  const bool fails = disk_->is_running && draw(disk_->flush_error_percent);
  if (!disk_->is_running) return complete(std::move(done), fails);
  loop_.schedule_after(draw_delay(), [this, fails, done = std::move(done)]() mutable {
    complete(std::move(done), fails);
  });
}

/// A flush, and the rest in its own time, with others in between.
void SimIndex::compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
                       Done done) {
  const std::size_t dead = rows_.dead_rows();
  flush(marker, counts,
        [this, dead, flushed = std::move(flushed),
         done = std::move(done)](Result<void> result) mutable {
          flushed(result);
          if (!result) return done(std::move(result));
          rewrite(dead, std::move(done));
        });
}

void SimIndex::rewrite(std::size_t dead, Done done) {
  const bool fails = disk_->is_running && draw(disk_->flush_error_percent);
  loop_.schedule_after(draw_delay(), [this, dead, fails, done = std::move(done)]() mutable {
    complete_rewrite(dead, std::move(done), fails);
  });
}

void SimIndex::complete_rewrite(std::size_t dead, Done done, bool fails) {
  if (disk_->on_flush) disk_->on_flush();
  if (fails) {
    disk_->faults->note(FaultClass::kIndexFlushError);
    return done(Error{ErrorCode::kNoSpace, "index: compact: no space in the simulated world"});
  }
  rows_.drop_dead(dead);
  disk_->durable.compact(dead, filter_);
  if (disk_->pending) disk_->pending->compact(dead, filter_);
  done({});
}

void SimIndex::complete(Done done, bool fails) {
  if (disk_->on_flush) disk_->on_flush();
  if (fails) {
    disk_->faults->note(FaultClass::kIndexFlushError);
    disk_->pending.reset();
    return done(Error{ErrorCode::kNoSpace, "index: flush: no space in the simulated world"});
  }
  disk_->durable = std::move(*disk_->pending);
  disk_->pending.reset();
  done({});
}

}  // namespace

IndexFactory sim_index_factory(std::shared_ptr<IndexDisk> disk, io::Loop& loop, Choices& choices) {
  return [disk = std::move(disk), &loop,
          &choices](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    if (request.wipe) disk->durable = {};
    return std::unique_ptr<Index>(std::make_unique<SimIndex>(disk, loop, choices, request.filter));
  };
}

IndexFactory moody(IndexFactory factory, std::shared_ptr<IndexDisk> disk, Choices& choices) {
  return [factory = std::move(factory), disk = std::move(disk),
          &choices](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    auto opened = factory(request);
    if (!opened) return opened;
    return std::unique_ptr<Index>(std::make_unique<MoodyIndex>(std::move(*opened), disk, choices));
  };
}

}  // namespace kachel::sim
