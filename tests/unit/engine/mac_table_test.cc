#include "engine/mac_table.h"

#include <deque>
#include <gtest/gtest.h>
#include <map>

#include "io/random.h"

namespace kachel {
namespace {

struct Item {
  Mac mac;
};

/// With so few values for both halves many want the same slot, and some share half of their MAC.
Mac crowded_mac(io::SeededRandom& random) {
  Mac mac;
  mac.bytes[0] = static_cast<std::byte>(random.next() % 7);
  mac.bytes[8] = static_cast<std::byte>(random.next() % 61);
  return mac;
}

TEST(MacTable, FindsNothingWhereThereIsNothing) {
  MacTable<Item> table;
  EXPECT_EQ(table.find(Mac{}), nullptr);
  EXPECT_EQ(table.find_probable(Mac{}), nullptr);
  table.prefetch(Mac{});
  EXPECT_TRUE(table.empty());
  table.shrink_to_fit();
  table.visit([](const Item&) -> bool { throw "an item"; });
}

TEST(MacTable, AgreesWithAMapWhileItGrowsAndShrinks) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    io::SeededRandom random(seed);
    std::deque<Item> items;
    std::map<Mac, Item*> expected;
    MacTable<Item> table;
    for (int step = 0; step < 4000; ++step) {
      const Mac mac = crowded_mac(random);
      const auto found = expected.find(mac);
      ASSERT_EQ(table.find(mac), found == expected.end() ? nullptr : found->second);
      // It grows for a while, then it shrinks.
      const bool adds = random.next() % 8 < (step < 2000 ? 6 : 2);
      if (found == expected.end() && adds) {
        items.push_back({mac});
        table.insert(items.back());
        expected.emplace(mac, &items.back());
      } else if (found != expected.end() && !adds) {
        table.erase(*found->second);
        expected.erase(found);
      }
      if (random.next() % 500 == 0) table.shrink_to_fit();
      ASSERT_EQ(table.size(), expected.size());
    }
    std::map<Mac, const Item*> visited;
    table.visit([&](const Item& item) { return visited.emplace(item.mac, &item).second; });
    ASSERT_EQ(visited.size(), expected.size());
    for (const auto& [mac, item] : expected) {
      ASSERT_EQ(table.find(mac), item);
      ASSERT_NE(table.find_probable(mac), nullptr);
    }
  }
}

TEST(MacTable, TellsItemsApartThatShareHalfOfTheirMacs) {
  MacTable<Item> table;
  Item one;
  Item other;
  other.mac.bytes[0] = std::byte{1};
  table.insert(one);
  table.insert(other);
  EXPECT_EQ(table.find(one.mac), &one);
  EXPECT_EQ(table.find(other.mac), &other);
  table.erase(one);
  EXPECT_EQ(table.find(one.mac), nullptr);
  EXPECT_EQ(table.find(other.mac), &other);
}

TEST(MacTable, VisitsNoFurtherThanIsWanted) {
  MacTable<Item> table;
  std::deque<Item> items;
  for (int i = 0; i < 10; ++i) {
    items.emplace_back().mac.bytes[8] = static_cast<std::byte>(i);
    table.insert(items.back());
  }
  int visits = 0;
  table.visit([&](const Item&) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
  table.clear();
  EXPECT_EQ(table.find(items[0].mac), nullptr);
}

}  // namespace
}  // namespace kachel
