#include "waiting_index.h"

#include <chrono>
#include <future>

#include "io/check.h"

namespace kachel::sim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{60};
/// For the dead: RocksDB mostly notices within one, and is then waited for no longer.
constexpr std::chrono::milliseconds kGlance{20};

class WaitingIndex final : public Index {
 public:
  WaitingIndex(std::unique_ptr<Index> index, std::shared_ptr<StorageFileSystem> files)
      : files_(std::move(files)), index_(std::move(index)) {}

  Lookup find(const RowKey& key, Where where) const override { return index_->find(key, where); }
  Result<std::vector<std::pair<Mac, Row>>> list(Namespace space, const Mac& from,
                                                std::size_t limit) const override {
    return index_->list(space, from, limit);
  }
  Result<void> apply(std::span<const IndexChange> changes) override {
    return index_->apply(changes);
  }
  Result<void> put_fence(const Fence& fence) override { return index_->put_fence(fence); }

  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override {
    if (files_->process().is_dead()) return;
    // Shared with the flush, which may outlive this call.
    auto flushed = std::make_shared<std::promise<Result<void>>>();
    auto future = flushed->get_future();
    index_->flush(marker, counts,
                  [flushed](Result<void> result) { flushed->set_value(std::move(result)); });
    const auto deadline = Clock::now() + kPatience;
    while (future.wait_for(kGlance) != std::future_status::ready) {
      if (files_->process().is_dead()) return;
      KACHEL_CHECK(Clock::now() < deadline, "a flush of the index never ends");
    }
    done(future.get());
  }

  bool is_full() const override { return index_->is_full(); }
  Result<void> resume() override { return index_->resume(); }
  Result<std::optional<Marker>> marker() const override { return index_->marker(); }
  Result<std::vector<SegmentCounts>> counts() const override { return index_->counts(); }
  Result<std::vector<Fence>> fences() const override { return index_->fences(); }
  void start_housekeeping() override { index_->start_housekeeping(); }
  void set_memory(std::uint64_t bytes) override { index_->set_memory(bytes); }
  IndexUsage usage() const override { return index_->usage(); }

 private:
  const std::shared_ptr<StorageFileSystem> files_;  // shared with whoever ends the process
  const std::unique_ptr<Index> index_;
};

}  // namespace

IndexFactory waiting(IndexFactory factory, std::shared_ptr<StorageFileSystem> files) {
  return [factory = std::move(factory),
          files = std::move(files)](const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    auto opened = factory(request);
    if (!opened) return opened;
    return std::unique_ptr<Index>(std::make_unique<WaitingIndex>(std::move(*opened), files));
  };
}

}  // namespace kachel::sim
