#include "engine/hot_tier.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>

namespace kachel {
namespace {

constexpr std::size_t kValueBytes = 1000;

// MACs are spread evenly, and so are these.
Mac mac_of(std::uint64_t number) {
  std::mt19937_64 random(number);
  const std::uint64_t halves[] = {random(), random()};
  Mac mac;
  std::memcpy(mac.bytes.data(), halves, sizeof halves);
  return mac;
}

HotItem item_of(std::size_t value_bytes, char fill = 'v', Namespace space = {}) {
  return {Entry::make(std::string(value_bytes, fill)), 0, space};
}

std::size_t one_item_bytes() {
  HotShard shard(1 << 20);
  shard.insert(mac_of(0), item_of(kValueBytes));
  return shard.bytes();
}

std::size_t room_for(std::size_t items) {
  return items * one_item_bytes();
}

void insert(HotShard& shard, std::uint64_t number) {
  shard.insert(mac_of(number), item_of(kValueBytes));
}

std::size_t count_present(const HotShard& shard, std::uint64_t from, std::uint64_t to) {
  std::size_t count = 0;
  for (std::uint64_t i = from; i < to; ++i)
    count += shard.peek(mac_of(i)) != nullptr ? 1 : 0;
  return count;
}

TEST(HotShard, TakesBackWhatItHadAsItWasUsed) {
  HotShard shard(room_for(20));
  for (std::uint64_t i = 0; i < 20; ++i)
    insert(shard, i);
  for (int times = 0; times < 3; ++times)
    shard.find(mac_of(7));
  for (std::uint64_t i = 20; i < 30; ++i)
    insert(shard, i);  // 7 goes to the main queue
  HotShard again(room_for(20));
  shard.visit_heat([&](const Mac& mac, const HotItem& item, std::uint8_t heat) {
    EXPECT_TRUE(again.insert_with_heat(mac, item, heat));
    EXPECT_FALSE(again.insert_with_heat(mac, item, heat)) << "it is there";
  });
  EXPECT_EQ(again.size(), shard.size());
  EXPECT_EQ(again.bytes(), shard.bytes());
  EXPECT_EQ(again.frequency(mac_of(7)), shard.frequency(mac_of(7)));
  EXPECT_FALSE(again.insert_with_heat(mac_of(100), item_of(kValueBytes), 0)) << "it is full";
  EXPECT_EQ(again.evictions(), 0U);
  for (std::uint64_t i = 200; i < 240; ++i)
    insert(again, i);
  EXPECT_NE(again.peek(mac_of(7)), nullptr) << "it was in the main queue";
}

TEST(HotShard, FindsWhatWasInserted) {
  HotShard shard(1 << 20);
  EXPECT_EQ(shard.find(mac_of(1)), nullptr);
  HotItem item = item_of(5, 'a', {7, 3});
  item.expires_at_ms = 99;
  shard.insert(mac_of(1), item);
  const HotItem* found = shard.find(mac_of(1));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->entry->value(), "aaaaa");
  EXPECT_EQ(found->expires_at_ms, 99);
  EXPECT_EQ(found->space, (Namespace{7, 3}));
  EXPECT_EQ(shard.size(), 1u);
}

TEST(HotShard, FootprintIsMoreThanTheEntriesAndReturnsToZero) {
  HotShard shard(1 << 20);
  const HotItem item = item_of(kValueBytes);
  shard.insert(mac_of(1), item);
  shard.insert(mac_of(2), item_of(10));
  EXPECT_GT(shard.bytes(), item.entry->footprint_bytes() + sizeof(Mac) + sizeof(void*));
  EXPECT_TRUE(shard.erase(mac_of(1)));
  EXPECT_FALSE(shard.erase(mac_of(1)));
  EXPECT_TRUE(shard.erase(mac_of(2)));
  EXPECT_EQ(shard.bytes(), 0u);
  EXPECT_EQ(shard.size(), 0u);
}

TEST(HotShard, AccessesAreCountedUpToThree) {
  HotShard shard(1 << 20);
  insert(shard, 1);
  EXPECT_EQ(shard.frequency(mac_of(1)), 0u);
  shard.peek(mac_of(1));
  EXPECT_EQ(shard.frequency(mac_of(1)), 0u);
  for (unsigned i = 1; i <= 5; ++i) {
    shard.find(mac_of(1));
    EXPECT_EQ(shard.frequency(mac_of(1)), std::min(i, 3u));
  }
  EXPECT_EQ(shard.frequency(mac_of(2)), std::nullopt);
}

TEST(HotShard, AReplacementCountsAsAnAccessAndUpdatesTheBytes) {
  HotShard shard(1 << 20);
  shard.insert(mac_of(1), item_of(5000));
  const std::size_t before = shard.bytes();
  shard.insert(mac_of(1), item_of(100, 'n'));
  EXPECT_LT(shard.bytes(), before - 4000);
  EXPECT_EQ(shard.size(), 1u);
  EXPECT_EQ(shard.frequency(mac_of(1)), 1u);
  EXPECT_EQ(shard.peek(mac_of(1))->entry->value(), std::string(100, 'n'));
}

TEST(HotShard, AnEntryAboveHalfTheCapacityIsNotTaken) {
  HotShard shard(20'000);
  shard.insert(mac_of(1), item_of(100));
  shard.insert(mac_of(2), item_of(100));
  shard.insert(mac_of(1), item_of(10'000));
  EXPECT_EQ(shard.peek(mac_of(1)), nullptr);
  EXPECT_NE(shard.peek(mac_of(2)), nullptr);
  EXPECT_EQ(shard.evictions(), 0u);
}

TEST(HotShard, ExpiryIsChangedInPlace) {
  HotShard shard(1 << 20);
  insert(shard, 1);
  EXPECT_TRUE(shard.set_expiry(mac_of(1), 1234));
  EXPECT_EQ(shard.peek(mac_of(1))->expires_at_ms, 1234);
  EXPECT_EQ(shard.frequency(mac_of(1)), 0u);
  EXPECT_FALSE(shard.set_expiry(mac_of(2), 1));
}

TEST(HotShard, TheOldestWithoutAnAccessGoesFirst) {
  HotShard shard(room_for(10));
  for (std::uint64_t i = 0; i < 10; ++i)
    insert(shard, i);
  EXPECT_EQ(shard.evictions(), 0u);
  shard.find(mac_of(0));
  insert(shard, 10);
  EXPECT_EQ(shard.evictions(), 1u);
  EXPECT_NE(shard.peek(mac_of(0)), nullptr);
  EXPECT_EQ(shard.peek(mac_of(1)), nullptr);
  EXPECT_EQ(shard.size(), 10u);
}

TEST(HotShard, AScanDoesNotEvictWhatIsAccessedAgain) {
  HotShard shard(room_for(100));
  for (std::uint64_t i = 0; i < 80; ++i)
    insert(shard, i);
  for (std::uint64_t i = 0; i < 80; ++i)
    shard.find(mac_of(i));
  for (std::uint64_t i = 1000; i < 11'000; ++i)
    insert(shard, i);
  EXPECT_EQ(count_present(shard, 0, 80), 80u);
}

TEST(HotShard, WhatComesBackSoonGoesToMain) {
  HotShard shard(room_for(100));
  for (std::uint64_t i = 0; i < 101; ++i)
    insert(shard, i);
  ASSERT_EQ(shard.peek(mac_of(0)), nullptr);
  insert(shard, 0);  // remembered: to main, where a scan does not reach it
  for (std::uint64_t i = 1000; i < 2000; ++i)
    insert(shard, i);
  EXPECT_NE(shard.peek(mac_of(0)), nullptr);
}

TEST(HotShard, WhatComesBackLateIsNewAgain) {
  HotShard shard(room_for(100));
  for (std::uint64_t i = 0; i < 400; ++i)
    insert(shard, i);
  insert(shard, 0);  // forgotten: 300 others have left since
  for (std::uint64_t i = 1000; i < 2000; ++i)
    insert(shard, i);
  EXPECT_EQ(shard.peek(mac_of(0)), nullptr);
}

TEST(HotShard, MainLetsGoOfWhatIsNoLongerAccessed) {
  HotShard shard(room_for(100));
  for (std::uint64_t wave = 0; wave < 3; ++wave) {
    for (std::uint64_t use = 0; use < 400; ++use) {
      const std::uint64_t number = wave * 1000 + use % 80;
      if (shard.find(mac_of(number)) == nullptr) insert(shard, number);
    }
  }
  EXPECT_EQ(count_present(shard, 0, 80), 0u);
  EXPECT_EQ(count_present(shard, 2000, 2080), 80u);
}

TEST(HotShard, ShrinksAtOnceAndGrowsAgain) {
  HotShard shard(room_for(100));
  for (std::uint64_t i = 0; i < 100; ++i)
    insert(shard, i);
  shard.set_capacity(room_for(10));
  EXPECT_LE(shard.bytes(), room_for(10));
  EXPECT_EQ(shard.size(), 10u);
  EXPECT_EQ(shard.evictions(), 90u);
  shard.set_capacity(room_for(50));
  for (std::uint64_t i = 200; i < 240; ++i)
    insert(shard, i);
  EXPECT_EQ(shard.size(), 50u);
  shard.set_capacity(0);
  EXPECT_EQ(shard.bytes(), 0u);
  insert(shard, 1);
  EXPECT_EQ(shard.size(), 0u);
}

TEST(HotShard, ErasesNamespaces) {
  HotShard shard(1 << 20);
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Namespace space{static_cast<std::uint32_t>(i % 2), static_cast<std::uint8_t>(i / 2 % 2)};
    shard.insert(mac_of(i), item_of(100, 'v', space));
  }
  EXPECT_EQ(shard.erase_namespace({0, 1}), 10u);
  EXPECT_EQ(shard.erase_namespace({0, 1}), 0u);
  EXPECT_EQ(shard.erase_namespace({1, 255}), 20u);
  EXPECT_EQ(shard.size(), 10u);
  EXPECT_EQ(shard.evictions(), 0u);
  EXPECT_EQ(shard.erase_namespace({0, 0}), 10u);
  EXPECT_EQ(shard.bytes(), 0u);
}

TEST(HotShard, ErasesNamespacesOfBothQueues) {
  HotShard shard(room_for(20));
  for (std::uint64_t i = 0; i < 20; ++i)
    insert(shard, i);
  for (std::uint64_t i = 0; i < 10; ++i)
    shard.find(mac_of(i));
  for (std::uint64_t i = 20; i < 25; ++i)
    insert(shard, i);
  const std::size_t size = shard.size();
  EXPECT_EQ(shard.erase_namespace({}), size);
  EXPECT_EQ(shard.bytes(), 0u);
}

TEST(HotShard, ClearLeavesNothing) {
  HotShard shard(room_for(10));
  for (std::uint64_t i = 0; i < 30; ++i)
    insert(shard, i);
  shard.clear();
  EXPECT_EQ(shard.bytes(), 0u);
  EXPECT_EQ(shard.size(), 0u);
  EXPECT_EQ(count_present(shard, 0, 30), 0u);
  insert(shard, 1);
  EXPECT_EQ(shard.size(), 1u);
}

TEST(HotShard, AnEntryInUseOutlivesItsEviction) {
  HotShard shard(room_for(2));
  insert(shard, 1);
  const Entry::Pointer held = shard.find(mac_of(1))->entry;
  shard.erase(mac_of(1));
  EXPECT_EQ(held->value(), std::string(kValueBytes, 'v'));
}

// Random operations against what was last inserted: a shard may forget, never mix up, never
// grow beyond its capacity, and counts exactly what it holds.
class HotShardBySeed : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, HotShardBySeed, testing::Range<std::uint64_t>(1, 13));

TEST_P(HotShardBySeed, KeepsItsBoundsAndItsValues) {
  std::mt19937_64 random(GetParam());
  struct Expected {
    Entry::Pointer entry;
    Namespace space;
  };
  std::map<std::uint64_t, Expected> model;
  HotShard shard(100'000);
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t number = std::min(random() % 300, random() % 300);
    const Mac mac = mac_of(number);
    const Namespace space{static_cast<std::uint32_t>(random() % 3),
                          static_cast<std::uint8_t>(random() % 2)};
    const std::uint64_t what = random() % 1000;
    if (what < 500) {
      const HotItem* found = shard.find(mac);
      if (found != nullptr) {
        ASSERT_TRUE(model.contains(number));
        ASSERT_EQ(found->entry, model[number].entry);
        ASSERT_EQ(found->space, model[number].space);
      }
    } else if (what < 930) {
      const std::size_t size = random() % 50 == 0 ? random() % 80'000 : random() % 3000;
      const Expected inserted{Entry::make(size), space};
      model[number] = inserted;
      shard.insert(mac, {inserted.entry, 0, space});
    } else if (what < 990) {
      shard.erase(mac);
      model.erase(number);
    } else if (what < 993) {
      shard.erase_namespace(space);
      std::erase_if(model, [&](const auto& pair) { return pair.second.space == space; });
    } else if (what < 999) {
      shard.set_capacity(20'000 + random() % 200'000);
    } else {
      shard.clear();
      model.clear();
    }
    ASSERT_LE(shard.bytes(), shard.capacity());
    ASSERT_LE(shard.size(), model.size());
  }
  for (const auto& [number, expected] : model)
    shard.erase(mac_of(number));
  EXPECT_EQ(shard.bytes(), 0u);
  EXPECT_EQ(shard.size(), 0u);
}

}  // namespace
}  // namespace kachel
