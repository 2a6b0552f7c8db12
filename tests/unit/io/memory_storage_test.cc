// What a MemoryStorage keeps and loses in a crash.
#include "io/memory_storage.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "io/faulty_storage.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

namespace {

/// A file whose name and first bytes are durable.
std::unique_ptr<File> durable_file(Storage& storage, std::string_view path,
                                   const std::vector<std::byte>& content) {
  auto file = create_file(storage, path, content);
  file->sync().value();
  storage.sync_directory("").value();
  return file;
}

std::vector<std::byte> content_of(Storage& storage, std::string_view path) {
  return read_bytes(*storage.open(path, OpenMode::kRead).value(), 0, 1 << 20);
}

}  // namespace

TEST(MemoryStorageCrash, UnsyncedBytesAreLost) {
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", pattern(1000, 1));
  write_bytes(*file, 1000, pattern(500, 2)).value();
  write_bytes(*file, 0, pattern(10, 3)).value();
  storage.crash();
  EXPECT_EQ(content_of(storage, "a"), pattern(1000, 1));
}

TEST(MemoryStorageCrash, EverySyncedByteStays) {
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", pattern(1000, 1));
  write_bytes(*file, 5000, pattern(500, 2)).value();
  write_bytes(*file, 100, pattern(10, 3)).value();
  file->truncate(5200).value();
  file->sync().value();
  const auto before = content_of(storage, "a");
  storage.crash();
  EXPECT_EQ(content_of(storage, "a"), before);
}

TEST(MemoryStorageCrash, UnsyncedTruncateComesUndone) {
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", pattern(1000));
  file->truncate(10).value();
  storage.crash();
  EXPECT_EQ(content_of(storage, "a"), pattern(1000));
}

TEST(MemoryStorageCrash, NameWithoutDirectorySyncIsLost) {
  MemoryStorage storage;
  create_file(storage, "a", pattern(10))->sync().value();
  storage.crash();
  EXPECT_FALSE(storage.exists("a").value());
}

TEST(MemoryStorageCrash, DirectoryNeedsItsParentSynced) {
  MemoryStorage storage;
  storage.create_directory("d").value();
  create_file(storage, "d/a")->sync().value();
  storage.sync_directory("d").value();
  storage.crash();
  EXPECT_FALSE(storage.exists("d").value());

  storage.create_directory("d").value();
  storage.sync_directory("").value();
  create_file(storage, "d/a");
  storage.crash();
  EXPECT_TRUE(storage.list("d").value().empty());
}

TEST(MemoryStorageCrash, UnsyncedRemovalAndRenameComeUndone) {
  MemoryStorage storage;
  durable_file(storage, "a", pattern(10, 1));
  durable_file(storage, "b", pattern(10, 2));
  storage.remove("a").value();
  storage.rename("b", "c").value();
  storage.crash();
  EXPECT_EQ(storage.list("").value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(content_of(storage, "b"), pattern(10, 2));
}

TEST(MemoryStorageCrash, SyncedRenameReplacesAtomically) {
  MemoryStorage storage;
  durable_file(storage, "current", pattern(10, 1));
  durable_file(storage, "next", pattern(10, 2));
  storage.rename("next", "current").value();
  storage.sync_directory("").value();
  storage.crash();
  EXPECT_EQ(storage.list("").value(), std::vector<std::string>{"current"});
  EXPECT_EQ(content_of(storage, "current"), pattern(10, 2));
}

TEST(MemoryStorageCrash, HandlesAndLocksFromBeforeAreDead) {
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", pattern(10));
  auto lock = storage.lock("LOCK").value();
  storage.crash();
  EXPECT_EQ(write_bytes(*file, 0, pattern(1)).error().code, ErrorCode::kIo);
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(file->size());
  const auto again = storage.lock("LOCK");
  EXPECT_TRUE(again);
  lock.reset();  // must not release the new one
  EXPECT_FALSE(storage.lock("LOCK"));
}

TEST(MemoryStorageCrash, TornCrashMixesSectorsOfOldAndNew) {
  const auto before = pattern(64 * 512, 1);
  const auto after = pattern(64 * 512, 2);
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", before);
  write_bytes(*file, 0, after).value();
  SeededRandom random(3);
  KeepAtRandom outcome(random);
  storage.crash(outcome);
  const auto left = content_of(storage, "a");
  ASSERT_EQ(left.size(), before.size());
  int old_sectors = 0;
  for (std::size_t at = 0; at < left.size(); at += 512) {
    const bool is_old = std::equal(&left[at], &left[at] + 512, &before[at]);
    EXPECT_TRUE(is_old || std::equal(&left[at], &left[at] + 512, &after[at]));
    old_sectors += is_old ? 1 : 0;
  }
  EXPECT_GT(old_sectors, 0);
  EXPECT_LT(old_sectors, 64);
}

TEST(MemoryStorageCrash, TornCrashKeepsSyncedBytesAndCutsTheTail) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemoryStorage storage;
    const auto file = durable_file(storage, "a", pattern(1000, 1));
    write_bytes(*file, 1000, pattern(5000, 2)).value();
    SeededRandom random(seed);
    KeepAtRandom outcome(random);
    storage.crash(outcome);
    auto left = content_of(storage, "a");
    ASSERT_GE(left.size(), 1000U);
    ASSERT_LE(left.size(), 6000U);
    left.resize(1000);
    EXPECT_EQ(left, pattern(1000, 1));
  }
}

TEST(MemoryStorageCrash, KeptEntriesAndSizesAreThere) {
  MemoryStorage storage;
  durable_file(storage, "b", pattern(10, 2));
  create_file(storage, "a", pattern(600, 1));
  storage.rename("b", "c").value();
  KeepAll all;
  storage.crash(all);
  EXPECT_EQ(storage.list("").value(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(content_of(storage, "a"), pattern(600, 1));
}

TEST(MemoryStorageCrash, LaterWriteMayBeThereWithoutTheOneBefore) {
  class SecondOnly final : public CrashOutcome {
   public:
    void keep_sectors(std::uint64_t, std::vector<bool>& kept) override {
      if (++writes_ == 2) kept.assign(kept.size(), true);
    }
    bool keep_size() override { return false; }
    bool keep_entry() override { return false; }

   private:
    int writes_ = 0;
  };
  MemoryStorage storage;
  const auto file = durable_file(storage, "a", pattern(100, 1));
  write_bytes(*file, 100, pattern(50, 2)).value();
  write_bytes(*file, 150, pattern(50, 3)).value();
  SecondOnly outcome;
  storage.crash(outcome);
  auto expected = pattern(100, 1);
  expected.resize(150);
  const auto second = pattern(50, 3);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(content_of(storage, "a"), expected);
}

TEST(MemoryStorageFailedSync, NoLaterSyncWritesWhatItShouldHave) {
  MemoryStorage memory;
  FaultyStorage storage(memory);
  const auto file = durable_file(storage, "a", pattern(1000, 1));
  write_bytes(*file, 0, pattern(1000, 2)).value();
  write_bytes(*file, 1000, pattern(500, 3)).value();
  storage.inject({.op = FaultOp::kSync});
  EXPECT_FALSE(file->sync());
  EXPECT_EQ(read_bytes(*file, 0, 1000), pattern(1000, 2)) << "from the page cache";
  write_bytes(*file, 400, pattern(100, 4)).value();
  EXPECT_TRUE(file->sync());
  std::vector<std::byte> left = pattern(1000, 1);
  const std::vector<std::byte> written_again = pattern(100, 4);
  std::copy(written_again.begin(), written_again.end(), left.begin() + 400);
  memory.crash();
  EXPECT_EQ(content_of(memory, "a"), left);
}

TEST(MemoryStorageFailedSync, WithoutTheCacheTheDiskShows) {
  MemoryStorage memory;
  FaultyStorage storage(memory);
  const auto file = durable_file(storage, "a", pattern(1000, 1));
  write_bytes(*file, 0, pattern(1500, 2)).value();
  storage.inject({.op = FaultOp::kSync});
  EXPECT_FALSE(file->sync());
  write_bytes(*file, 100, pattern(10, 3)).value();
  const auto copy = memory.clone();
  file->drop_cache(0, 512);
  std::vector<std::byte> mixed = pattern(1500, 2);
  const std::vector<std::byte> durable = pattern(1000, 1);
  const std::vector<std::byte> unsynced = pattern(10, 3);
  std::copy(durable.begin(), durable.begin() + 512, mixed.begin());
  std::copy(unsynced.begin(), unsynced.end(), mixed.begin() + 100);
  EXPECT_EQ(content_of(memory, "a"), mixed);

  LoseAll nothing_kept;
  copy->evict(nothing_kept);
  mixed = durable;
  mixed.resize(1500);
  std::copy(unsynced.begin(), unsynced.end(), mixed.begin() + 100);
  EXPECT_EQ(content_of(*copy, "a"), mixed);
}

TEST(MemoryStorageFailedSync, MayHaveWrittenSome) {
  MemoryStorage memory;
  FaultyStorage storage(memory);
  const auto file = durable_file(storage, "a", pattern(64 * 512, 1));
  write_bytes(*file, 0, pattern(64 * 512, 2)).value();
  storage.inject({.op = FaultOp::kSync, .kind = FaultKind::kShort});
  EXPECT_FALSE(file->sync());
  memory.crash();
  const auto left = content_of(memory, "a");
  EXPECT_NE(left, pattern(64 * 512, 1));
  EXPECT_NE(left, pattern(64 * 512, 2));
}

TEST(MemoryStorageClone, CopiesWhatIsSyncedAndWhatIsNot) {
  MemoryStorage storage({.capacity_bytes = 10'000});
  storage.create_directory("d").value();
  const auto file = durable_file(storage, "a", pattern(100, 1));
  write_bytes(*file, 0, pattern(100, 2)).value();
  const auto copy = storage.clone();
  write_bytes(*file, 0, pattern(100, 3)).value();
  file->sync().value();
  EXPECT_EQ(copy->space().value().available_bytes, 9900U);
  EXPECT_EQ(content_of(*copy, "a"), pattern(100, 2));
  EXPECT_TRUE(copy->exists("d").value());
  copy->crash();
  EXPECT_EQ(content_of(*copy, "a"), pattern(100, 1));
  EXPECT_EQ(content_of(storage, "a"), pattern(100, 3));
}

TEST(MemoryStorageSpace, CapacityBoundsFilesAndReservations) {
  MemoryStorage storage({.capacity_bytes = 10'000});
  const auto file = create_file(storage, "a");
  file->reserve(8000).value();
  EXPECT_EQ(storage.space().value().available_bytes, 2000U);
  EXPECT_TRUE(write_bytes(*file, 0, pattern(8000)));  // reserved: costs nothing more
  EXPECT_EQ(write_bytes(*file, 8000, pattern(2001)).error().code, ErrorCode::kNoSpace);
  const auto other = create_file(storage, "b");
  EXPECT_EQ(other->reserve(2001).error().code, ErrorCode::kNoSpace);
  file->truncate(100).value();
  EXPECT_EQ(storage.space().value().available_bytes, 9900U);
  EXPECT_TRUE(other->reserve(2001));
}

TEST(MemoryStorageSpace, RemovedFileGivesItsSpaceBackWhenClosed) {
  MemoryStorage storage({.capacity_bytes = 10'000});
  auto file = create_file(storage, "a", pattern(4000));
  storage.remove("a").value();
  EXPECT_EQ(storage.space().value().available_bytes, 6000U);
  file.reset();
  EXPECT_EQ(storage.space().value().available_bytes, 10'000U);
}

TEST(MemoryStorage, FilesMayOutliveTheStorage) {
  auto storage = std::make_unique<MemoryStorage>();
  const auto file = create_file(*storage, "a", pattern(10));
  storage.reset();
  EXPECT_EQ(read_bytes(*file, 0, 20), pattern(10));
}

}  // namespace kachel::io
