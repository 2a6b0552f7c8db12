// What every Index promises while it is open.
#include "index_contract.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "tests/unit/engine/index_bytes.h"

namespace kachel {
namespace {

constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kMaxMoment = std::numeric_limits<std::int64_t>::max();

Mac last_mac() {
  Mac mac;
  mac.bytes.fill(std::byte{0xff});
  return mac;
}

using Rows = std::vector<std::pair<Mac, Row>>;

}  // namespace

TEST_P(IndexContract, NewOneIsEmpty) {
  EXPECT_EQ(find(key(1)).status, LookupStatus::kAbsent);
  EXPECT_TRUE(index->list({}, {}, 10).value().empty());
  EXPECT_FALSE(index->marker().value());
  EXPECT_TRUE(index->counts().value().empty());
  EXPECT_TRUE(index->fences().value().empty());
}

TEST_P(IndexContract, AppliedRowsAreSeenAtOnce) {
  put(key(1), row(1));
  put(key(1), row(2));
  put(key(2), row(3));
  remove(key(2));
  EXPECT_EQ(find(key(1)).row, row(2));
  EXPECT_EQ(find(key(2)).status, LookupStatus::kAbsent);
  EXPECT_EQ(find(key(3)).status, LookupStatus::kAbsent);
}

TEST_P(IndexContract, ManyAreFoundAsEachAlone) {
  for (std::uint32_t i = 0; i < 300; i += 2)
    put(key(i), row(i));
  ASSERT_TRUE(flush(300));
  for (std::uint32_t i = 0; i < 300; i += 10)
    remove(key(i));
  put(key(1, {7, 1}), row(1));
  std::vector<RowKey> keys;
  for (std::uint32_t i = 0; i < 300; ++i)
    keys.push_back(key(i));
  for (const bool sorted : {true, false}) {
    if (!sorted) {
      std::reverse(keys.begin(), keys.end());
      keys.push_back(key(1, {7, 1}));
      keys.push_back(key(2));  // for the second time
    }
    std::vector<Lookup> found(keys.size());
    index->find_many(keys, found);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Lookup alone = find(keys[i]);
      EXPECT_EQ(found[i].status, alone.status) << i;
      if (alone.status == LookupStatus::kFound) {
        EXPECT_EQ(found[i].row, alone.row) << i;
      }
    }
    EXPECT_EQ(found[sorted ? 2 : 297].row, row(2));
  }
  index->find_many({}, {});
}

// So many, and so close together, that an index may walk from one to the next.
TEST_P(IndexContract, CloseNeighboursAreFoundAsEachAlone) {
  constexpr std::uint32_t kCount = 3000;
  for (std::uint32_t i = 0; i < kCount; i += 3)
    put(key(i), row(i));
  ASSERT_TRUE(flush(kCount));
  for (std::uint32_t i = 0; i < kCount; i += 30)
    remove(key(i));
  for (std::uint32_t i = 15; i < kCount; i += 30)
    put(key(i), row(i + 1));
  std::vector<RowKey> keys;
  for (std::uint32_t i = 1; i < kCount - 1; i += i % 7 == 0 ? 2 : 1)
    keys.push_back(key(i));
  keys.push_back(keys.front());  // twice
  sort_as_rows(keys);
  std::vector<Lookup> found(keys.size());
  index->find_many(keys, found);
  std::size_t there = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Lookup alone = find(keys[i]);
    EXPECT_EQ(found[i].status, alone.status) << i;
    if (alone.status != LookupStatus::kFound) continue;
    EXPECT_EQ(found[i].row, alone.row) << i;
    ++there;
  }
  EXPECT_GT(there, kCount / 5);
  EXPECT_LT(there, kCount / 3);
}

TEST_P(IndexContract, TheLastChangeOfABatchCounts) {
  const std::vector<IndexChange> changes{{key(1), row(1)}, {key(1), std::nullopt},
                                         {key(2), row(2)}, {key(2), std::nullopt},
                                         {key(2), row(3)}, {key(3), std::nullopt}};
  ASSERT_TRUE(index->apply(changes));
  ASSERT_TRUE(index->apply({}));
  EXPECT_EQ(find(key(1)).status, LookupStatus::kAbsent);
  EXPECT_EQ(find(key(2)).row, row(3));
  EXPECT_EQ(find(key(3)).status, LookupStatus::kAbsent);
}

TEST_P(IndexContract, RowsComeBackAsTheyWere) {
  const std::vector<Row> rows{
      {},
      {1, 4096, 64, 1, 1, 0, 0, 0, 0},
      {kMax64, kMax64 & ~std::uint64_t{7}, 0xfffffff8u, kMax64, kMax64, kMaxMoment, kMax64, kMax64,
       kMax64},
      {5, 8, 8, kMax64, 0, 1, 1, 1, 1},
  };
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    put(key(i), rows[i]);
  ASSERT_TRUE(flush(1));
  for (const bool reopened : {false, true}) {
    if (reopened) restart();
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(find(key(i)).status, LookupStatus::kFound) << i;
      EXPECT_EQ(find(key(i)).row, rows[i]) << i;
    }
  }
}

TEST_P(IndexContract, MemoryEitherKnowsOrSaysThatItDoesNot) {
  for (std::uint32_t i = 0; i < 1000; ++i)
    put(key(i), row(i));
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(flush(1000));
      restart();
    }
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const Lookup seen = index->find(key(i), Where::kMemory);
      if (seen.status == LookupStatus::kNeedsDisk) continue;
      ASSERT_EQ(seen.status, i < 1000 ? LookupStatus::kFound : LookupStatus::kAbsent) << i;
      if (i < 1000) {
        ASSERT_EQ(seen.row, row(i));
      }
    }
  }
}

TEST_P(IndexContract, WhatWasLookedUpOnceIsInMemory) {
  for (std::uint32_t i = 0; i < 1000; ++i)
    put(key(i), row(i));
  ASSERT_TRUE(flush(1000));
  restart();
  for (const std::uint32_t i : {0U, 500U, 999U, 1000U, 5000U}) {
    const Lookup anywhere = find(key(i));
    const Lookup memory = index->find(key(i), Where::kMemory);
    EXPECT_EQ(memory.status, anywhere.status) << i;
    EXPECT_EQ(memory.row, anywhere.row) << i;
  }
}

TEST_P(IndexContract, ListIsInOrderOfMacsFromAPoint) {
  for (const std::uint32_t i : {7U, 0xffffffffU, 0U, 0x100U, 0xffU, 3U})
    put(key(i), row(i));
  remove(key(3));
  Rows expected;
  for (const std::uint32_t i : {0U, 7U, 0xffU, 0x100U, 0xffffffffU})
    expected.emplace_back(key(i).mac, row(i));
  EXPECT_EQ(index->list({}, {}, 100).value(), expected);
  EXPECT_EQ(index->list({}, {}, 2).value(), Rows(expected.begin(), expected.begin() + 2));
  EXPECT_EQ(index->list({}, key(7).mac, 2).value(),
            Rows(expected.begin() + 1, expected.begin() + 3));
  EXPECT_EQ(index->list({}, key(8).mac, 1).value(),
            Rows(expected.begin() + 2, expected.begin() + 3));
  EXPECT_TRUE(index->list({}, {}, 0).value().empty());
  EXPECT_TRUE(index->list({}, last_mac(), 10).value().empty());
}

TEST_P(IndexContract, NamespacesEndWhereTheNextBegins) {
  const std::vector<Namespace> spaces{{0, 0},   {0, 1},    {0, 255},         {1, 0},
                                      {255, 0}, {256, 15}, {0xffffffff, 15}, {0xffffffff, 255}};
  for (const Namespace space : spaces) {
    put({space, {}}, row(space.tenant));
    put({space, last_mac()}, row(space.database));
    ASSERT_TRUE(index->put_fence(fence(space, 9)));
  }
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(flush(1, {{1, 1, false, {}}, {kMax64, 1, false, {}}}));
      restart();
    }
    for (const Namespace space : spaces) {
      const Rows expected{{Mac{}, row(space.tenant)}, {last_mac(), row(space.database)}};
      EXPECT_EQ(index->list(space, {}, 10).value(), expected);
      EXPECT_EQ(index->list(space, last_mac(), 10).value().size(), 1U);
    }
    EXPECT_TRUE(index->list({0, 2}, {}, 10).value().empty());
    EXPECT_EQ(index->fences().value().size(), spaces.size());
  }
  EXPECT_EQ(index->counts().value().size(), 2U);
}

TEST_P(IndexContract, ThousandsOfRowsInManyFlushes) {
  constexpr std::uint32_t kRows = 6000;
  std::vector<std::uint64_t> sequences(kRows);
  std::uint64_t sequence = 0;
  for (std::uint32_t round = 1; round <= 6; ++round) {
    std::vector<IndexChange> changes;
    for (std::uint32_t i = 0; i < kRows; i += round) {
      const bool removed = (i + round) % 5 == 0;
      sequences[i] = removed ? 0 : ++sequence;
      changes.push_back({key(i), removed ? std::nullopt : std::optional(row(sequence))});
    }
    ASSERT_TRUE(index->apply(changes));
    ASSERT_TRUE(flush(sequence));
  }
  restart();
  EXPECT_EQ(applied_through(), sequence);
  Rows expected;
  for (std::uint32_t i = 0; i < kRows; ++i) {
    if (sequences[i] != 0) expected.emplace_back(key(i).mac, row(sequences[i]));
  }
  Rows listed;
  for (Mac from{};;) {
    const Rows page = index->list({}, from, 512).value();
    listed.insert(listed.end(), page.begin(), page.end());
    if (page.size() < 512) break;
    from = page.back().first;
    listed.pop_back();  // the next page begins with it
  }
  EXPECT_EQ(listed, expected);
}

TEST_P(IndexContract, KeepsFencesOfScopesUntilTheyAreDropped) {
  const Fence subject{{1, kSubjectScope}, {{std::byte{1}}}, 5, 1'700'000'000'000};
  const Fence other{{1, kSubjectScope}, {{std::byte{2}}}, 6, 1'700'000'000'001};
  const Fence model{{1, kModelScope}, {{std::byte{1}}}, 7, 1'700'000'000'002};
  for (const Fence& one : {subject, other, model})
    ASSERT_TRUE(index->put_fence(one));
  EXPECT_EQ(index->fences().value(), (std::vector<Fence>{model, subject, other}));
  ASSERT_TRUE(flush(7));
  ASSERT_TRUE(index->drop_fence(subject));
  EXPECT_EQ(index->fences().value(), (std::vector<Fence>{model, other}));
  restart();
  EXPECT_EQ(index->fences().value(), (std::vector<Fence>{model, subject, other}));
  ASSERT_TRUE(index->drop_fence(subject));
  ASSERT_TRUE(flush(8));
  restart();
  EXPECT_EQ(index->fences().value(), (std::vector<Fence>{model, other}));
}

TEST_P(IndexContract, KeepsHoldsUntilTheyAreDropped) {
  const Hold subject{{{std::byte{1}}}, {1, kSubjectScope}, {{std::byte{9}}}, 5};
  const Hold tenant{{{std::byte{2}}}, {7, 255}, {}, kMax64};
  ASSERT_TRUE(index->put_hold(tenant));
  ASSERT_TRUE(index->put_hold(subject));
  EXPECT_EQ(index->holds().value(), (std::vector<Hold>{subject, tenant}));
  EXPECT_TRUE(index->fences().value().empty());
  ASSERT_TRUE(flush(7));
  ASSERT_TRUE(index->drop_hold(subject.id));
  EXPECT_EQ(index->holds().value(), (std::vector<Hold>{tenant}));
  restart();
  EXPECT_EQ(index->holds().value(), (std::vector<Hold>{subject, tenant}));
  ASSERT_TRUE(index->drop_hold(subject.id));
  ASSERT_TRUE(flush(8));
  restart();
  EXPECT_EQ(index->holds().value(), (std::vector<Hold>{tenant}));
}

TEST_P(IndexContract, AFenceIsTheLastOnePut) {
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 5)));
  ASSERT_TRUE(index->put_fence(fence({1, 2}, 8)));
  ASSERT_TRUE(index->put_fence(fence({1, 255}, kMax64)));
  const std::vector<Fence> expected{fence({1, 2}, 8), fence({1, 255}, kMax64)};
  EXPECT_EQ(index->fences().value(), expected);
  ASSERT_TRUE(flush(1));
  restart();
  EXPECT_EQ(index->fences().value(), expected);
}

TEST_P(IndexContract, UsageCountsWhatIsNotFlushed) {
  const std::uint64_t before = index->usage().unflushed_bytes;
  for (std::uint32_t i = 0; i < 2000; ++i)
    put(key(i), row(i));
  const std::uint64_t filled = index->usage().unflushed_bytes;
  EXPECT_GT(filled, before + 2000 * 20);
  ASSERT_TRUE(flush(1));
  EXPECT_LT(index->usage().unflushed_bytes, filled / 2);
}

struct FirstSegmentIsGone final : RowFilter {
  bool is_dead(const RowKey&, const Row& row) const override { return row.segment_id == 1; }
};

/// Housekeeping drops what the filter calls dead, or not, and nothing else.
TEST_P(IndexContract, HousekeepingKeepsTheLiving) {
  static const FirstSegmentIsGone kFilter;
  filter = &kFilter;
  restart();
  index->start_housekeeping();
  for (std::uint64_t round = 1; round <= 9; ++round) {
    for (std::uint32_t i = 0; i < 300; ++i)
      put(key(i), row(round * 1000 + i, i % 2));
    ASSERT_TRUE(flush(round * 1000 + 300, {{0, round, false, {}}}));
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (find(key(1)).status == LookupStatus::kFound &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (const bool reopened : {false, true}) {
    if (reopened) restart();
    for (std::uint32_t i = 0; i < 300; ++i) {
      const Lookup seen = find(key(i));
      if (i % 2 == 1 && seen.status == LookupStatus::kAbsent) continue;
      ASSERT_EQ(seen.status, LookupStatus::kFound) << i;
      ASSERT_EQ(seen.row, row(9000 + i, i % 2));
    }
    EXPECT_EQ(applied_through(), 9300U);
    EXPECT_EQ(index->counts().value().at(0).live_bytes, 9U);
  }
}

/// What a compaction leaves of the dead: nothing, in no file.
TEST_P(IndexContract, ACompactionLeavesTheLivingAndNothingElse) {
  static const FirstSegmentIsGone kFilter;
  filter = &kFilter;
  restart();
  index->start_housekeeping();
  const auto is_alive = [](std::uint64_t i) { return i % 3 == 2; };
  for (std::uint64_t round = 1; round <= 3; ++round) {
    for (std::uint64_t i = 0; i < 300; ++i)
      put(random_key(i), row(round * 1000 + i, i % 3 == 0 ? 1 : 2));
    ASSERT_TRUE(flush(round * 1000 + 300));
    ASSERT_TRUE(compact(round * 1000 + 300));  // so that there is a lowest level
  }
  for (std::uint64_t i = 1; i < 300; i += 3)
    remove(random_key(i));
  put(random_key(1000), row(1));
  remove(random_key(1000));
  ASSERT_TRUE(compact(5000));
  put(random_key(2), row(9999, 2));  // after it
  EXPECT_EQ(find(random_key(2)).row, row(9999, 2));
  const std::string bytes =
      backend->storage() != nullptr ? bytes_of_index(*backend->storage()) : std::string();
  restart();
  EXPECT_EQ(applied_through(), 5000U) << "a compaction is a flush, too";
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Lookup seen = find(random_key(i));
    ASSERT_EQ(seen.status, is_alive(i) ? LookupStatus::kFound : LookupStatus::kAbsent) << i;
    if (is_alive(i)) {
      EXPECT_EQ(seen.row, row(3000 + i, 2));
    }
    if (bytes.empty()) continue;
    EXPECT_EQ(holds_part_of(bytes, random_key(i).mac), is_alive(i)) << i;
  }
}

TEST_P(IndexContract, FlushesGoOnAfterACompactionAndTheOtherWayRound) {
  for (std::uint64_t round = 1; round <= 10; ++round) {
    for (std::uint32_t i = 0; i < 100; ++i)
      put(key(i), row(round * 10));
    ASSERT_TRUE(compact(round * 10));
    put(key(7), row(round * 10 + 1));
    ASSERT_TRUE(flush(round * 10 + 1));
    restart();
    EXPECT_EQ(applied_through(), round * 10 + 1);
    EXPECT_EQ(find(key(7)).row, row(round * 10 + 1));
    EXPECT_EQ(find(key(8)).row, row(round * 10));
  }
}

TEST_P(IndexContract, ACompactionCanBeCutShort) {
  for (std::uint32_t i = 0; i < 3000; ++i)
    put(key(i), row(i));
  ASSERT_TRUE(flush(1));
  index->abort_compaction();
  (void)compact(2);  // calls back
  put(key(1), row(77));
  ASSERT_TRUE(flush(3));
  restart();
  EXPECT_EQ(find(key(1)).row, row(77));
  EXPECT_EQ(applied_through(), 3U);
}

INSTANTIATE_TEST_SUITE_P(Index, IndexContract, testing::ValuesIn(all_index_backends()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace kachel
