// Errors, randomness, buffers and the thread pool.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <set>

#include "io/buffer_pool.h"
#include "io/clock.h"
#include "io/error.h"
#include "io/random.h"
#include "io/thread_pool.h"

namespace kachel::io {

TEST(Error, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 1; code <= static_cast<int>(ErrorCode::kUnsupported); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kUnsupported));
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Error, OsErrorKeepsTheNumberAndTheSystemsWords) {
  const Error error = os_error(ENOSPC, "writing seg");
  EXPECT_EQ(error.code, ErrorCode::kNoSpace);
  EXPECT_EQ(error.os_error, ENOSPC);
  EXPECT_EQ(error.message, "writing seg: No space left on device");
}

TEST(Error, ValueOfAnErrorThrowsItsMessage) {
  const Result<int> result = Error{ErrorCode::kCorrupt, "the superblock is damaged"};
  try {
    (void)result.value();
    FAIL();
  } catch (const std::exception& thrown) {
    EXPECT_STREQ(thrown.what(), "the superblock is damaged");
  }
}

TEST(SeededRandom, MatchesThePublishedSequence) {
  SeededRandom random(0);
  EXPECT_EQ(random.next(), 0xE220A8397B1DCDAFU);
  EXPECT_EQ(random.next(), 0x6E789E6AA1B965F4U);
  EXPECT_EQ(random.next(), 0x06C45D188009454FU);
}

TEST(SeededRandom, OddLengthsAreFilled) {
  std::array<std::byte, 11> a{};
  std::array<std::byte, 11> b{};
  SeededRandom(5).fill(a);
  SeededRandom(5).fill(b);
  EXPECT_EQ(a, b);
  SeededRandom(6).fill(b);
  EXPECT_NE(a, b);
}

TEST(SystemRandom, TwoFillsDiffer) {
  std::array<std::byte, 32> a{};
  std::array<std::byte, 32> b{};
  SystemRandom random;
  random.fill(a);
  random.fill(b);
  EXPECT_NE(a, b);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(1000);
  const std::int64_t before_ns = clock.monotonic_ns();
  clock.advance_ms(5);
  EXPECT_EQ(clock.wall_ms(), 1005);
  EXPECT_EQ(clock.monotonic_ns(), before_ns + 5'000'000);
  clock.set_wall_ms(10);
  EXPECT_EQ(clock.wall_ms(), 10);
  EXPECT_EQ(clock.monotonic_ns(), before_ns + 5'000'000);
}

TEST(BufferPool, FixedBuffersFirstThenTheHeap) {
  BufferPool pool(2, 5000);  // rounded up to two blocks
  pool.set_registered();
  const PooledBuffer first = pool.acquire(8192);
  PooledBuffer second = pool.acquire(1);
  const PooledBuffer third = pool.acquire(1);
  EXPECT_EQ(first.registered_index(), 0);
  EXPECT_EQ(second.registered_index(), 1);
  EXPECT_EQ(third.registered_index(), -1);
  EXPECT_EQ(first.size(), 8192U);
  EXPECT_TRUE(pool.contains(0, first.data(), 8192));
  EXPECT_FALSE(pool.contains(1, first.data(), 8192));
  EXPECT_FALSE(pool.contains(0, third.data(), 1));
  second.release();
  EXPECT_FALSE(second);
  EXPECT_EQ(pool.acquire(10).registered_index(), 1);
}

TEST(BufferPool, MovedBufferReturnsOnce) {
  BufferPool pool(1, 4096);
  PooledBuffer first = pool.acquire(1);
  std::memset(first.data(), 1, first.size());
  PooledBuffer second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): moved from means empty
  first = std::move(second);
  EXPECT_TRUE(first);
}

TEST(ThreadPool, DestructorRunsWhatWasQueued) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool(3);
    for (int i = 0; i < 1000; ++i)
      pool.run([&ran] { ++ran; });
  }
  EXPECT_EQ(ran.load(), 1000);
}

}  // namespace kachel::io
