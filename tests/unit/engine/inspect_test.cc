// Verification of stores on simulated storage: a store that has lived is clean, and what is wrong
// with one is told of all that is.
#include <gtest/gtest.h>
#include <random>

#include "engine/inspect/index_reader.h"
#include "engine/inspect/verify.h"
#include "store_world.h"

namespace kachel {
namespace {

using inspect::FindingCode;

struct Verified {
  std::vector<inspect::Finding> findings;  // without notes
  inspect::VerifyReport report;
  inspect::Progress progress;

  std::size_t count(FindingCode code) const {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(),
                      [&](const inspect::Finding& finding) { return finding.code == code; }));
  }
};

Verified verify(StoreWorld& world, inspect::VerifyScope scope = inspect::VerifyScope::kSegments,
                inspect::Selection selection = {}) {
  Verified verified;
  inspect::Inspection inspection({});
  inspection.on_finding([&](const inspect::Finding& finding) {
    if (finding.severity() != inspect::Severity::kNote) verified.findings.push_back(finding);
  });
  const auto store = inspect::StoreView::open(world.storage, inspection);
  if (!store) {
    ADD_FAILURE() << store.error().message;
    return verified;
  }
  inspect::VerifyOptions options;
  options.scope = scope;
  options.selection = selection;
  options.now_ms = world.clock.wall_ms();
  auto report = inspect::verify_store(**store, options, inspection);
  if (!report) {
    ADD_FAILURE() << report.error().message;
    return verified;
  }
  verified.report = *report;
  verified.progress = inspection.progress;
  return verified;
}

std::vector<std::string> segment_paths(StoreWorld& world) {
  std::vector<std::string> paths;
  for (const std::string& name : world.storage.list("segments").value()) {
    const std::string path = "segments/" + name;
    if (world.storage.open(path, io::OpenMode::kRead).value()->size().value() > 0) {
      paths.push_back(path);
    }
  }
  return paths;
}

void change(StoreWorld& world, const std::string& path, std::uint64_t offset) {
  auto file = world.storage.open(path, io::OpenMode::kReadWrite).value();
  std::byte byte{};
  ASSERT_EQ(file->read_at(offset, {&byte, 1}).value(), 1u);
  byte ^= std::byte{0x10};
  iovec part{&byte, 1};
  file->write_at(offset, {&part, 1}).value();
}

void fill(StoreWorld& world, int entries) {
  for (int i = 0; i < entries; ++i) {
    PutOptions options;
    if (i % 3 == 0) options.expires_at_ms = world.clock.wall_ms() + 60'000 + i % 7 * 10'000;
    world.put("key " + std::to_string(i % (entries * 2 / 3)),
              noise(static_cast<std::uint64_t>(i), 900), std::move(options));
  }
}

TEST(InspectTest, AStoreThatHasBeenReclaimedFromIsClean) {
  Options options = StoreWorld::small_options();
  options.erase_within = std::chrono::seconds(20);
  StoreWorld world(options);
  for (int round = 0; round < 4; ++round) {
    fill(world, 900);
    for (int i = round; i < 600; i += 7)
      world.erase("key " + std::to_string(i));
    world.let_pass(std::chrono::seconds(15));
  }
  ASSERT_TRUE(world.close());
  const Verified verified = verify(world);
  for (const auto& finding : verified.findings)
    ADD_FAILURE() << finding.path << ": " << finding.offset.value_or(0) << ": " << finding.message;
  EXPECT_TRUE(verified.report.is_complete(verified.progress));
  EXPECT_GT(verified.progress.records, 0u);
}

TEST(InspectTest, TheTableOfATombstoneThatReclaimHasLeftSaysNothingOfThePut) {
  StoreWorld world;
  for (int i = 0; i < 40; ++i)
    world.put("key " + std::to_string(i), noise(1, 900));
  for (int i = 0; i < 40; ++i) {
    PutOptions options;
    options.expires_at_ms = world.clock.wall_ms() + 20'000;
    world.put("key " + std::to_string(i), noise(2, 900), std::move(options));
  }
  world.let_pass(std::chrono::seconds(120));  // the later ones expire, and go before the older
  ASSERT_GT(world.store->stats().expired_segments, 0u);
  ASSERT_TRUE(world.close());
  EXPECT_EQ(verify(world).count(FindingCode::kTableDiffers), 0u);
}

TEST(InspectTest, EveryDamagedSegmentIsTold) {
  StoreWorld world;
  fill(world, 1200);
  ASSERT_TRUE(world.close());
  const std::vector<std::string> paths = segment_paths(world);
  ASSERT_GE(paths.size(), 3u);
  EXPECT_TRUE(verify(world).findings.empty());
  change(world, paths[0], 20);        // header
  change(world, paths[1], 4096 + 8);  // a record's fixed part
  change(world, paths[2],
         world.storage.open(paths[2], io::OpenMode::kRead).value()->size().value() - 100);
  const Verified verified = verify(world);
  EXPECT_EQ(verified.count(FindingCode::kHeader), 1u);
  EXPECT_EQ(verified.count(FindingCode::kRecord), 1u);
  EXPECT_EQ(verified.count(FindingCode::kFooter), 1u);
}

TEST(InspectTest, ASegmentUnderAnothersNameIsTold) {
  StoreWorld world;
  fill(world, 1200);
  ASSERT_TRUE(world.close());
  const std::vector<std::string> paths = segment_paths(world);
  ASSERT_GE(paths.size(), 2u);
  world.storage.rename(paths[0], "segments/aside").value();
  world.storage.rename(paths[1], paths[0]).value();
  world.storage.rename("segments/aside", paths[1]).value();
  EXPECT_EQ(verify(world).count(FindingCode::kMisplacedSegment), 2u);
}

TEST(InspectTest, BothCopiesOfTheSuperblockAreLookedAt) {
  StoreWorld world;
  fill(world, 10);
  ASSERT_TRUE(world.close());
  change(world, "superblock", 100);
  EXPECT_EQ(verify(world).count(FindingCode::kSuperblockCopy), 1u);
  change(world, "superblock", 5000);
  EXPECT_EQ(verify(world).count(FindingCode::kSuperblockCopy), 2u);  // the key says who it is
}

TEST(InspectTest, AnUnknownFileIsNamed) {
  StoreWorld world;
  fill(world, 10);
  ASSERT_TRUE(world.close());
  world.storage.open("segments/core.1234", io::OpenMode::kCreate).value();
  world.storage.open("notes.txt", io::OpenMode::kCreate).value();
  EXPECT_EQ(verify(world).count(FindingCode::kUnknownFile), 2u);
}

TEST(InspectTest, PartsTogetherAreTheWhole) {
  StoreWorld world;
  fill(world, 1200);
  ASSERT_TRUE(world.close());
  const std::uint64_t all = verify(world).report.segments_checked;
  std::uint64_t sum = 0;
  for (std::uint32_t part = 1; part <= 3; ++part) {
    inspect::Selection selection;
    selection.part = part;
    selection.parts = 3;
    sum += verify(world, inspect::VerifyScope::kSegments, selection).report.segments_checked;
  }
  EXPECT_GT(all, 0u);
  EXPECT_EQ(sum, all);
}

TEST(InspectTest, WhatCouldNotBeComparedIsNotComplete) {
  StoreWorld world;  // its index is in memory
  fill(world, 10);
  ASSERT_TRUE(world.close());
  const Verified verified = verify(world, inspect::VerifyScope::kFull);
  EXPECT_FALSE(verified.report.is_complete(verified.progress));
}

TEST(ManifestCheckTest, EveryByteCounts) {
  // A record "abc": masked CRC-32C of type and bytes, length, type, bytes.
  const std::string whole(
      "\xf2\x70\xe8\x9d\x03\x00\x01"
      "abc",
      10);
  EXPECT_TRUE(inspect::check_manifest(whole));
  EXPECT_FALSE(inspect::check_manifest(""));
  EXPECT_FALSE(inspect::check_manifest(whole.substr(0, 9)));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bent = whole;
    bent[i] = static_cast<char>(bent[i] ^ 1);
    EXPECT_FALSE(inspect::check_manifest(bent)) << i;
  }
}

}  // namespace
}  // namespace kachel
