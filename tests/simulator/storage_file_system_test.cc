// What RocksDB's files on a simulated storage survive, and what they don't.
#include "storage_file_system.h"

#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <thread>

#include "io/faulty_storage.h"
#include "io/memory_storage.h"

namespace kachel::sim {
namespace {

constexpr std::uint64_t kRows = 200;
constexpr std::chrono::seconds kPatience{60};  // for what would otherwise never end

/// RocksDB's threads tell nobody when they have come to terms with a failure. Too short a wait
/// makes a test see less, never fail.
void let_background_work() {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

/// A device, and the index of a process that may die on it.
class Machine : public testing::Test {
 protected:
  Machine() { remake(); }
  void remake() {
    storage.remove_tree("index").value();
    storage.create_directory("index").value();
    storage.sync_directory("").value();  // as the store does when it is made
  }
  void start() {
    files = std::make_shared<StorageFileSystem>(faulty);
    factory = rocksdb_factory(files);
    auto opened = factory({format::StoreId{}, 8 << 20, nullptr, false});
    if (!opened) FAIL() << opened.error().message;
    index = std::move(*opened);
  }
  void kill() {
    files->die();
    index.reset();
    factory = {};
  }
  void power_cut() {
    files->die();
    storage.crash();
    index.reset();
    factory = {};
  }
  Result<void> flush(std::uint64_t through) { return start_flush(through).get(); }
  std::future<Result<void>> start_flush(std::uint64_t through) {
    auto flushed = std::make_shared<std::promise<Result<void>>>();
    index->flush({{}, through, {}}, {},
                 [flushed](Result<void> result) { flushed->set_value(std::move(result)); });
    return flushed->get_future();
  }
  static std::vector<IndexChange> changes_to(std::uint64_t sequence) {
    std::vector<IndexChange> changes;
    for (std::uint64_t i = 0; i < kRows; ++i)
      changes.push_back({key(i), Row{1, 4096 + i * 8, 8, sequence, sequence}});
    return changes;
  }
  void apply(std::uint64_t sequence) { ASSERT_TRUE(index->apply(changes_to(sequence))); }
  /// Sequence of the rows, which all have the same one; 0: none is there.
  std::uint64_t sequence() {
    const Lookup first = index->find(key(0), Where::kAnywhere);
    for (std::uint64_t i = 1; i < kRows; ++i)
      EXPECT_EQ(index->find(key(i), Where::kAnywhere).row.sequence, first.row.sequence) << i;
    return first.row.sequence;
  }
  std::uint64_t applied_through() {
    const auto marker = index->marker().value();
    return marker ? marker->applied_through : 0;
  }
  static RowKey key(std::uint64_t i) {
    Mac mac{};
    mac.bytes[0] = static_cast<std::byte>(i);
    return {{}, mac};
  }

  io::MemoryStorage storage;
  io::FaultyStorage faulty{storage};
  std::shared_ptr<StorageFileSystem> files;
  IndexFactory factory;
  std::unique_ptr<Index> index;
};

TEST_F(Machine, FlushedRowsSurviveAPowerCut) {
  start();
  apply(1);
  ASSERT_TRUE(flush(1));
  apply(2);
  power_cut();
  start();
  EXPECT_EQ(sequence(), 1U);
  EXPECT_EQ(applied_through(), 1U);
}

TEST_F(Machine, UnflushedRowsAreLostByAKill) {
  start();
  apply(1);
  kill();
  start();
  EXPECT_EQ(sequence(), 0U);
  EXPECT_EQ(applied_through(), 0U);
}

TEST_F(Machine, TheDeadChangeNothing) {
  start();
  apply(1);
  ASSERT_TRUE(flush(1));
  apply(2);
  files->die();
  EXPECT_FALSE(flush(2));
  const IndexFactory its_factory = factory;
  const std::unique_ptr<Index> dead = std::move(index);
  start();  // while the old one is still being closed
  EXPECT_EQ(sequence(), 1U);
  EXPECT_TRUE(flush(3));
}

/// Every point at which a flush can be cut short, by a kill and by a power cut.
TEST_F(Machine, AFlushIsWholeOrNotAtAll) {
  start();
  apply(1);
  ASSERT_TRUE(flush(1));
  std::uint64_t now = 1;
  int old_states = 0;
  int points = 0;
  for (bool cut : {false, true}) {
    for (std::uint64_t changes = 0;; ++changes, ++points) {
      apply(now + 1);
      files->process().die_after(changes);
      const bool done = flush(now + 1).has_value();
      const bool survived = !files->process().is_dead();
      cut ? power_cut() : kill();
      start();
      if (HasFatalFailure()) return;
      const std::uint64_t found = applied_through();
      EXPECT_EQ(sequence(), found) << "died after " << changes;
      EXPECT_TRUE(found == now + 1 || (found == now && !done)) << "died after " << changes;
      if (found == now) ++old_states;
      now = found;
      if (survived) break;
    }
  }
  EXPECT_GT(old_states, 4);
  RecordProperty("crash_points", points);
}

TEST_F(Machine, AFullDiskIsAFailedFlushNotALoss) {
  start();
  apply(1);
  ASSERT_TRUE(flush(1));
  apply(2);
  faulty.inject({.op = io::FaultOp::kWrite, .error_number = ENOSPC, .path_contains = ".sst"});
  const auto failed = flush(2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(sequence(), 2U);  // in memory
  kill();
  start();
  EXPECT_EQ(sequence(), applied_through());
}

TEST_F(Machine, ADiskThatFailsIsAFailedFlush) {
  start();
  apply(1);
  ASSERT_TRUE(flush(1));
  for (const io::FaultOp op : {io::FaultOp::kWrite, io::FaultOp::kSync, io::FaultOp::kCreate}) {
    apply(2);
    faulty.inject({.op = op, .path_contains = ".sst"});
    const auto failed = flush(2);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kIo);
    kill();
    faulty.clear();
    start();
    EXPECT_EQ(sequence(), 1U);
    EXPECT_EQ(applied_through(), 1U);
  }
}

TEST_F(Machine, AFlushEndsThoughACompactionFailed) {
  constexpr std::uint64_t kFlushes = 17;  // enough to be compacted
  for (const int error : {ENOSPC, EIO}) {
    for (const io::FaultOp op : {io::FaultOp::kCreate, io::FaultOp::kWrite, io::FaultOp::kSync}) {
      start();
      for (std::uint64_t sequence = 1; sequence <= kFlushes; ++sequence) {
        apply(sequence);
        ASSERT_TRUE(flush(sequence));
      }
      const std::uint64_t before = faulty.injected();
      faulty.inject({.op = op, .error_number = error, .path_contains = ".sst"});
      index->start_housekeeping();
      for (int i = 0; i < 5000 && faulty.injected() == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ASSERT_EQ(faulty.injected(), before + 1);
      let_background_work();
      (void)index->apply(changes_to(kFlushes + 1));
      auto flushed = start_flush(kFlushes + 1);
      ASSERT_EQ(flushed.wait_for(kPatience), std::future_status::ready)
          << error << ' ' << static_cast<int>(op);
      const bool done = flushed.get().has_value();
      kill();
      start();
      EXPECT_EQ(sequence(), applied_through());
      EXPECT_EQ(applied_through(), done ? kFlushes + 1 : kFlushes);
      kill();
      remake();
    }
  }
}

/// Resumed at once, again and again, as on a loop that is quick: only space helps, and then all
/// is there.
TEST_F(Machine, AFullDiskIsOverWhenThereIsSpace) {
  for (const char* path : {".sst", "MANIFEST"}) {
    for (std::uint64_t skip = 0; skip < 4; ++skip) {
      start();
      std::uint64_t flushed = 0;
      std::uint64_t next = 1;
      faulty.inject({.op = io::FaultOp::kWrite,
                     .error_number = ENOSPC,
                     .path_contains = path,
                     .skip = skip,
                     .times = 0});
      for (; !index->is_full(); ++next) {
        apply(next);
        if (flush(next)) flushed = next;
      }
      for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(index->resume());
        EXPECT_TRUE(index->is_full());
        EXPECT_FALSE(index->apply(changes_to(next)));
      }
      EXPECT_LT(flushed, next - 1);
      faulty.clear();
      ASSERT_TRUE(index->resume());
      EXPECT_FALSE(index->is_full());
      EXPECT_EQ(sequence(), next - 1);
      apply(next);
      ASSERT_TRUE(flush(next));
      power_cut();
      start();
      EXPECT_EQ(sequence(), next);
      EXPECT_EQ(applied_through(), next);
      kill();
      remake();
    }
  }
}

/// Left to itself, RocksDB waits for space and then flushes all it has, rows that the log applied
/// while the failed flush was under way too: without a marker that speaks for them.
TEST_F(Machine, NoRowIsDurableBeforeItsMarker) {
  for (int round = 0; round < 20; ++round) {
    start();
    apply(1);
    ASSERT_TRUE(flush(1));
    apply(2);
    faulty.inject({.op = io::FaultOp::kWrite, .error_number = ENOSPC, .path_contains = ".sst"});
    auto failed = start_flush(2);
    // The memtable has been switched. Refused when the flush has failed by now.
    (void)index->apply(changes_to(3));
    EXPECT_FALSE(failed.get());
    let_background_work();
    kill();
    faulty.clear();
    start();
    EXPECT_EQ(sequence(), applied_through());
    kill();
    remake();
  }
}

/// The failure is reported before RocksDB has stopped: a flush begun at once is taken and never
/// carried out.
TEST_F(Machine, AFlushRightAfterAFailedOneEnds) {
  for (int round = 0; round < 50; ++round) {
    start();
    apply(1);
    faulty.inject({.op = io::FaultOp::kSync, .path_contains = ".sst"});
    (void)flush(1);
    ASSERT_EQ(start_flush(1).wait_for(kPatience), std::future_status::ready) << round;
    kill();
    faulty.clear();
  }
}

TEST_F(Machine, TheLockIsOfTheLiving) {
  start();
  const auto second = rocksdb_factory(std::make_shared<StorageFileSystem>(faulty));
  EXPECT_FALSE(second({format::StoreId{}, 8 << 20, nullptr, false}));
  files->die();
  const auto third = rocksdb_factory(std::make_shared<StorageFileSystem>(faulty));
  EXPECT_TRUE(third({format::StoreId{}, 8 << 20, nullptr, false}));
}

}  // namespace
}  // namespace kachel::sim
