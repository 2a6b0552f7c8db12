// What every Index keeps over a crash: all of its last completed flush, and nothing of what came
// after. And what it says when what it finds is not its own.
#include "index_contract.h"

namespace kachel {
namespace {

std::vector<SegmentCounts> some_counts(std::initializer_list<std::uint64_t> segments) {
  std::vector<SegmentCounts> counts;
  for (const std::uint64_t id : segments) {
    counts.push_back(
        {id, id * 100, id % 2 == 0, {{{1, 2}, {id, id * 40}}, {{3, 4}, {id + 1, id * 60}}}});
  }
  return counts;
}

std::vector<std::uint64_t> segments_of(const std::vector<SegmentCounts>& counts) {
  std::vector<std::uint64_t> ids;
  for (const SegmentCounts& count : counts)
    ids.push_back(count.segment_id);
  return ids;
}

using Ids = std::vector<std::uint64_t>;

/// An index that is gone before its flush has ended never says how it ended.
bool has_succeeded(std::future<Result<void>>& flushed) {
  if (flushed.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
  try {
    return flushed.get().has_value();
  } catch (const std::future_error&) {
    return false;
  }
}

}  // namespace

TEST_P(IndexContract, NothingIsLeftWithoutAFlush) {
  put(key(1), row(1));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 5)));
  restart();
  EXPECT_EQ(find(key(1)).status, LookupStatus::kAbsent);
  EXPECT_TRUE(index->fences().value().empty());
  EXPECT_FALSE(index->marker().value());
}

TEST_P(IndexContract, AFlushIsKeptWhole) {
  for (std::uint32_t i = 0; i < 500; ++i)
    put(key(i), row(i + 1));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 5)));
  ASSERT_TRUE(flush(500, some_counts({3, 4})));
  restart();
  for (std::uint32_t i = 0; i < 500; ++i)
    ASSERT_EQ(find(key(i)).row, row(i + 1)) << i;
  const Marker marker = index->marker().value().value();
  EXPECT_EQ(marker.store_id, store_id());
  EXPECT_EQ(marker.applied_through, 500U);
  EXPECT_EQ(marker.open_segments, (decltype(marker.open_segments){{7, 4096}}));
  const auto counts = index->counts().value();
  ASSERT_EQ(segments_of(counts), (Ids{3, 4}));
  EXPECT_EQ(counts[0].live_bytes, 300U);
  EXPECT_FALSE(counts[0].has_later_expiries);
  EXPECT_TRUE(counts[1].has_later_expiries);
  EXPECT_EQ(counts[1].live, some_counts({4})[0].live);
}

TEST_P(IndexContract, WhatCameAfterTheFlushIsLostWhole) {
  put(key(1), row(1));
  put(key(2), row(2));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 5)));
  ASSERT_TRUE(flush(2));
  put(key(1), row(3));
  remove(key(2));
  put(key(3), row(4));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 6)));
  restart();
  EXPECT_EQ(find(key(1)).row, row(1));
  EXPECT_EQ(find(key(2)).row, row(2));
  EXPECT_EQ(find(key(3)).status, LookupStatus::kAbsent);
  EXPECT_EQ(index->fences().value(), (std::vector<Fence>{fence({1, 2}, 5)}));
  EXPECT_EQ(applied_through(), 2U);
}

/// The log goes on applying while a flush is under way: its marker does not speak for that.
TEST_P(IndexContract, AFlushCoversWhatWasAppliedBeforeIt) {
  for (std::uint64_t round = 1; round <= 20; ++round) {
    put(key(1), row(2 * round - 1));
    auto flushed = start_flush(2 * round - 1);
    put(key(1), row(2 * round));
    put(key(2), row(2 * round));
    ASSERT_TRUE(flushed.get());
    restart();
    EXPECT_EQ(find(key(1)).row, row(2 * round - 1));
    EXPECT_EQ(find(key(2)).status, LookupStatus::kAbsent);
    EXPECT_EQ(applied_through(), 2 * round - 1);
  }
}

/// Not waited for: whatever is there is the state before, or after, with its own marker.
TEST_P(IndexContract, AFlushCutShortIsOldOrNew) {
  put(key(1), row(1));
  ASSERT_TRUE(flush(1));
  for (std::uint64_t round = 2; round <= 20; ++round) {
    for (std::uint32_t i = 1; i < 100; ++i)
      put(key(i), row(round));
    auto flushed = start_flush(round);
    crash();
    const bool done = has_succeeded(flushed);
    open();
    const std::uint64_t found = applied_through();
    EXPECT_TRUE(found == round || (found < round && !done)) << found << " of " << round;
    EXPECT_EQ(find(key(1)).row, row(found));
    EXPECT_EQ(find(key(99)).row.sequence, found == 1 ? 0 : found);
  }
}

TEST_P(IndexContract, CountsOfVanishedSegmentsVanish) {
  ASSERT_TRUE(flush(1, some_counts({1, 2, 3})));
  ASSERT_TRUE(flush(2, some_counts({3, 2})));
  restart();
  EXPECT_EQ(segments_of(index->counts().value()), (Ids{2, 3}));
  ASSERT_TRUE(flush(3, some_counts({4})));
  restart();
  EXPECT_EQ(segments_of(index->counts().value()), (Ids{4}));
  ASSERT_TRUE(flush(4));
  restart();
  EXPECT_TRUE(index->counts().value().empty());
}

TEST_P(IndexContract, ManyLivesInARow) {
  for (std::uint64_t life = 1; life <= 12; ++life) {
    put(key(static_cast<std::uint32_t>(life)), row(life));
    ASSERT_TRUE(flush(life, some_counts({life})));
    put(key(100), row(life));
    restart();
    EXPECT_EQ(index->list({}, {}, 100).value().size(), life);
    EXPECT_EQ(applied_through(), life);
  }
}

TEST_P(IndexContract, AnotherStoresIsForeign) {
  put(key(1), row(1));
  ASSERT_TRUE(flush(1));
  crash();
  const auto opened = try_open({.store_id = store_id(2)});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kForeign);
  open();  // and untouched
  EXPECT_EQ(find(key(1)).row, row(1));
}

TEST_P(IndexContract, WipingMakesANewOne) {
  put(key(1), row(1));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 5)));
  ASSERT_TRUE(flush(1, some_counts({1})));
  crash();
  ASSERT_TRUE(try_open({.store_id = store_id(2), .wipe = true}));
  EXPECT_EQ(find(key(1)).status, LookupStatus::kAbsent);
  EXPECT_FALSE(index->marker().value());
  EXPECT_TRUE(index->counts().value().empty());
  EXPECT_TRUE(index->fences().value().empty());
  put(key(2), row(2));
  index->flush({store_id(2), 2, {}}, {}, [](Result<void>) {});
}

}  // namespace kachel
