#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

#include "tools/bench/options.h"
#include "tools/bench/report.h"

namespace kachel::bench {
namespace {

/// The message of what is refused.
std::string refusal(const Request& request) {
  const auto plan = make_plan(request);
  if (plan) return "nothing is wrong";
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  return plan.error().message;
}

template <typename Change>
std::string refusal_with(Change change) {
  Request request;
  change(request);
  return refusal(request);
}

TEST(BenchOptions, SizesAndTimesMayBeRanges) {
  EXPECT_EQ(parse_size_range("1KiB").value(), (Range{1024, 1024}));
  EXPECT_EQ(parse_size_range("256B..64KiB").value(), (Range{256, 65536}));
  EXPECT_EQ(parse_duration_range("60s").value(), (Range{60'000, 60'000}));
  EXPECT_EQ(parse_duration_range("10ms..2m").value(), (Range{10, 120'000}));
  for (const char* text : {"", "..", "2KiB..1KiB", "1KiB..", "1..2..3", "1GiB", "x"})
    EXPECT_FALSE(parse_size_range(text)) << text;
  for (const char* text : {"", "0", "5", "2s..1s", "0..1s"})
    EXPECT_FALSE(parse_duration_range(text)) << text;
}

TEST(BenchOptions, RatesAreAListOrSteps) {
  EXPECT_EQ(parse_rates("20000").value(), (std::vector<double>{20000}));
  EXPECT_EQ(parse_rates("1000,2000.5").value(), (std::vector<double>{1000, 2000.5}));
  EXPECT_EQ(parse_rates("1000:5000:5").value(),
            (std::vector<double>{1000, 2000, 3000, 4000, 5000}));
  for (const char* text : {"", "0", "-1", "1,", "a", "1:2", "1:2:1", "1:2:3:4", "1e99", "nan"})
    EXPECT_FALSE(parse_rates(text)) << text;
}

TEST(BenchOptions, PhasesAreAList) {
  EXPECT_EQ(parse_phases("load,run,cold,restart").value(),
            (std::vector<PhaseKind>{PhaseKind::kLoad, PhaseKind::kRun, PhaseKind::kCold,
                                    PhaseKind::kRestart}));
  for (const char* text : {"", "load,", "walk", "restart", "load,restart"})
    EXPECT_FALSE(parse_phases(text)) << text;
}

TEST(BenchOptions, TheUsualIsAPlan) {
  const auto plan = make_plan({});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->phases, std::vector<PhaseKind>{PhaseKind::kRun});
  EXPECT_EQ(plan->duration_ns, 10'000'000'000);
  EXPECT_EQ(plan->operations, 0U);
  EXPECT_TRUE(plan->rates.empty());
  EXPECT_EQ(plan->mix.text(), "get=90,set=10");
}

TEST(BenchOptions, OperationsNeedNoDuration) {
  Request request;
  request.operations = "500";
  request.server_pid = ::getpid();
  const auto plan = make_plan(request);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->operations, 500U);
  EXPECT_EQ(plan->duration_ns, 0);
}

TEST(BenchOptions, SmallValuesNeedNoCompressibility) {
  Request request;
  request.value_size = "8";
  EXPECT_TRUE(make_plan(request));
  request.compressibility = "4";
  EXPECT_FALSE(make_plan(request));
}

TEST(BenchOptions, WhatIsWrongIsNamed) {
  const auto expect_named = [](const std::string& option, const std::string& message) {
    EXPECT_NE(message.find(option), std::string::npos) << message;
  };
  expect_named("--threads", refusal_with([](Request& r) { r.threads = 0; }));
  expect_named("--connections", refusal_with([](Request& r) { r.threads = 51; }));
  expect_named("--pipeline", refusal_with([](Request& r) { r.pipeline = 0; }));
  expect_named("--ops", refusal_with([](Request& r) { r.operations = "many"; }));
  expect_named("--duration", refusal_with([](Request& r) { r.duration = "10"; }));
  expect_named("--interval", refusal_with([](Request& r) { r.interval = "0s"; }));
  expect_named("--rate", refusal_with([](Request& r) { r.rate = "fast"; }));
  expect_named("--rate", refusal_with([](Request& r) { r.rate = "1,2"; }));
  expect_named("--rate-sweep", refusal_with([](Request& r) { r.rate = r.rate_sweep = "1"; }));
  expect_named("--trace", refusal_with([](Request& r) { r.speed_up = "2"; }));
  expect_named("--protocol", refusal_with([](Request& r) { r.protocol = "http"; }));
  expect_named("--keys", refusal_with([](Request& r) { r.keys = "0"; }));
  expect_named("--key-prefix", refusal_with([](Request& r) { r.key_prefix = "a b"; }));
  expect_named("--key-distribution", refusal_with([](Request& r) { r.key_distribution = "x"; }));
  expect_named("--values", refusal_with([](Request& r) { r.value_field = "text"; }));
  expect_named("--value-size", refusal_with([](Request& r) { r.value_size = "big"; }));
  expect_named("--compressibility", refusal_with([](Request& r) { r.compressibility = "0.5"; }));
  expect_named("--ttl", refusal_with([](Request& r) { r.mix = "get=1,expire=1"; }));
  expect_named("--ttl", refusal_with([](Request& r) {
                 r.protocol = "memcached";
                 r.ttl = "31d";
               }));
  expect_named("--ttl-share", refusal_with([](Request& r) { r.ttl_share = 101; }));
  expect_named("--phase", refusal_with([](Request& r) { r.phases = "restart"; }));
  expect_named("--password", refusal_with([](Request& r) { r.user = "anna"; }));
  expect_named("--server-pid", refusal_with([](Request& r) { r.server_pid = 999'999'999; }));
}

TEST(BenchReport, NumbersHaveUnitsAndThreeDigits) {
  EXPECT_EQ(latency_text(0), "0 ns");
  EXPECT_EQ(latency_text(999), "999 ns");
  EXPECT_EQ(latency_text(1234), "1.23 us");
  EXPECT_EQ(latency_text(84'321), "84.3 us");
  EXPECT_EQ(latency_text(843'210), "843 us");
  EXPECT_EQ(latency_text(1'234'567), "1.23 ms");
  EXPECT_EQ(latency_text(2'170'000'000), "2.17 s");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(1'234'567), "1,234,567");
}

TEST(BenchReport, WarnsOfWhatTheFiguresDoNotShow) {
  PhaseResult result;
  EXPECT_TRUE(warnings_of(result).empty());
  result.own.busiest_thread = 0.9;
  result.stats.late_by_generator = 1;
  result.stats.not_sent = 2;
  result.stats.errors["OOM"] = 3;
  result.stats.first_error = "OOM command not allowed";
  EXPECT_EQ(warnings_of(result).size(), 5U);
}

}  // namespace
}  // namespace kachel::bench
