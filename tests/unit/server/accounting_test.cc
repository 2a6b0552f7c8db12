// What is counted of reads and writes: by tier, model and worth, and how long they took.
#include <gtest/gtest.h>

#include "server/accounting_worker.h"
#include "server/server_state.h"
#include "tests/unit/server/fake_store.h"

namespace kachel::server {
namespace {

class AccountingTest : public ::testing::Test {
 protected:
  void price(std::string_view model, double in, double out) {
    PolicySet set;
    set.prices().set(std::string(model), {in, out});
    state.policy.publish(std::make_shared<const PolicySet>(std::move(set)));
  }
  void put(std::string_view key, std::string_view value, PutOptions options = {}) {
    worker.put({}, key, value, std::move(options), [](const Result<PutOutcome>&) {});
  }
  bool get(std::string_view key) {
    bool there = false;
    worker.get({}, key, [&](Result<std::optional<Found>> found) { there = found->has_value(); });
    return there;
  }
  ModelTotals totals(std::string_view model) {
    return state.model_totals(state.models.slot_of(0, model));
  }
  static PutOptions of(std::string_view model, std::uint64_t in, std::uint64_t out,
                       std::uint64_t cost = 0) {
    PutOptions options;
    options.metadata.model = model;
    options.metadata.tokens_in = in;
    options.metadata.tokens_out = out;
    options.metadata.cost_micro_usd = cost;
    return options;
  }

  static Meter& add_counters(ServerState& state) {
    return state.counters.emplace_back(std::make_unique<WorkerCounters>())->meter;
  }

  ServerState state;
  FakeStore store;
  AccountingWorker worker{
      store, std::make_shared<Ledger>(add_counters(state), state.models, state.policy)};
};

TEST_F(AccountingTest, HitsAndMissesByModelAndTier) {
  put("a", "1", of("m", 0, 0));
  put("b", "2");
  EXPECT_TRUE(get("a"));
  store.hot = true;
  EXPECT_TRUE(worker.get_hot({}, "a"));
  EXPECT_FALSE(worker.get_hot({}, "none"));
  EXPECT_FALSE(get("none"));
  EXPECT_TRUE(get("b"));
  EXPECT_EQ(totals("m").hits[static_cast<int>(Tier::kFlash)], 1U);
  EXPECT_EQ(totals("m").hits[static_cast<int>(Tier::kHot)], 1U);
  EXPECT_EQ(totals("m").sets, 1U);
  EXPECT_EQ(totals("").misses, 1U);
  EXPECT_EQ(totals("").hits[static_cast<int>(Tier::kFlash)], 1U);
  EXPECT_EQ(state.latencies(Operation::kGetHot).count, 1U);
  EXPECT_EQ(state.latencies(Operation::kGetFlash).count, 2U);
  EXPECT_EQ(state.latencies(Operation::kGetMiss).count, 1U);
  EXPECT_EQ(state.latencies(Operation::kSet).count, 2U);
}

TEST_F(AccountingTest, HotHitsStandForTheUntimedOnesBefore) {
  put("a", "1");
  store.hot = true;
  for (int i = 0; i < 1 + 13 + 12; ++i)
    worker.get_hot({}, "a");
  EXPECT_EQ(state.latencies(Operation::kGetHot).count, 14U);
  EXPECT_EQ(totals("").hits[static_cast<int>(Tier::kHot)], 26U);
}

TEST_F(AccountingTest, SavingsByPriceOrByTheClientsOwnCost) {
  price("m", 2, 10);
  put("a", "1", of("m", 1000, 100));
  put("b", "1", of("m", 1000, 100, 7));
  EXPECT_TRUE(get("a"));
  EXPECT_TRUE(get("a"));
  EXPECT_TRUE(get("b"));
  EXPECT_EQ(totals("m").tokens_in_saved, 3000U);
  EXPECT_EQ(totals("m").tokens_out_saved, 300U);
  EXPECT_DOUBLE_EQ(totals("m").usd_saved_micro, 2 * (1000 * 2 + 100 * 10) + 7);
  EXPECT_DOUBLE_EQ(totals("m").usd_set_micro, 1000 * 2 + 100 * 10 + 7);
  EXPECT_EQ(totals("m").tokens_in_set, 2000U);
}

TEST_F(AccountingTest, NewPricesHoldFromTheNextReadOn) {
  put("a", "1", of("m", 100, 0));
  EXPECT_TRUE(get("a"));
  EXPECT_DOUBLE_EQ(totals("m").usd_saved_micro, 0);
  price("m", 3, 0);
  EXPECT_TRUE(get("a"));
  EXPECT_DOUBLE_EQ(totals("m").usd_saved_micro, 300);
}

TEST_F(AccountingTest, WhatIsNotStoredIsNotCounted) {
  store.forced_outcome = PutOutcome::kNotStored;
  put("a", "1", of("m", 1, 1));
  EXPECT_EQ(totals("m").sets, 0U);
}

TEST_F(AccountingTest, ValuesAreAttributed) {
  put("a", R"({"model":"m","usage":{"prompt_tokens":3,"completion_tokens":4}})");
  const auto* const row = store.row("a");
  EXPECT_EQ(row->entry->metadata.model, "m");
  EXPECT_EQ(row->entry->metadata.tokens_out, 4U);
  EXPECT_EQ(totals("m").tokens_in_set, 3U);
}

TEST_F(AccountingTest, AnInspectionServesNobody) {
  put("a", "1", of("m", 1, 1));
  {
    const AccountingWorker::Inspection inspection(worker);
    EXPECT_TRUE(get("a"));
    EXPECT_FALSE(get("none"));
  }
  EXPECT_EQ(totals("m").hits[static_cast<int>(Tier::kFlash)], 0U);
  EXPECT_EQ(totals("").misses, 0U);
  EXPECT_TRUE(get("a"));
  EXPECT_EQ(totals("m").tokens_in_saved, 1U);
}

TEST_F(AccountingTest, LeasesThatFindTheValueAreHits) {
  put("a", "1", of("m", 1, 1));
  worker.lease({}, "a", std::chrono::milliseconds(1), [](const Result<LeaseAnswer>&) {});
  worker.lease({}, "none", std::chrono::milliseconds(1), [](const Result<LeaseAnswer>&) {});
  EXPECT_EQ(totals("m").tokens_in_saved, 1U);
  EXPECT_EQ(totals("").misses, 1U);
}

TEST_F(AccountingTest, ThrottledWritesAreCounted) {
  store.throttle = true;
  bool resumed = false;
  worker.when_unthrottled([&] { resumed = true; });
  EXPECT_EQ(state.throttled_now(), 1U);
  store.unthrottle();
  EXPECT_TRUE(resumed);
  EXPECT_EQ(state.throttled_now(), 0U);
  EXPECT_EQ(state.throttled(), 1U);
}

TEST(ModelRegistryTest, LabelsArePlainAndShort) {
  EXPECT_EQ(model_label("openai/gpt-4o:x@1+2_3.4"), "openai/gpt-4o:x@1+2_3.4");
  EXPECT_EQ(model_label("a\"b\n{c},d=e\xc3\xa9"), "a_b__c__d_e__");
  EXPECT_EQ(model_label(std::string(300, 'm')).size(), kMaxModelLabelBytes);
  EXPECT_EQ(model_label(""), "unknown");
}

TEST(ModelRegistryTest, BeyondTheBoundModelsShareOne) {
  ModelRegistry models;
  for (std::size_t i = 0; i < kMaxModelsPerTenant; ++i)
    models.slot_of(0, "m" + std::to_string(i));
  const ModelSlot other = models.slot_of(0, "one more");
  EXPECT_EQ(models.slot_of(0, "and another"), other);
  EXPECT_EQ(models.slot_of(0, "other"), other);
  EXPECT_NE(models.slot_of(0, "m5"), other);
  EXPECT_NE(models.slot_of(1, "one more"), other);
  EXPECT_EQ(models.slot_of(0, "a b"), models.slot_of(0, "a,b"));  // one label, one series
}

TEST(ModelRegistryTest, ManyTenantsStayWithinTheSlots) {
  ModelRegistry models;
  for (std::uint32_t tenant = 0; tenant < kMaxTenants; ++tenant) {
    EXPECT_LT(models.slot_of(tenant, ""), kMaxModelSlots);
    for (int i = 0; i < 8; ++i)
      EXPECT_LT(models.slot_of(tenant, "m" + std::to_string(i)), kMaxModelSlots);
  }
  EXPECT_LE(models.all().size(), kMaxModelSlots);
}

TEST(LatencyTest, BucketsAreInOrderAndHoldTheirTimes) {
  for (std::uint64_t ns = 1; ns < std::uint64_t{1} << 40; ns += ns / 3 + 1) {
    const std::size_t bucket = LatencyBuckets::index_of(ns);
    const bool is_last = bucket + 1 == LatencyBuckets::kCount;
    EXPECT_TRUE(is_last || ns < LatencyBuckets::upper_ns(bucket)) << ns;
    EXPECT_TRUE(bucket == 0 || ns >= LatencyBuckets::upper_ns(bucket - 1)) << ns;
  }
}

TEST(LatencyTest, QuantilesAreWithinTheirBuckets) {
  LatencyHistogram histogram;
  for (int i = 0; i < 900; ++i)
    histogram.add(1000);
  histogram.add(1'000'000, 100);
  Latencies all;
  histogram.add_to(all);
  EXPECT_EQ(all.count, 1000U);
  EXPECT_EQ(all.sum_ns, 900U * 1000 + 100U * 1'000'000);
  EXPECT_NEAR(static_cast<double>(all.quantile_ns(0.5)), 1000, 300);
  EXPECT_NEAR(static_cast<double>(all.quantile_ns(0.99)), 1e6, 3e5);
  EXPECT_EQ(Latencies().quantile_ns(0.99), 0U);
}

}  // namespace
}  // namespace kachel::server
