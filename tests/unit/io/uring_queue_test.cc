// What is peculiar to the ring; the rest is in the contract suite.
#include "io/uring_queue.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

#include "io/posix_storage.h"
#include "tests/contract/temp_directory.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

class UringQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = UringQueue::create({.queue_depth = 4});
    if (!made) GTEST_SKIP() << made.error().message;
    queue_ = std::move(*made);
  }

  TempDirectory directory_;
  std::unique_ptr<Storage> storage_ = open_posix_storage(directory_.path(), {}).value();
  std::unique_ptr<UringQueue> queue_;
};

TEST_F(UringQueueTest, ClosedFileLeavesTheRing) {
  auto file = create_file(*storage_, "a", pattern(4096));
  // A write lease is granted only to the sole opener of a file, which shows who has it open.
  const int probe = ::open((directory_.path() / "a").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(probe, 0);
  {
    const PooledBuffer buffer = queue_->acquire_buffer(4096);
    TestRequest request(*file, 0, 4096, buffer);
    queue_->submit(request);
    run_until_idle(*queue_);
    ASSERT_EQ(request.error, 0);
  }
  EXPECT_NE(::fcntl(probe, F_SETLEASE, F_WRLCK), 0);
  std::thread([&] { file.reset(); }).join();
  queue_->flush();
  EXPECT_EQ(::fcntl(probe, F_SETLEASE, F_WRLCK), 0);
  ::close(probe);
}

TEST_F(UringQueueTest, FilesMayOutliveTheQueue) {
  const auto file = create_file(*storage_, "a", pattern(4096));
  {
    const PooledBuffer buffer = queue_->acquire_buffer(4096);
    TestRequest request(*file, 0, 4096, buffer);
    queue_->submit(request);
    run_until_idle(*queue_);
  }
  queue_.reset();
  EXPECT_EQ(read_bytes(*file, 0, 4096), pattern(4096));
}

TEST_F(UringQueueTest, DestructorWaitsForWhatIsInFlight) {
  const auto file = create_file(*storage_, "a", pattern(1 << 20));
  std::vector<std::byte> memory((1 << 20) + kBlockBytes);
  auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  std::byte* aligned = memory.data() + (kBlockBytes - address % kBlockBytes) % kBlockBytes;
  std::vector<TestRequest> requests(20, TestRequest(*file));
  for (TestRequest& request : requests) {
    request.data = aligned;
    request.length = 1 << 20;
    queue_->submit(request);
  }
  queue_->flush();
  queue_.reset();
  for (const TestRequest& request : requests) {
    EXPECT_EQ(request.completions, 1);
    EXPECT_EQ(request.transferred, std::size_t{1} << 20);
  }
}

// A long turn does not keep the device waiting.
TEST_F(UringQueueTest, ManyAreHandedInBeforeTheTurnEnds) {
  const auto file = create_file(*storage_, "a", pattern(16 * kBlockBytes));
  std::vector<std::byte> memory(2 * kBlockBytes);
  auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  std::byte* aligned = memory.data() + (kBlockBytes - address % kBlockBytes) % kBlockBytes;
  std::vector<TestRequest> requests(8, TestRequest(*file));
  std::size_t completed = 0;
  for (TestRequest& request : requests) {
    request.data = aligned;
    request.length = kBlockBytes;
    queue_->submit(request);
  }
  // Of the queue's depth; the rest waits for room. Nobody has flushed.
  while (completed < 4)
    completed += queue_->reap();
  run_until_idle(*queue_);
  for (const TestRequest& request : requests)
    EXPECT_EQ(request.transferred, kBlockBytes);
}

TEST_F(UringQueueTest, IdleQueueAllowsWaiting) {
  EXPECT_EQ(queue_->reap(), 0U);
  EXPECT_TRUE(queue_->prepare_to_wait());
  queue_->end_wait();
  const auto file = create_file(*storage_, "a");
  TestRequest request(*file, IoOp::kSync);
  queue_->submit(request);
  EXPECT_FALSE(queue_->prepare_to_wait());  // there is something to flush
  queue_->end_wait();
  run_until_idle(*queue_);
}

}  // namespace kachel::io
