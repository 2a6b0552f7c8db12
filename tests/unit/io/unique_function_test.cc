#include "io/unique_function.h"

#include <array>
#include <gtest/gtest.h>
#include <memory>

namespace kachel {

TEST(UniqueFunction, EmptyUntilAssigned) {
  UniqueFunction<int()> function;
  EXPECT_FALSE(function);
  function = [] { return 7; };
  EXPECT_TRUE(function);
  EXPECT_EQ(function(), 7);
  function = nullptr;
  EXPECT_FALSE(function);
}

TEST(UniqueFunction, OwnsWhatCannotBeCopied) {
  UniqueFunction<int(int)> function = [owned = std::make_unique<int>(40)](int more) {
    return *owned + more;
  };
  UniqueFunction<int(int)> moved = std::move(function);
  EXPECT_FALSE(function);  // NOLINT(bugprone-use-after-move): moved from means empty
  EXPECT_EQ(moved(2), 42);
}

TEST(UniqueFunction, TargetIsDestroyedExactlyOnce) {
  for (const bool large : {false, true}) {
    const auto counter = std::make_shared<int>(0);
    {
      UniqueFunction<void()> function;
      if (large) {
        function = [counter, padding = std::array<char, 200>{}] { (void)padding; };
      } else {
        function = [counter] {};
      }
      EXPECT_EQ(counter.use_count(), 2);
      UniqueFunction<void()> moved = std::move(function);
      EXPECT_EQ(counter.use_count(), 2);
      moved = [] {};
      EXPECT_EQ(counter.use_count(), 1);
    }
    EXPECT_EQ(counter.use_count(), 1);
  }
}

TEST(UniqueFunction, ArgumentsAreForwarded) {
  UniqueFunction<int(std::unique_ptr<int>)> function = [](std::unique_ptr<int> value) {
    return *value;
  };
  EXPECT_EQ(function(std::make_unique<int>(5)), 5);
  int target = 0;
  UniqueFunction<void(int&)> by_reference = [](int& value) { value = 9; };
  by_reference(target);
  EXPECT_EQ(target, 9);
}

}  // namespace kachel
