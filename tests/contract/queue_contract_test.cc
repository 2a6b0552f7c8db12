// What every IoQueue promises; the text is at the top of io/file.h.
#include <algorithm>
#include <cerrno>
#include <deque>

#include "contract_test.h"

namespace kachel::io {

TEST_P(ContractTest, QueueReadReturnsWhatWasWritten) {
  const auto file = create("a", pattern(64 * 1024));
  const Read first = read(*file, 0, 4096);
  EXPECT_EQ(first.error, 0);
  const auto all = pattern(64 * 1024);
  EXPECT_TRUE(std::equal(first.bytes.begin(), first.bytes.end(), all.begin()));
  EXPECT_EQ(first.bytes.size(), 4096U);
  EXPECT_EQ(read(*file, 0, all.size()).bytes, all);
  EXPECT_EQ(read(*file, 61440, 4096).bytes, std::vector<std::byte>(all.begin() + 61440, all.end()));
}

TEST_P(ContractTest, QueueReadIsShortAtTheEndOfAnOddSizedFile) {
  for (const std::size_t size : {1U, 511U, 4095U, 4097U, 10'001U}) {
    const std::string name = "size-" + std::to_string(size);
    const auto file = create(name, pattern(size));
    const Read got = read(*file, 0, 16'384);
    EXPECT_EQ(got.error, 0) << size;
    EXPECT_EQ(got.bytes, pattern(size)) << size;
  }
}

TEST_P(ContractTest, QueueReadPastTheEndIsEmpty) {
  const auto file = create("a", pattern(8192));
  EXPECT_EQ(read(*file, 8192, 4096).error, 0);
  EXPECT_EQ(read(*file, 8192, 4096).bytes.size(), 0U);
  EXPECT_EQ(read(*file, 1 << 20, 4096).bytes.size(), 0U);
}

TEST_P(ContractTest, ReadsLongerThanOneDeviceIoAreWhole) {
  const std::size_t size = 3 * kMaxIoBytes + 12'345;
  const auto file = create("a", pattern(size));
  const Read got = read(*file, 0, 4 * kMaxIoBytes);
  EXPECT_EQ(got.error, 0);
  EXPECT_TRUE(got.bytes == pattern(size));
}

TEST_P(ContractTest, CompletionNeverRunsInsideSubmitOrFlush) {
  const auto file = create("a", pattern(4096));
  const PooledBuffer buffer = queue().acquire_buffer(4096);
  TestRequest request(*file, 0, 4096, buffer);
  queue().submit(request);
  EXPECT_EQ(request.completions, 0);
  queue().flush();
  EXPECT_EQ(request.completions, 0);
  EXPECT_EQ(queue().in_flight(), 1U);
  drive();
  EXPECT_EQ(request.completions, 1);
  EXPECT_EQ(queue().in_flight(), 0U);
}

TEST_P(ContractTest, MoreReadsThanTheQueueIsDeepAllComplete) {
  const std::size_t blocks = 300;
  const auto file = create("a", pattern(blocks * kBlockBytes));
  const auto all = pattern(blocks * kBlockBytes);
  std::deque<TestRequest> requests;
  std::vector<PooledBuffer> buffers;
  for (std::size_t i = 0; i < blocks; ++i) {
    buffers.push_back(queue().acquire_buffer(kBlockBytes));
    queue().submit(requests.emplace_back(*file, i * kBlockBytes, kBlockBytes, buffers.back()));
  }
  EXPECT_EQ(queue().in_flight(), blocks);
  drive();
  for (std::size_t i = 0; i < blocks; ++i) {
    EXPECT_EQ(requests[i].completions, 1);
    EXPECT_EQ(requests[i].transferred, kBlockBytes);
    EXPECT_TRUE(std::equal(buffers[i].data(), buffers[i].data() + kBlockBytes,
                           all.begin() + static_cast<std::ptrdiff_t>(i * kBlockBytes)));
  }
  EXPECT_GE(queue().counters().reads, blocks);
  EXPECT_EQ(queue().counters().read_bytes, blocks * kBlockBytes);
}

TEST_P(ContractTest, CompletionsMaySubmit) {
  const auto file = create("a", pattern(4096 * 4));
  struct Chain : TestRequest {
    explicit Chain(File& target, IoQueue& owner) : TestRequest(target), queue(owner) {
      on_complete = [](IoRequest& self) { static_cast<Chain&>(self).again(); };
    }
    void again() {
      if (++completions == 4) return;
      offset += 4096;
      queue.submit(*this);
    }
    IoQueue& queue;
  };
  const PooledBuffer buffer = queue().acquire_buffer(4096);
  Chain chain(*file, queue());
  chain.data = buffer.data();
  chain.length = 4096;
  queue().submit(chain);
  drive();
  EXPECT_EQ(chain.completions, 4);
  EXPECT_EQ(chain.error, 0);
  EXPECT_EQ(queue().counters().read_bytes, 4 * 4096U);
}

TEST_P(ContractTest, ReadsOfMoreFilesThanSlotsAreNotMixedUp) {
  std::vector<std::unique_ptr<File>> files;
  for (std::uint64_t i = 0; i < 12; ++i) {
    files.push_back(create("f" + std::to_string(i), pattern(4096, i)));
  }
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 12; ++i) {
      EXPECT_EQ(read(*files[i], 0, 4096).bytes, pattern(4096, i));
    }
  }
  // Closed files give their slots back; names and descriptors are used again.
  files.clear();
  for (std::uint64_t i = 0; i < 12; ++i) {
    const auto file = create("g" + std::to_string(i), pattern(4096, 100 + i));
    EXPECT_EQ(read(*file, 0, 4096).bytes, pattern(4096, 100 + i));
  }
}

TEST_P(ContractTest, SyncThroughTheQueueCompletes) {
  const auto file = create("a", pattern(5000));
  TestRequest request(*file, IoOp::kSync);
  queue().submit(request);
  drive();
  EXPECT_EQ(request.completions, 1);
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(queue().counters().syncs, 1U);
  EXPECT_EQ(read(*file, 0, 8192).bytes, pattern(5000));
}

TEST_P(ContractTest, UnalignedReadsAreRefused) {
  const auto file = create("a", pattern(8192));
  const PooledBuffer buffer = queue().acquire_buffer(8192);
  struct Case {
    std::uint64_t offset;
    std::size_t shift;
    std::size_t length;
  };
  for (const Case& bad : {Case{1, 0, 4096}, Case{0, 8, 4096}, Case{0, 0, 100}}) {
    TestRequest request(*file);
    request.offset = bad.offset;
    request.data = buffer.data() + bad.shift;
    request.length = bad.length;
    queue().submit(request);
    EXPECT_EQ(request.completions, 0);
    drive();
    EXPECT_EQ(request.completions, 1);
    EXPECT_EQ(request.error, EINVAL);
  }
  EXPECT_EQ(queue().counters().errors, 3U);
}

TEST_P(ContractTest, BuffersAreAlignedAndLargeEnough) {
  std::vector<PooledBuffer> held;
  for (const std::size_t bytes : {0U, 1U, 4096U, 65'536U, 65'537U, 3'000'000U}) {
    for (int i = 0; i < 40; ++i) {
      held.push_back(queue().acquire_buffer(bytes));
      EXPECT_GE(held.back().size(), bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(held.back().data()) % kBlockBytes, 0U);
    }
  }
}

TEST_P(ContractTest, ForeignMemoryWithABufferIndexIsStillReadRight) {
  const auto file = create("a", pattern(4096));
  const PooledBuffer pooled = queue().acquire_buffer(4096);
  const PooledBuffer large = queue().acquire_buffer(1 << 20);
  TestRequest request(*file);
  request.data = large.data();  // not in the buffer that the index names
  request.length = 4096;
  request.buffer_index = pooled.registered_index();
  queue().submit(request);
  drive();
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(std::vector<std::byte>(large.data(), large.data() + 4096), pattern(4096));
}

}  // namespace kachel::io
