#include "waiting_index.h"

#include <chrono>
#include <future>

#include "io/check.h"
#include "tests/simulator/forwarding_index.h"

namespace kachel::sim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{60};
/// For the dead: RocksDB mostly notices within one, and is then waited for no longer.
constexpr std::chrono::milliseconds kGlance{20};

class WaitingIndex final : public ForwardingIndex {
 public:
  WaitingIndex(std::unique_ptr<Index> index, std::shared_ptr<StorageFileSystem> files,
               FlushObserver observer)
      : ForwardingIndex(std::move(index)),
        files_(std::move(files)),
        observer_(std::move(observer)) {}

  void flush(const Marker& marker, std::span<const SegmentCounts> counts,
             UniqueFunction<void(Result<void>)> done) override {
    if (files_->process().is_dead()) return;
    tell(true);
    // Shared with the flush, which may outlive this call.
    auto flushed = std::make_shared<std::promise<Result<void>>>();
    auto future = flushed->get_future();
    index_->flush(marker, counts,
                  [flushed](Result<void> result) { flushed->set_value(std::move(result)); });
    const auto deadline = Clock::now() + kPatience;
    while (future.wait_for(kGlance) != std::future_status::ready) {
      if (files_->process().is_dead()) return tell(false);
      KACHEL_CHECK(Clock::now() < deadline, "a flush of the index never ends");
    }
    tell(false);
    done(future.get());
  }

 private:
  void tell(bool is_flushing) {
    if (observer_) observer_(is_flushing);
  }

  const std::shared_ptr<StorageFileSystem> files_;  // shared with whoever ends the process
  const FlushObserver observer_;
};

}  // namespace

IndexFactory waiting(IndexFactory factory, std::shared_ptr<StorageFileSystem> files,
                     FlushObserver observer) {
  return [factory = std::move(factory), files = std::move(files), observer = std::move(observer)](
             const IndexRequest& request) -> Result<std::unique_ptr<Index>> {
    auto opened = factory(request);
    if (!opened) return opened;
    return std::unique_ptr<Index>(
        std::make_unique<WaitingIndex>(std::move(*opened), files, observer));
  };
}

}  // namespace kachel::sim
