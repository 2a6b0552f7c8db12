// Random histories on the real RocksDB: its flushes cut short at any of their writes, its files
// failing and full, its directory lost. The seed says what is done and which I/O fails; RocksDB's
// threads have a say in the rest.
#include "rocksdb_home.h"
#include "store_history.h"

namespace kachel {
namespace {

class RocksDbHistory final : public StoreHistory {
 public:
  RocksDbHistory(std::uint64_t seed, Durability durability, bool files_break)
      : StoreHistory(seed, durability, rocksdb_home), files_break_(files_break) {}

 private:
  void act() override {
    const std::uint64_t choice = below(100);
    if (choice < 92) return StoreHistory::act();
    if (choice < 96 || !files_break_) return stop();
    break_index_files();
  }

  /// On a device that fails a start may be refused; once it works again, it is not.
  void open() override {
    const auto opened = world_.try_open();
    if (opened) return;
    trace("refused: " + opened.error().message);
    ASSERT_TRUE(opened.error().code == ErrorCode::kNoSpace || opened.error().code == ErrorCode::kIo)
        << opened.error().message;
    world_.drop();
    world_.device.clear();
    world_.open();
  }

  sim::Process& process() { return dynamic_cast<RocksDbHome&>(*world_.index).process(); }
  Ending any_ending() { return static_cast<Ending>(below(3)); }

  /// A stop flushes the index, unless it is cut short.
  void stop() {
    constexpr std::size_t kStepsMax = 3000;
    constexpr std::uint64_t kChangesOfAFlush = 30;
    if (below(2) == 0) {
      const std::uint64_t changes = below(kChangesOfAFlush);
      trace("dies after " + std::to_string(changes) + " changes");
      process().die_after(changes);
    }
    const auto closed = world_.try_close(kStepsMax);
    const bool clean = closed && *closed;
    const Ending ending = any_ending();
    end(ending);
    world_.device.clear();
    trace(std::string(clean ? "stop, then " : "stop cut short by a ") + name_of(ending));
    if (clean) durable_ = states_.size() - 1;
    restart(ending);
  }

  /// Expired segments are dropped meanwhile, and the index fails to flush. What was there is
  /// still read, and there after the restart that follows, on files that still fail or do not.
  void break_index_files() {
    using io::FaultOp;
    constexpr FaultOp kOps[] = {FaultOp::kWrite,  FaultOp::kSync,   FaultOp::kCreate,
                                FaultOp::kRename, FaultOp::kRemove, FaultOp::kSyncDirectory};
    io::Fault fault;
    fault.op = kOps[below(std::size(kOps))];
    fault.error_number = below(2) == 0 ? ENOSPC : EIO;
    fault.path_contains = "index";
    fault.skip = below(20);
    fault.times = below(4);
    trace("break index files: operation " + std::to_string(static_cast<int>(fault.op)));
    world_.device.inject(fault);
    for (std::uint64_t i = below(4); i > 0; --i) {
      world_.advance(static_cast<std::int64_t>(below(60'000)));
      for (int k = 0; k < kKeys; ++k)
        read("key" + std::to_string(k));
    }
    if (below(2) == 0) return stop();
    const Ending ending = any_ending();
    end(ending);
    const bool still_breaks = below(2) == 0;
    if (!still_breaks) world_.device.clear();
    trace(name_of(ending));
    restart(ending);
    if (!still_breaks || testing::Test::HasFailure()) return;
    // On its own threads RocksDB may have met what ends writing, now or when it tells.
    world_.device.clear();
    end(Ending::kKill);
    trace("kill");
    restart(Ending::kKill);
  }

  const bool files_break_;
};

class RandomRocksDbHistory : public testing::TestWithParam<Durability> {
 protected:
  void run(bool files_break) {
    const std::uint64_t first = number_from("KACHEL_FIRST_SEED", 1);
    const std::uint64_t seeds = number_from("KACHEL_SEEDS", 12);
    for (std::uint64_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      RocksDbHistory(seed, GetParam(), files_break).run();
    }
  }
};

TEST_P(RandomRocksDbHistory, IsAPrefixAfterEveryCrash) {
  run(false);
}

TEST_P(RandomRocksDbHistory, IsAPrefixThoughTheIndexFails) {
  run(true);
}

INSTANTIATE_TEST_SUITE_P(Modes, RandomRocksDbHistory,
                         testing::Values(Durability::kRelaxed, Durability::kGroup,
                                         Durability::kStrict),
                         [](const auto& mode) { return durability_name(mode.param); });

}  // namespace
}  // namespace kachel
