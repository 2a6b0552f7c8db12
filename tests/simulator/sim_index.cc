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
  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override {
    unflushed_ = 0;
    index_->flush(marker, counts, std::move(done));
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
  SimIndex(const std::shared_ptr<IndexDisk>& disk, io::Loop& loop, Choices& choices)
      : SimIndex(disk, loop, choices, std::make_shared<MemoryIndexImage>(disk->durable)) {}

  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override;

 private:
  SimIndex(const std::shared_ptr<IndexDisk>& disk, io::Loop& loop, Choices& choices,
           const std::shared_ptr<MemoryIndexImage>& snapshot)
      : MoodyIndex(std::make_unique<MemoryIndex>(snapshot), disk, choices),
        loop_(loop),
        snapshot_(snapshot) {}
  void complete(UniqueFunction<void(Result<void>)> done, bool fails);

  io::Loop& loop_;
  const std::shared_ptr<MemoryIndexImage> snapshot_;  // where the index flushes to, at once
};

void SimIndex::flush(const Marker& marker, std::span<const SegmentCounts> counts,
                     UniqueFunction<void(Result<void>)> done) {
  MoodyIndex::flush(marker, counts, [](Result<void>) {});
  disk_->pending = *snapshot_;
  const bool fails = disk_->is_running && draw(disk_->flush_error_percent);
  if (!disk_->is_running) return complete(std::move(done), fails);
  const auto delay =
      std::chrono::milliseconds(choices_.choose(static_cast<std::size_t>(disk_->flush_max_ms) + 1));
  loop_.schedule_after(
      delay, [this, fails, done = std::move(done)]() mutable { complete(std::move(done), fails); });
}

void SimIndex::complete(UniqueFunction<void(Result<void>)> done, bool fails) {
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
    return std::unique_ptr<Index>(std::make_unique<SimIndex>(disk, loop, choices));
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
