#include "io/faulty_storage.h"

#include <bit>
#include <gtest/gtest.h>

#include "io/manual_loop.h"
#include "io/memory_storage.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

class FaultyStorageTest : public ::testing::Test {
 protected:
  /// One queue read of the file's first `length` bytes.
  TestRequest read_queued(File& file, std::size_t length) {
    buffer_ = loop_.io().acquire_buffer(length);
    TestRequest request(file, 0, length, buffer_);
    loop_.io().submit(request);
    loop_.run_until_idle();
    return request;
  }

  MemoryStorage memory_;
  FaultyStorage storage_{memory_, 11};
  ManualClock clock_;
  ManualLoop loop_{clock_};
  PooledBuffer buffer_;
};

TEST_F(FaultyStorageTest, NthOperationFailsOnce) {
  const auto file = create_file(storage_, "a");
  storage_.inject({.op = FaultOp::kWrite, .skip = 2});
  EXPECT_TRUE(write_bytes(*file, 0, pattern(1)));
  EXPECT_TRUE(write_bytes(*file, 1, pattern(1)));
  const auto third = write_bytes(*file, 2, pattern(1));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kIo);
  EXPECT_EQ(third.error().os_error, EIO);
  EXPECT_TRUE(write_bytes(*file, 2, pattern(1)));
  EXPECT_EQ(storage_.injected(), 1U);
}

TEST_F(FaultyStorageTest, PathsAreFiltered) {
  storage_.inject({.op = FaultOp::kSync, .path_contains = "seg", .times = 0});
  EXPECT_TRUE(create_file(storage_, "other")->sync());
  const auto file = create_file(storage_, "1.seg");
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(file->sync());
  storage_.clear();
  EXPECT_TRUE(file->sync());
}

TEST_F(FaultyStorageTest, FullDiskIsNoSpaceEverywhere) {
  const auto file = create_file(storage_, "a");
  for (const FaultOp op : {FaultOp::kWrite, FaultOp::kReserve, FaultOp::kCreate}) {
    storage_.inject({.op = op, .error_number = ENOSPC, .times = 0});
  }
  EXPECT_EQ(write_bytes(*file, 0, pattern(1)).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file->reserve(100).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(storage_.open("b", OpenMode::kCreate).error().code, ErrorCode::kNoSpace);
  EXPECT_FALSE(memory_.exists("b").value());
}

TEST_F(FaultyStorageTest, NamespaceOperationsFailWithoutEffect) {
  create_file(storage_, "a");
  for (const FaultOp op : {FaultOp::kRemove, FaultOp::kRename, FaultOp::kOpen, FaultOp::kList,
                           FaultOp::kCreateDirectory, FaultOp::kSyncDirectory}) {
    storage_.inject({.op = op});
  }
  EXPECT_FALSE(storage_.remove("a"));
  EXPECT_FALSE(storage_.rename("a", "b"));
  EXPECT_FALSE(storage_.open("a", OpenMode::kRead));
  EXPECT_FALSE(storage_.list(""));
  EXPECT_FALSE(storage_.create_directory("d"));
  EXPECT_FALSE(storage_.sync_directory(""));
  EXPECT_EQ(storage_.list("").value(), std::vector<std::string>{"a"});
}

TEST_F(FaultyStorageTest, FailedReadReachesTheQueue) {
  const auto file = create_file(storage_, "a", pattern(8192));
  storage_.inject({.op = FaultOp::kRead});
  const auto failed = read_queued(*file, 8192);
  EXPECT_EQ(failed.completions, 1);
  EXPECT_EQ(failed.error, EIO);
  EXPECT_EQ(loop_.io().counters().errors, 1U);
  EXPECT_EQ(read_queued(*file, 8192).error, 0);
}

TEST_F(FaultyStorageTest, FailedSyncReachesTheQueue) {
  const auto file = create_file(storage_, "a");
  storage_.inject({.op = FaultOp::kSync, .error_number = ENOSPC});
  TestRequest request(*file, IoOp::kSync);
  loop_.io().submit(request);
  loop_.run_until_idle();
  EXPECT_EQ(request.error, ENOSPC);
}

TEST_F(FaultyStorageTest, ShortReadsAreContinuedByTheQueue) {
  const auto file = create_file(storage_, "a", pattern(16'384));
  storage_.inject({.op = FaultOp::kRead, .kind = FaultKind::kShort, .times = 5});
  const auto request = read_queued(*file, 16'384);
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(request.transferred, 16'384U);
  EXPECT_EQ(std::vector<std::byte>(buffer_.data(), buffer_.data() + 16'384), pattern(16'384));
  EXPECT_EQ(loop_.io().counters().reads, 6U);
}

TEST_F(FaultyStorageTest, FlippedBitIsExactlyOne) {
  const auto file = create_file(storage_, "a", pattern(4096));
  storage_.inject({.op = FaultOp::kRead, .kind = FaultKind::kFlipBit});
  const auto damaged = read_bytes(*file, 0, 4096);
  const auto whole = pattern(4096);
  int differing = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    differing += std::popcount(static_cast<unsigned>(damaged[i] ^ whole[i]));
  }
  EXPECT_EQ(differing, 1);
  EXPECT_EQ(read_bytes(*file, 0, 4096), whole);
}

TEST_F(FaultyStorageTest, TornWriteLeavesItsFirstHalf) {
  const auto file = create_file(storage_, "a");
  storage_.inject({.op = FaultOp::kWrite, .kind = FaultKind::kShort, .error_number = ENOSPC});
  EXPECT_EQ(write_bytes(*file, 0, pattern(1000)).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file->size().value(), 500U);
}

TEST_F(FaultyStorageTest, LostWriteAndLostSyncLookLikeSuccess) {
  const auto file = create_file(storage_, "a");
  memory_.sync_directory("").value();
  storage_.inject({.op = FaultOp::kWrite, .kind = FaultKind::kLost});
  EXPECT_TRUE(write_bytes(*file, 0, pattern(10)));
  EXPECT_EQ(file->size().value(), 0U);
  write_bytes(*file, 0, pattern(10)).value();
  storage_.inject({.op = FaultOp::kSync, .kind = FaultKind::kLost});
  EXPECT_TRUE(file->sync());
  memory_.crash();
  EXPECT_EQ(memory_.open("a", OpenMode::kRead).value()->size().value(), 0U);
}

TEST_F(FaultyStorageTest, MisdirectedWriteLandsInAnotherSector) {
  const auto file = create_file(storage_, "a", pattern(4 * 512, 1));
  const auto before = read_bytes(*file, 0, 4 * 512);
  storage_.inject({.op = FaultOp::kWrite, .kind = FaultKind::kMisdirect});
  EXPECT_TRUE(write_bytes(*file, 512 + 7, pattern(100, 2)));
  const auto after = read_bytes(*file, 0, 4 * 512);
  const auto written = pattern(100, 2);
  int hits = 0;
  for (std::size_t sector = 0; sector < 4; ++sector) {
    const auto* at = &after[sector * 512 + 7];
    if (!std::equal(written.begin(), written.end(), at)) continue;
    EXPECT_NE(sector, 1U);
    ++hits;
  }
  EXPECT_EQ(hits, 1);
  EXPECT_TRUE(std::equal(&after[512], &after[1024], &before[512]));
}

TEST_F(FaultyStorageTest, ObserverSeesOperationsBeforeTheyHappen) {
  std::string seen;
  storage_.observe([&](const Operation& operation) {
    seen += std::string(operation.path) + ":" + std::to_string(static_cast<int>(operation.op));
    if (operation.op == FaultOp::kWrite) {
      seen += "@" + std::to_string(operation.offset) + "+" +
              std::to_string(operation.parts[0].iov_len) + "/" +
              std::to_string(memory_.open("a", OpenMode::kRead).value()->size().value());
    }
    seen += ' ';
  });
  const auto file = create_file(storage_, "a");
  write_bytes(*file, 0, pattern(10)).value();
  write_bytes(*file, 10, pattern(20)).value();
  file->sync().value();
  EXPECT_EQ(seen, "a:6 a:1@0+0/0 a:1@0+10/0 a:1@10+20/10 a:2 ");
}

TEST_F(FaultyStorageTest, ProbabilityIsDrawnFromTheSeed) {
  const auto failures = [](std::uint64_t seed) {
    MemoryStorage memory;
    FaultyStorage storage(memory, seed);
    const auto file = create_file(storage, "a", pattern(10));
    storage.inject({.op = FaultOp::kRead, .times = 0, .probability = 0.25});
    std::string outcome;
    std::byte byte{};
    for (int i = 0; i < 400; ++i)
      outcome += file->read_at(0, {&byte, 1}) ? '.' : 'x';
    return outcome;
  };
  const std::string once = failures(1);
  EXPECT_EQ(once, failures(1));
  EXPECT_NE(once, failures(2));
  const auto count = std::count(once.begin(), once.end(), 'x');
  EXPECT_GT(count, 60);
  EXPECT_LT(count, 140);
}

}  // namespace kachel::io
