#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <stdexcept>

#include "bench/policies/prices.h"
#include "bench/policies/trace_file.h"
#include "bench/policies/workloads.h"
#include "policies_testing.h"

namespace kachel::policies {
namespace {

ZipfOptions small_zipf() {
  ZipfOptions options;
  options.keys = 500;
  options.requests = 5000;
  return options;
}

TEST(Zipf, IsTheSameForTheSameSeedOnly) {
  const Workload first = zipf_with_drift(small_zipf());
  const Workload again = zipf_with_drift(small_zipf());
  ZipfOptions other = small_zipf();
  other.seed = 2;
  const Workload another = zipf_with_drift(other);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < first.requests.size(); ++i) {
    ASSERT_EQ(first.requests[i].key, again.requests[i].key);
    ASSERT_EQ(first.requests[i].cost_micro_usd, again.requests[i].cost_micro_usd);
    equal += first.requests[i].key == another.requests[i].key ? 1 : 0;
  }
  EXPECT_LT(equal, first.requests.size() / 4);
}

TEST(Zipf, WhatIsReplacedIsNotAskedForAgain) {
  std::map<Key, bool> is_dead;
  std::uint64_t replaced = 0;
  for (const Request& request : zipf_with_drift(small_zipf()).requests) {
    if (request.replaces != kNoKey) {
      is_dead[request.replaces] = true;
      ++replaced;
    }
    ASSERT_FALSE(is_dead[request.key]);
  }
  EXPECT_GT(replaced, 20U);
}

TEST(Zipf, AKeyHasOneSizeAndOneCost) {
  std::map<Key, std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const Request& request : zipf_with_drift(small_zipf()).requests) {
    const std::pair now(request.bytes, request.cost_micro_usd);
    EXPECT_EQ(seen.try_emplace(request.key, now).first->second, now);
    EXPECT_GT(request.bytes, request.value_bytes);
    EXPECT_GE(request.cost_micro_usd, 1U);
  }
}

TEST(Prices, ArePerToken) {
  EXPECT_EQ(kLargeModel.micro_usd(1000, 100), 3500U);
  EXPECT_EQ(kEmbeddingModel.micro_usd(1, 0), 1U) << "at least";
}

TEST(Charges, AreWhatTheHotTierCounts) {
  EnginePolicy engine(1 << 20);
  std::uint64_t bytes = 0;
  for (const std::uint64_t size : {0U, 1U, 100U, 1000U, 4097U}) {
    engine.insert(request_of(size, size));
    bytes += hot_bytes_of(size);
  }
  EXPECT_EQ(engine.bytes(), bytes);
}

TEST(Traces, OneThatIsNotThereIsNamed) {
  try {
    read_trace("/nonexistent/trace.zst", [](const boost::json::object&) {});
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/trace.zst"), std::string::npos);
  }
}

TEST(Traces, OfTheFolderAreRead) {
  const char* folder = std::getenv("KACHEL_DATA");
  if (folder == nullptr) GTEST_SKIP() << "KACHEL_DATA is not set";
  const Workload agent = agent_completions(folder, Pricing::kOne);
  EXPECT_EQ(agent.requests.size(), 996U);
  EXPECT_EQ(footprint_of(agent).keys, 305U);
  const Workload prompts = conversation_completions(folder);
  EXPECT_EQ(prompts.requests.size(), 12'031U);
  const Workload blocks = conversation_blocks(folder);
  EXPECT_EQ(blocks.requests.size(), 288'500U);
  EXPECT_EQ(footprint_of(blocks).keys, 182'790U);
}

}  // namespace
}  // namespace kachel::policies
