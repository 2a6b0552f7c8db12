#include "engine/identity.h"

#include <gtest/gtest.h>

#include "io/faulty_storage.h"
#include "io/memory_storage.h"

namespace kachel {
namespace {

/// Of each unsynced write only its first sector is left.
class TearAll final : public io::CrashOutcome {
 public:
  void keep_sectors(std::uint64_t, std::vector<bool>& kept) override { kept.front() = true; }
  bool keep_size() override { return true; }
  bool keep_entry() override { return true; }
};

/// A start whose write of the superblock is cut off before the sync with this number: by a kill,
/// or by a power cut that tears all that is unsynced by then.
void begin_and_crash(std::unique_ptr<io::MemoryStorage>& disk, unsigned sync, bool is_power_cut) {
  io::FaultyStorage storage(*disk, 1);
  const io::ManualClock clock(1'700'000'000'000);
  io::SeededRandom random(1);
  auto identity = Identity::open(storage, clock, random, true);
  ASSERT_TRUE(identity) << identity.error().message;
  std::vector<std::unique_ptr<io::MemoryStorage>> before;  // each sync
  storage.observe([&](const io::Operation& operation) {
    if (operation.op == io::FaultOp::kSync) before.push_back(disk->clone());
  });
  ASSERT_TRUE((*identity)->begin("b007", false, 1, 1, clock.wall_ms()));
  ASSERT_LT(sync, before.size());
  identity->reset();
  disk = std::move(before[sync]);
  TearAll tear;
  if (is_power_cut) disk->crash(tear);
}

TEST(Identity, OneCopyIsWholeHoweverManyWritesOfItAreCutOff) {
  constexpr unsigned kStarts = 4;
  constexpr unsigned kSyncs = 3;  // of one start
  unsigned outcomes = 1;
  for (unsigned start = 0; start < kStarts; ++start)
    outcomes *= 2 * kSyncs;
  for (unsigned outcome = 0; outcome < outcomes; ++outcome) {
    SCOPED_TRACE(outcome);
    auto disk = std::make_unique<io::MemoryStorage>();
    for (unsigned start = 0, left = outcome; start < kStarts; ++start, left /= 2 * kSyncs) {
      ASSERT_NO_FATAL_FAILURE(begin_and_crash(disk, left / 2 % kSyncs, left % 2 == 1));
    }
    io::SeededRandom random(1);
    EXPECT_TRUE(Identity::open(*disk, io::ManualClock(), random, false));
  }
}

TEST(Identity, ALimitThatWasNotWrittenIsNotTakenForRaised) {
  io::MemoryStorage disk;
  io::FaultyStorage storage(disk, 1);
  const io::ManualClock clock(1'700'000'000'000);
  io::SeededRandom random(1);
  auto identity = Identity::open(storage, clock, random, true).value();
  ASSERT_TRUE(identity->begin("b007", false, 1, 1, clock.wall_ms()));
  const std::uint64_t limit = identity->segment_id_limit();
  storage.inject({.op = io::FaultOp::kSync, .times = 2});
  EXPECT_FALSE(identity->keep_ahead(1, limit, clock.wall_ms()));
  EXPECT_FALSE(identity->keep_ahead(1, limit, clock.wall_ms()));
  EXPECT_TRUE(identity->keep_ahead(1, limit, clock.wall_ms()));
  identity.reset();
  disk.crash();
  identity = Identity::open(disk, clock, random, false).value();
  EXPECT_GT(identity->segment_id_limit(), limit);
}

TEST(Identity, ACreationCutShortIsMadeAnew) {
  io::MemoryStorage disk;
  io::FaultyStorage storage(disk, 1);
  const io::ManualClock clock(1'700'000'000'000);
  io::SeededRandom random(1);
  std::vector<std::unique_ptr<io::MemoryStorage>> copies;
  storage.observe([&](const io::Operation& operation) {
    if (io::changes_storage(operation.op)) copies.push_back(disk.clone());
  });
  ASSERT_TRUE(Identity::open(storage, clock, random, true));
  ASSERT_GT(copies.size(), 10u);
  for (const auto& copy : copies) {
    const auto identity = Identity::open(*copy, clock, random, true);
    EXPECT_TRUE(identity) << identity.error().message;
  }
}

TEST(Identity, NoStoreIsMadeOverWhatCouldBeOne) {
  const io::ManualClock clock(1'700'000'000'000);
  for (const std::string path : {"segments", "index"}) {
    io::MemoryStorage disk;
    io::SeededRandom random(1);
    ASSERT_TRUE(disk.create_directory(path));
    ASSERT_TRUE(disk.open(path + "/file", io::OpenMode::kCreate));
    const auto identity = Identity::open(disk, clock, random, true);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().code, ErrorCode::kForeign);
  }
}

}  // namespace
}  // namespace kachel
