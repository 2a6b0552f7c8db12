#include "server/pulse.h"

#include <gtest/gtest.h>

namespace kachel::server {
namespace {

TEST(PulseTest, WhoHasNotAnsweredByTheNextTimeHangs) {
  std::vector<std::function<void()>> asked[2];
  Pulse pulse({[&](auto task) { asked[0].push_back(std::move(task)); },
               [&](auto task) { asked[1].push_back(std::move(task)); }});
  EXPECT_EQ(pulse.count_hanging(), 0u);
  ASSERT_EQ(asked[0].size(), 1u);
  ASSERT_EQ(asked[1].size(), 1u);
  asked[0].back()();
  EXPECT_EQ(pulse.count_hanging(), 1u);
  EXPECT_EQ(asked[0].size(), 2u);
  EXPECT_EQ(asked[1].size(), 1u) << "one question is enough";
  EXPECT_EQ(pulse.count_hanging(), 2u);
  asked[0].back()();
  asked[1].back()();
  EXPECT_EQ(pulse.count_hanging(), 0u);
}

}  // namespace
}  // namespace kachel::server
