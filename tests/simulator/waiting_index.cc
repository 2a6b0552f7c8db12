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

  void flush(const Marker& marker, std::span<const SegmentCounts> counts, Done done) override {
    if (files_->process().is_dead()) return;
    tell(true);
    Word word;
    index_->flush(marker, counts, word.teller());
    const bool told = await(word);
    tell(false);
    if (told) done(word.get());
  }

  void when_settled(UniqueFunction<void()> done) override {
    if (files_->process().is_dead()) return;
    Word word;
    index_->when_settled([teller = word.teller()]() mutable { teller({}); });
    if (await(word)) done();
  }

  void compact(const Marker& marker, std::span<const SegmentCounts> counts, Done flushed,
               Done done) override {
    if (files_->process().is_dead()) return;
    tell(true);
    Word flush;
    Word compaction;
    index_->compact(marker, counts, flush.teller(), compaction.teller());
    const bool told = await(flush) && await(compaction);
    tell(false);
    if (!told) return;
    flushed(flush.get());
    done(compaction.get());
  }

 private:
  /// Shared with the index, which may outlive the call that waits for it.
  class Word {
   public:
    Done teller() {
      return [promise = promise_](Result<void> result) { promise->set_value(std::move(result)); };
    }
    bool is_there() const { return future_.wait_for(kGlance) == std::future_status::ready; }
    Result<void> get() { return future_.get(); }

   private:
    std::shared_ptr<std::promise<Result<void>>> promise_ =
        std::make_shared<std::promise<Result<void>>>();
    std::future<Result<void>> future_ = promise_->get_future();
  };

  /// False when the process has died before.
  bool await(const Word& word) const {
    const auto deadline = Clock::now() + kPatience;
    while (!word.is_there()) {
      if (files_->process().is_dead()) return false;
      KACHEL_CHECK(Clock::now() < deadline, "a flush or a compaction of the index never ends");
    }
    return true;
  }

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
