#include "tests/simulator/sim_index.h"

#include <utility>

namespace kachel::sim {
namespace {

class SimIndex final : public Index {
 public:
  SimIndex(std::shared_ptr<IndexDisk> disk, io::Loop& loop, Choices& choices)
      : disk_(std::move(disk)),
        loop_(loop),
        choices_(choices),
        snapshot_(std::make_shared<MemoryIndexImage>(disk_->durable)),
        memory_(snapshot_) {}

  Lookup find(const RowKey& key, Where where) const override {
    if (where == Where::kMemory && draw(disk_->needs_disk_percent)) {
      return {LookupStatus::kNeedsDisk, {}};
    }
    if (where != Where::kMemory && disk_->is_running && draw(disk_->read_error_percent)) {
      disk_->faults->note(FaultClass::kIndexReadError);
      return {LookupStatus::kFailed, {}};
    }
    return memory_.find(key, where);
  }
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override {
    return memory_.list(space, from, limit);
  }
  Result<void> apply(std::span<const IndexChange> changes) override {
    unflushed_ += changes.size();
    return memory_.apply(changes);
  }
  Result<void> put_fence(const Fence& fence) override {
    ++unflushed_;
    return memory_.put_fence(fence);
  }
  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override;
  Result<std::optional<Marker>> marker() const override { return memory_.marker(); }
  Result<std::vector<SegmentCounts>> counts() const override { return memory_.counts(); }
  Result<std::vector<Fence>> fences() const override { return memory_.fences(); }
  void start_housekeeping() override {}
  void set_memory(std::uint64_t) override {}
  IndexUsage usage() const override {
    const bool full = disk_->flush_at_rows != 0 && unflushed_ >= disk_->flush_at_rows;
    return {disk_->fake_bytes, 0, full ? std::uint64_t{1} << 40 : 0};
  }

 private:
  bool draw(std::size_t percent) const { return percent != 0 && choices_.choose(100) < percent; }
  void complete(UniqueFunction<void(Result<void>)> done, bool fails);

  const std::shared_ptr<IndexDisk> disk_;  // outlives this, for the next start
  io::Loop& loop_;
  Choices& choices_;
  std::shared_ptr<MemoryIndexImage> snapshot_;  // where memory_ flushes to, at once
  MemoryIndex memory_;
  std::uint64_t unflushed_ = 0;
};

void SimIndex::flush(const Marker& marker, std::span<const SegmentCounts> counts,
                     UniqueFunction<void(Result<void>)> done) {
  memory_.flush(marker, counts, [](Result<void>) {});
  unflushed_ = 0;
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

}  // namespace kachel::sim
