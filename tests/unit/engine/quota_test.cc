// Quotas of tenants: who has too much loses entries of his own.
#include <chrono>

#include "engine/field_key.h"
#include "store_world.h"

namespace kachel {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kQuota = 400'000;
constexpr std::size_t kValueBytes = 10'000;
constexpr Namespace kGreedy{7, 0}, kModest{8, 0};

struct TwoTenants {
  StoreWorld world;
  std::uint64_t seed = 0;

  void fill(Namespace space, int first, int count) {
    world.space = space;
    for (int i = first; i < first + count; ++i)
      world.put("k" + std::to_string(i), noise(++seed, kValueBytes));
  }
  bool has(Namespace space, int i) {
    world.space = space;
    return world.glimpse("k" + std::to_string(i)).has_value();
  }
  int count(Namespace space, int first, int last) {
    int there = 0;
    for (int i = first; i < last; ++i)
      there += has(space, i) ? 1 : 0;
    return there;
  }
};

TEST(Quotas, TheOldestEntriesOfWhoHasTooMuchGo) {
  TwoTenants two;
  for (int i = 0; i < 100; ++i) {  // in the same segments
    two.fill(kModest, i, 1);
    two.fill(kGreedy, i, 1);
  }
  EXPECT_GE(two.world.store->usage_of(7).bytes, 100 * kValueBytes);
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  const TenantUsage usage = two.world.store->usage_of(7);
  EXPECT_LE(usage.bytes, kQuota);
  EXPECT_GE(usage.bytes, kQuota * 14 / 16) << "no more than it takes";
  EXPECT_EQ(usage.quota_bytes, kQuota);
  EXPECT_EQ(usage.evicted_entries, 100 - usage.entries);
  EXPECT_EQ(two.world.store->stats().quota_evicted_entries, usage.evicted_entries);
  EXPECT_EQ(two.count(kGreedy, 0, 60), 0) << "these are older";
  EXPECT_EQ(two.count(kGreedy, 100 - static_cast<int>(usage.entries), 100),
            static_cast<int>(usage.entries));
  EXPECT_EQ(two.count(kModest, 0, 100), 100);
  EXPECT_EQ(two.world.store->usage_of(8).quota_bytes, 0U);
}

TEST(Quotas, WhatIsReadIsSparedAtFirst) {
  TwoTenants two;
  two.fill(kGreedy, 0, 60);
  for (const int read : {3, 9, 14}) {
    two.world.space = kGreedy;
    EXPECT_TRUE(two.world.get("k" + std::to_string(read)));
  }
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  EXPECT_EQ(two.count(kGreedy, 0, 20), 3);
  EXPECT_TRUE(two.has(kGreedy, 3) && two.has(kGreedy, 9) && two.has(kGreedy, 14));
}

TEST(Quotas, AreKeptEvenWhereAllIsRead) {
  TwoTenants two;
  two.fill(kGreedy, 0, 60);
  for (int i = 0; i < 60; ++i)
    EXPECT_TRUE(two.world.get("k" + std::to_string(i)));
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  EXPECT_LE(two.world.store->usage_of(7).bytes, kQuota);
  EXPECT_GT(two.world.store->usage_of(7).entries, 30U);
}

TEST(Quotas, PutsAreDroppedWhileEvictingDoesNotKeepUp) {
  TwoTenants two;
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(1));
  two.fill(kGreedy, 0, 60);
  two.fill(kModest, 0, 3);
  two.world.advance(100);  // it is seen, and what is too much goes
  two.world.space = kGreedy;
  EXPECT_EQ(two.world.put("late", "value"), PutOutcome::kNotStored);
  EXPECT_FALSE(two.world.get("late"));
  two.world.space = kModest;
  EXPECT_EQ(two.world.put("late", "value"), PutOutcome::kStored);
  EXPECT_EQ(two.world.store->usage_of(7).puts_not_stored, 1U);
  EXPECT_EQ(two.world.store->usage_of(8).puts_not_stored, 0U);
  EXPECT_EQ(two.world.store->stats().sets_over_quota, 1U);
  two.world.advance(100);
  two.world.space = kGreedy;
  EXPECT_EQ(two.world.put("late", "value"), PutOutcome::kStored);
}

TEST(Quotas, NoOlderCopyComesBackForWhatWasEvicted) {
  TwoTenants two;
  two.fill(kGreedy, 0, 60);
  two.fill(kGreedy, 0, 60);  // all of it for the second time
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  const int left = two.count(kGreedy, 0, 60);
  ASSERT_LT(left, 40);
  two.world.drop();
  two.world.lose_index();
  two.world.open();
  EXPECT_EQ(two.count(kGreedy, 0, 60), left);
  EXPECT_LE(two.world.store->usage_of(7).bytes, kQuota);
}

TEST(Quotas, BytesAreKnownAfterARestart) {
  TwoTenants two;
  two.fill(kGreedy, 0, 40);
  two.fill(kModest, 0, 20);
  two.fill(kModest, 5, 5);
  const auto bytes = [&] {
    return std::pair(two.world.store->usage_of(7).bytes, two.world.store->usage_of(8).bytes);
  };
  const auto before = bytes();
  EXPECT_GE(before.first, 40 * kValueBytes);
  EXPECT_LE(before.first, 41 * kValueBytes);
  EXPECT_GE(before.second, 20 * kValueBytes);
  EXPECT_LE(before.second, 21 * kValueBytes);
  two.world.kill();
  EXPECT_EQ(bytes(), before);
  ASSERT_TRUE(two.world.close());
  two.world.open();
  EXPECT_EQ(bytes(), before);
  two.world.drop();
  two.world.lose_index();
  two.world.open();
  EXPECT_EQ(bytes(), before);
}

TEST(Quotas, WhatIsFlushedNoLongerCounts) {
  TwoTenants two;
  two.fill(kGreedy, 0, 40);
  two.world.erase_all();
  EXPECT_EQ(two.world.store->usage_of(7).bytes, 0U);
  EXPECT_EQ(two.world.store->usage_of(7).entries, 0U);
  two.fill(kGreedy, 0, 1);
  EXPECT_EQ(two.world.store->usage_of(7).entries, 1U);
}

TEST(Quotas, FieldsOfHashesCountAndGoLikeKeys) {
  TwoTenants two;
  two.world.space = fields_of(kGreedy);
  for (int i = 0; i < 60; ++i)
    two.world.put(field_key("hash", std::to_string(i)),
                  noise(static_cast<std::uint64_t>(i), kValueBytes));
  two.fill(Namespace{7, 3}, 0, 10);
  EXPECT_EQ(two.world.store->usage_of(7).entries, 70U);
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  EXPECT_LE(two.world.store->usage_of(7).bytes, kQuota);
  EXPECT_EQ(two.count(Namespace{7, 3}, 0, 10), 10) << "they are the newest";
}

TEST(Quotas, WhatHasExpiredCountsUntilItGoesAndIsEvictedAsWell) {
  TwoTenants two;
  two.fill(kGreedy, 0, 60);
  ExpiryChange soon;
  soon.expires_at_ms = two.world.store->now_ms() + 1'000;
  for (int i = 0; i < 30; ++i) {
    two.world.worker->change_expiry(kGreedy, "k" + std::to_string(i), soon, [](auto) {});
  }
  two.world.let_pass(seconds(2));
  EXPECT_EQ(two.world.store->usage_of(7).entries, 60U);
  two.world.store->set_quotas({{7, kQuota}});
  two.world.let_pass(seconds(2));
  EXPECT_LE(two.world.store->usage_of(7).bytes, kQuota);
  EXPECT_EQ(two.count(kGreedy, 30, 60), 30) << "there is room for all that lives";
}

TEST(Quotas, AreGoneWhenTheyAreNoLongerSet) {
  TwoTenants two;
  two.world.store->set_quotas({{7, kQuota}});
  two.world.store->set_quotas({});
  two.fill(kGreedy, 0, 80);
  two.world.let_pass(seconds(2));
  EXPECT_EQ(two.count(kGreedy, 0, 80), 80);
}

}  // namespace
}  // namespace kachel
