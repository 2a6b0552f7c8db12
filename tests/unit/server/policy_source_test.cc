#include "server/policy_source.h"

#include <gtest/gtest.h>
#include <thread>

namespace kachel::server {
namespace {

std::shared_ptr<const PolicySet> set_of(int hours) {
  TenantPolicy policy;
  policy.ttl_max = std::chrono::hours(hours);
  policy.erase_by_max = policy.ttl_max;
  PolicySet set;
  set.set(std::string(kDefaultTenant), policy);
  return std::make_shared<const PolicySet>(set);
}

TEST(PolicySource, AReaderSeesWhatWasPublished) {
  PolicySource source;
  PolicyReader reader(source);
  EXPECT_EQ(reader.current().default_tenant(), TenantPolicy());
  source.publish(set_of(1));
  EXPECT_EQ(reader.current().default_tenant().ttl_max, std::chrono::hours(1));
  EXPECT_EQ(source.current()->default_tenant().ttl_max, std::chrono::hours(1));
}

TEST(PolicySource, AReaderNeverSeesHalfASet) {
  PolicySource source;
  source.publish(set_of(1));
  constexpr int kSets = 2000;
  std::thread publisher([&] {
    for (int hours = 1; hours <= kSets; ++hours)
      source.publish(set_of(hours));
  });
  PolicyReader reader(source);
  std::chrono::milliseconds seen{0};
  while (seen < std::chrono::hours(kSets)) {
    const TenantPolicy policy = reader.current().default_tenant();
    EXPECT_EQ(policy.ttl_max, policy.erase_by_max);
    EXPECT_GE(*policy.ttl_max, seen);
    seen = *policy.ttl_max;
  }
  publisher.join();
}

}  // namespace
}  // namespace kachel::server
