// What RocksDB's files on a simulated storage survive, and what they don't.
#include "storage_file_system.h"

#include <future>
#include <gtest/gtest.h>

#include "io/faulty_storage.h"
#include "io/memory_storage.h"

namespace kachel::sim {
namespace {

constexpr std::uint64_t kRows = 200;

/// A device, and the index of a process that may die on it.
class Machine : public testing::Test {
 protected:
  Machine() {
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
  Result<void> flush(std::uint64_t applied_through) {
    std::promise<Result<void>> flushed;
    index->flush({{}, applied_through, {}}, {},
                 [&](Result<void> result) { flushed.set_value(std::move(result)); });
    return flushed.get_future().get();
  }
  void apply(std::uint64_t sequence) {
    std::vector<IndexChange> changes;
    for (std::uint64_t i = 0; i < kRows; ++i)
      changes.push_back({key(i), Row{1, 4096 + i * 8, 8, sequence, sequence}});
    ASSERT_TRUE(index->apply(changes));
  }
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
