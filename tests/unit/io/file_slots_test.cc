#include "io/file_slots.h"

#include <gtest/gtest.h>

namespace kachel::io {

TEST(FileSlots, FileKeepsItsSlot) {
  FileSlots slots(2);
  EXPECT_FALSE(slots.find(7));
  const auto slot = slots.assign(7);
  ASSERT_TRUE(slot);
  EXPECT_EQ(slots.find(7), slot);
}

TEST(FileSlots, LeastRecentlyUsedIsEvicted) {
  FileSlots slots(2);
  slots.assign(1);
  const auto second = slots.assign(2);
  slots.find(1);
  EXPECT_EQ(slots.assign(3), second);
  EXPECT_FALSE(slots.find(2));
  EXPECT_TRUE(slots.find(1));
}

TEST(FileSlots, BusySlotsAreNotEvicted) {
  FileSlots slots(2);
  const auto first = slots.assign(1);
  const auto second = slots.assign(2);
  slots.begin_io(*first);
  slots.begin_io(*second);
  EXPECT_FALSE(slots.assign(3));
  slots.end_io(*second);
  EXPECT_EQ(slots.assign(3), second);
}

TEST(FileSlots, ReleasedSlotIsUsedAgain) {
  FileSlots slots(1);
  const auto slot = slots.assign(1);
  EXPECT_EQ(slots.release(1), slot);
  EXPECT_FALSE(slots.release(1));
  EXPECT_EQ(slots.assign(2), slot);
}

}  // namespace kachel::io
