#include <gtest/gtest.h>
#include <vector>

#include "io/clock.h"
#include "tools/bench/histogram.h"
#include "tools/bench/schedule.h"

namespace kachel::bench {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;

TEST(BenchSchedule, EvenArrivalsOfAllThreadsInterleave) {
  std::vector<std::int64_t> due;
  for (std::uint64_t part = 0; part < 4; ++part) {
    RateSchedule schedule(Arrivals::kEven, 1000, 50, part, 4, 0);
    for (int i = 0; i < 250; ++i, schedule.advance())
      due.push_back(schedule.due_ns());
  }
  std::sort(due.begin(), due.end());
  for (std::size_t i = 0; i < due.size(); ++i)
    EXPECT_NEAR(static_cast<double>(due[i]), 50 + static_cast<double>(i) * kMs, 2);
}

TEST(BenchSchedule, PoissonArrivalsHaveTheRateAndItsSpread) {
  RateSchedule schedule(Arrivals::kPoisson, 10'000, 0, 1, 2, 42);  // 5,000/s of this thread
  std::vector<double> per_slot(2000);                              // of 10 ms: 50 on average
  while (schedule.due_ns() < 20 * kSecond) {
    ++per_slot[static_cast<std::size_t>(schedule.due_ns() / (10 * kMs))];
    schedule.advance();
  }
  double sum = 0;
  double squares = 0;
  for (const double count : per_slot) {
    sum += count;
    squares += (count - 50) * (count - 50);
  }
  EXPECT_NEAR(sum, 100'000, 5 * 316);
  EXPECT_NEAR(squares / 2000, 50, 10);  // a Poisson distribution's variance is its mean
}

TEST(BenchSchedule, ATraceIsPlayedFaster) {
  EXPECT_EQ(trace_due_ns(100, 10 * kSecond, 1), 100 + 10 * kSecond);
  EXPECT_EQ(trace_due_ns(100, 10 * kSecond, 20), 100 + kSecond / 2);
}

TEST(BenchSchedule, ArrivalsAreParsed) {
  EXPECT_EQ(parse_arrivals("even").value(), Arrivals::kEven);
  EXPECT_EQ(parse_arrivals("poisson").value(), Arrivals::kPoisson);
  EXPECT_FALSE(parse_arrivals("often"));
}

/// A generator with one connection, which has room for one request; each is answered at once,
/// except while the server stalls.
struct OneAtATime {
  io::ManualClock clock;
  const std::int64_t begin_ns = clock.monotonic_ns();
  RateSchedule schedule{Arrivals::kEven, 1000, begin_ns, 0, 1, 0};
  LatenessJudge judge{kMs};
  Histogram latencies;
  int in_time = 0;
  int by_server = 0;
  int by_generator = 0;

  bool is_due() const { return schedule.due_ns() <= clock.monotonic_ns(); }
  void begin_one() {
    switch (judge.judge(schedule.due_ns(), clock.monotonic_ns())) {
      case LatenessJudge::Verdict::kInTime:
        ++in_time;
        break;
      case LatenessJudge::Verdict::kServerSlow:
        ++by_server;
        break;
      case LatenessJudge::Verdict::kGeneratorSlow:
        ++by_generator;
        break;
    }
  }
  void answer_one(std::int64_t due_ns) { latencies.record(clock.monotonic_ns() - due_ns); }
  void all_that_is_due() {
    while (is_due()) {
      begin_one();
      answer_one(schedule.due_ns());
      schedule.advance();
    }
  }
};

TEST(BenchLateness, WithoutStallsNothingIsLate) {
  OneAtATime world;
  for (int ms = 0; ms < 100; ++ms, world.clock.advance_ms(1))
    world.all_that_is_due();
  EXPECT_EQ(world.in_time, 100);
  EXPECT_EQ(world.latencies.max_ns(), 0U);
}

TEST(BenchLateness, AStallIsChargedToAllWhoWouldHaveCome) {
  OneAtATime world;
  for (int ms = 0; ms < 10; ++ms, world.clock.advance_ms(1))
    world.all_that_is_due();
  // The eleventh is sent, and answered 50 ms later only.
  const std::int64_t stalled_due = world.schedule.due_ns();
  world.begin_one();
  world.schedule.advance();
  for (int ms = 0; ms < 50; ++ms) {
    world.clock.advance_ms(1);
    world.judge.no_room();
  }
  world.judge.room(world.clock.monotonic_ns());
  world.answer_one(stalled_due);
  world.all_that_is_due();
  EXPECT_EQ(world.latencies.count(), 61U);
  EXPECT_EQ(world.in_time, 13);  // ten before, the stalled one, and the last two
  EXPECT_EQ(world.by_server, 48);
  EXPECT_EQ(world.by_generator, 0);
  // Of 61, those of the stall waited 50, 49, ... ms: a closed loop would have seen one of 50 ms.
  EXPECT_NEAR(static_cast<double>(world.latencies.percentile_ns(0.5)), 20e6, 1e6);
}

TEST(BenchLateness, WhatWeAreLateForIsOurs) {
  OneAtATime world;
  world.all_that_is_due();
  world.clock.advance_ms(20);  // we slept, with room all the time
  world.all_that_is_due();
  EXPECT_EQ(world.by_server, 0);
  EXPECT_EQ(world.by_generator, 18);
  EXPECT_EQ(world.in_time, 3);
  EXPECT_EQ(world.latencies.count(), 21U);
}

TEST(BenchLateness, SleepingOnAfterThereIsRoomIsOurs) {
  OneAtATime world;
  world.judge.no_room();
  world.clock.advance_ms(10);
  world.judge.room(world.clock.monotonic_ns());
  world.clock.advance_ms(5);
  world.all_that_is_due();
  EXPECT_EQ(world.by_server, 0);
  EXPECT_EQ(world.by_generator, 14);
  EXPECT_EQ(world.in_time, 2);
}

}  // namespace
}  // namespace kachel::bench
