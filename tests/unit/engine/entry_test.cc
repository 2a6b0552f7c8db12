#include "engine/entry.h"

#include <gtest/gtest.h>
#include <thread>

namespace kachel {
namespace {

TEST(Entry, HoldsItsValue) {
  EXPECT_EQ(Entry::make("value")->value(), "value");
  EXPECT_EQ(Entry::make("")->value(), "");
  const Entry::Pointer filled = Entry::make(std::size_t{3});
  const std::span<char> room = filled->mutable_value();
  ASSERT_EQ(room.size(), 3u);
  std::copy_n("abc", 3, room.begin());
  EXPECT_EQ(filled->value(), "abc");
}

TEST(Entry, FootprintCountsValueModelAndSubjects) {
  const Entry::Pointer entry = Entry::make(std::string(1000, 'v'));
  const std::size_t bare = entry->footprint_bytes();
  EXPECT_GE(bare, sizeof(Entry) + 1000);
  entry->metadata.model = "short";
  EXPECT_EQ(entry->footprint_bytes(), bare);
  entry->metadata.model = std::string(200, 'm');
  const std::size_t with_model = entry->footprint_bytes();
  EXPECT_GE(with_model, bare + 200);
  entry->metadata.subjects = {std::string(100, 's'), "short"};
  EXPECT_GE(entry->footprint_bytes(), with_model + 2 * sizeof(std::string) + 100);
}

TEST(Entry, OutlivesEveryOtherReference) {
  Entry::Pointer entry = Entry::make("shared");
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([copy = entry] {
      for (int j = 0; j < 1000; ++j) {
        Entry::Pointer mine = copy;
        EXPECT_EQ(mine->value(), "shared");
        mine.reset();
      }
    });
  }
  entry.reset();
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace kachel
