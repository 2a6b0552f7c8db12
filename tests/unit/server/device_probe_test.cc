#include "server/device_probe.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace kachel::server {
namespace {

TEST(DeviceProbes, SayWhatASyncTakesAndLeaveNothing) {
  const std::string directory = testing::TempDir() + "device-probe";
  std::filesystem::create_directories(directory);
  const auto probe = probe_device(directory);
  if (!probe) {
    EXPECT_EQ(probe.error().code, ErrorCode::kUnsupported) << probe.error().message;
  } else {
    EXPECT_GE(probe->sync_us, 0);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  std::filesystem::remove(directory);
}

TEST(DeviceProbes, OfNoDirectoryAreErrors) {
  EXPECT_FALSE(probe_device("/nowhere/at/all"));
}

TEST(DeviceProbes, AreDescribedWithTheirUnits) {
  EXPECT_EQ(describe(DeviceProbe{1310, 512, 4}), "a sync takes 1.31 ms, direct I/O is by 512 B");
  EXPECT_EQ(describe(DeviceProbe{25'000, 0, 0}), "a sync takes 25.00 ms");
}

}  // namespace
}  // namespace kachel::server
