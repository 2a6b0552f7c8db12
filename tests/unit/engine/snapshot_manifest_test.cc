// The file that says what a snapshot is.
#include "engine/format/snapshot_manifest.h"

#include <gtest/gtest.h>

#include "format_testing.h"

namespace kachel::format {
namespace {

SnapshotManifest test_manifest() {
  SnapshotManifest manifest;
  manifest.store_id = test_store();
  manifest.created_ms = 1700000000000;
  manifest.expires_ms = 1700003600000;
  manifest.through = 77;
  manifest.derived_due_ms = 1700001800000;
  manifest.segments = {{1, 0, 4096, 1700003600000}, {9, 55, 262144, 1700001800000}};
  return manifest;
}

TEST(SnapshotManifest, ComesBackAsWritten) {
  EXPECT_EQ(decode_snapshot_manifest(encode_snapshot_manifest(test_manifest())).value(),
            test_manifest());
  SnapshotManifest empty = test_manifest();
  empty.segments.clear();
  EXPECT_EQ(decode_snapshot_manifest(encode_snapshot_manifest(empty)).value(), empty);
}

TEST(SnapshotManifest, HasTheseVeryBytes) {
  const Bytes bytes = encode_snapshot_manifest(test_manifest());
  ASSERT_EQ(bytes.size(), 96u + 2 * 32 + 8);
  EXPECT_EQ(hex(std::span(bytes).first(80)),
            "4b414348454c534e0400000004000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
            "0068e5cf8b01000080561cd08b0100004d0000000000000040df00d08b010000"
            "02000000000000000000000000000000");
  EXPECT_EQ(hex(std::span(bytes).subspan(96 + 32, 32)),
            "09000000000000003700000000000000000004000000000040df00d08b010000");
}

TEST(SnapshotManifest, EveryFlippedBitAndEveryTruncationIsFound) {
  Bytes bytes = encode_snapshot_manifest(test_manifest());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    flip(bytes, bit);
    ASSERT_FALSE(decode_snapshot_manifest(bytes)) << "bit " << bit;
    flip(bytes, bit);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(decode_snapshot_manifest(copy_of(std::span(bytes).first(size)))) << size;
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_snapshot_manifest(bytes));
}

TEST(SnapshotManifest, WhatNoStoreSaysIsRefused) {
  const auto code_of = [](const SnapshotManifest& manifest) {
    return decode_snapshot_manifest(encode_snapshot_manifest(manifest)).error().code;
  };
  SnapshotManifest twice = test_manifest();
  twice.segments[1].id = 1;
  EXPECT_EQ(code_of(twice), ErrorCode::kCorrupt);
  SnapshotManifest none = test_manifest();
  none.segments[0].id = 0;
  EXPECT_EQ(code_of(none), ErrorCode::kCorrupt);
  Bytes other = encode_snapshot_manifest(test_manifest());
  other[0] = std::byte{'X'};
  EXPECT_EQ(decode_snapshot_manifest(other).error().code, ErrorCode::kForeign);
  Bytes newer = encode_snapshot_manifest(test_manifest());
  store(newer.data() + 8, kReaderVersion + 1);
  store(newer.data() + 12, kReaderVersion + 1);
  reseal(newer, 0);
  EXPECT_EQ(decode_snapshot_manifest(newer).error().code, ErrorCode::kVersion);
}

}  // namespace
}  // namespace kachel::format
