#include "io/manual_loop.h"

#include <gtest/gtest.h>
#include <string>

#include "io/memory_storage.h"
#include "tests/contract/test_request.h"

namespace kachel::io {

using std::chrono::milliseconds;

TEST(ManualLoop, NothingRunsUntilTold) {
  ManualClock clock;
  ManualLoop loop(clock);
  std::string log;
  loop.post([&] { log += 'a'; });
  loop.post([&] {
    log += 'b';
    loop.post([&] { log += 'c'; });
  });
  EXPECT_EQ(log, "");
  EXPECT_TRUE(loop.run_one());
  EXPECT_EQ(log, "a");
  EXPECT_EQ(loop.run_until_idle(), 2U);
  EXPECT_EQ(log, "abc");
  EXPECT_FALSE(loop.run_one());
}

TEST(ManualLoop, TimersFireInDueOrderAtTheirTime) {
  ManualClock clock(0);
  ManualLoop loop(clock);
  std::string log;
  const auto at = [&](char name) {
    return [&log, &clock, name] { log += name + std::to_string(clock.wall_ms()) + ' '; };
  };
  loop.schedule_after(milliseconds(30), at('c'));
  loop.schedule_after(milliseconds(10), at('a'));
  loop.schedule_after(milliseconds(10), at('b'));
  loop.run_until_idle();
  EXPECT_EQ(log, "");
  loop.advance_ms(20);
  EXPECT_EQ(log, "a10 b10 ");
  EXPECT_EQ(clock.wall_ms(), 20);
  loop.advance_ms(20);
  EXPECT_EQ(log, "a10 b10 c30 ");
}

TEST(ManualLoop, TimersSetByTimersFireWithinOneAdvance) {
  ManualClock clock(0);
  ManualLoop loop(clock);
  int ticks = 0;
  Task tick;
  const auto arm = [&] { loop.schedule_after(milliseconds(5), [&] { tick(); }); };
  tick = [&] {
    if (++ticks < 100) arm();
  };
  arm();
  loop.advance_ms(23);
  EXPECT_EQ(ticks, 4);
}

TEST(ManualLoop, CancelledTimerDoesNotFire) {
  ManualClock clock;
  ManualLoop loop(clock);
  bool fired = false;
  const auto id = loop.schedule_after(milliseconds(1), [&] { fired = true; });
  loop.cancel(id);
  loop.cancel(id);
  loop.cancel(12345);
  loop.advance_ms(10);
  EXPECT_FALSE(fired);
}

/// What happens, in order, when tasks, pool work and reads are there together.
std::string run_mixed(std::optional<std::uint64_t> seed) {
  MemoryStorage storage;
  const auto file = create_file(storage, "a", pattern(4096 * 8));
  ManualClock clock;
  ManualLoop loop(clock, {seed});
  InlinePool pool(loop);
  std::string log;
  struct LoggedRead : TestRequest {
    LoggedRead(File& target, std::string& to, char as) : TestRequest(target), log(to), name(as) {
      on_complete = [](IoRequest& self) {
        auto& read = static_cast<LoggedRead&>(self);
        read.log += read.name;
      };
    }
    std::string& log;
    char name;
  };
  std::vector<PooledBuffer> buffers;
  std::vector<std::unique_ptr<LoggedRead>> reads;
  for (int i = 0; i < 8; ++i) {
    buffers.push_back(loop.io().acquire_buffer(4096));
    reads.push_back(std::make_unique<LoggedRead>(*file, log, static_cast<char>('0' + i)));
    reads.back()->data = buffers.back().data();
    reads.back()->length = 4096;
    loop.io().submit(*reads.back());
    loop.post([&log, i] { log += static_cast<char>('a' + i); });
    pool.run([&log, i] { log += static_cast<char>('A' + i); });
  }
  loop.run_until_idle();
  return log;
}

TEST(ManualLoop, WithoutASeedEverythingIsInOrder) {
  EXPECT_EQ(run_mixed(std::nullopt), "abcdefghABCDEFGH01234567");
}

TEST(ManualLoop, SeedDecidesTheOrderAndRepeatsIt) {
  const std::string once = run_mixed(42);
  EXPECT_EQ(once, run_mixed(42));
  EXPECT_NE(once, run_mixed(43));
  EXPECT_EQ(once.size(), 24U);
  std::string tasks;
  for (const char c : once) {
    if (c >= 'a' && c <= 'h') tasks += c;
  }
  EXPECT_EQ(tasks, "abcdefgh");  // posted tasks keep their order
}

TEST(ManualLoop, SlowIoTakesItsTime) {
  MemoryStorage storage;
  const auto file = create_file(storage, "a", pattern(4096));
  ManualClock clock;
  ManualLoop loop(clock, {.seed = 1, .slow_io_percent = 100, .slow_io_max_ms = 50});
  TestRequest request(*file);
  loop.io().submit(request);
  loop.run_until_idle();
  EXPECT_EQ(request.completions, 0);
  EXPECT_EQ(loop.io().in_flight(), 1U);
  loop.advance_ms(50);
  EXPECT_EQ(request.completions, 1);
}

TEST(ManualLoop, UnfinishedIoIsForgottenWithTheLoop) {
  MemoryStorage storage;
  const auto file = create_file(storage, "a", pattern(4096));
  ManualClock clock;
  std::vector<std::byte> memory(8192);
  TestRequest request(*file);
  {
    ManualLoop loop(clock);
    request.length = 0;
    loop.io().submit(request);
    loop.post([buffer = loop.io().acquire_buffer(100)] { (void)buffer; });
  }
  EXPECT_EQ(request.completions, 0);
}

}  // namespace kachel::io
