// What a start refills the hot tier with: the manifest of the one before.
#include <algorithm>
#include <chrono>

#include "engine/format/bytes.h"
#include "engine/format/hot_manifest.h"
#include "engine/format/structure.h"
#include "store_world.h"
#include "tests/simulator/forwarding_index.h"

namespace kachel {
namespace {

using std::chrono::seconds;

constexpr int kEntries = 20;
constexpr const char* kManifest = "hot/manifest";
constexpr seconds kInterval{60};

class HotSets : public testing::Test {
 protected:
  static std::string key(int i) { return "k" + std::to_string(i); }
  static std::string value(int i) { return noise(static_cast<std::uint64_t>(i) + 1, 3000); }

  void fill() {
    for (int i = 0; i < kEntries; ++i)
      world.put(key(i), value(i));
  }
  void stop_and_start() {
    ASSERT_TRUE(world.close());
    world.open();
  }
  void wait_for_a_save() { world.let_pass(kInterval + seconds(1)); }

  std::vector<std::byte> manifest() {
    const auto file = world.storage.open(kManifest, io::OpenMode::kRead);
    if (!file) return {};
    std::vector<std::byte> bytes((*file)->size().value());
    (void)(*file)->read_at(0, bytes);
    return bytes;
  }
  /// Which it names; nothing when it is damaged, or there is none.
  std::optional<std::vector<format::HotManifestItem>> named() {
    const std::vector<std::byte> bytes = manifest();
    std::span<const std::byte> rest(bytes);
    if (rest.size() < format::kHotManifestHeaderBytes) return std::nullopt;
    const auto store_id = format::load<format::StoreId>(rest.data() + 16);
    const auto head = rest.first(format::kHotManifestHeaderBytes);
    if (!format::decode_hot_manifest_header(head, store_id)) return std::nullopt;
    rest = rest.subspan(head.size());
    std::vector<format::HotManifestItem> all;
    for (std::uint32_t index = 0;; ++index) {
      if (rest.size() < format::kHotBlockHeaderBytes) return std::nullopt;
      const auto header =
          format::decode_hot_block_header(rest.first(format::kHotBlockHeaderBytes), index);
      if (!header) return std::nullopt;
      rest = rest.subspan(format::kHotBlockHeaderBytes);
      if (header->items == 0) return all;
      const auto body = rest.first(header->items * format::kHotItemBytes);
      const auto items = format::decode_hot_items(store_id, *header, body);
      if (!items) return std::nullopt;
      all.insert(all.end(), items->begin(), items->end());
      rest = rest.subspan(body.size());
    }
  }
  std::uint64_t hot_entries() { return world.store->stats().hot_entries; }
  std::uint64_t hits_from_hot(int count) {
    const std::uint64_t before = world.store->stats().hot_hits;
    for (int i = 0; i < count; ++i)
      EXPECT_EQ(world.get(key(i)), value(i)) << i;
    return world.store->stats().hot_hits - before;
  }

  StoreWorld world;
};

TEST_F(HotSets, AStopInOrderIsFollowedByAWarmStart) {
  fill();
  stop_and_start();
  const Stats stats = world.store->stats();
  EXPECT_EQ(stats.hot_entries, 20U);
  EXPECT_FALSE(stats.warming);
  EXPECT_EQ(stats.warm.entries, 20U);
  EXPECT_EQ(stats.warm.entries_done, 20U);
  EXPECT_EQ(stats.warm.entries_warmed, 20U);
  EXPECT_GT(stats.warm.bytes_read, 20U * 3000);
  EXPECT_EQ(stats.flash_hits, 0U) << "they are no reads of a client's";
  EXPECT_EQ(hits_from_hot(kEntries), 20U);
}

TEST_F(HotSets, AKillIsFollowedByWhatWasHotAMinuteAgo) {
  fill();
  EXPECT_FALSE(named());
  wait_for_a_save();
  ASSERT_TRUE(named());
  EXPECT_EQ(named()->size(), 20U);
  world.put("later", "value");
  world.kill();
  EXPECT_EQ(hot_entries(), 20U);
  EXPECT_EQ(hits_from_hot(kEntries), 20U);
  EXPECT_EQ(world.get("later"), "value");
}

TEST_F(HotSets, NothingComesBackThatIsGoneOrReplaced) {
  PutOptions brief;
  brief.expires_at_ms = world.store->now_ms() + 62'000;
  fill();
  world.put("brief", "value", brief);
  wait_for_a_save();
  ASSERT_EQ(named()->size(), 21U);
  world.erase(key(3));
  world.put(key(4), "another");
  world.advance(2'000);
  world.kill();
  EXPECT_EQ(hot_entries(), 19U);
  EXPECT_FALSE(world.get(key(3)));
  EXPECT_FALSE(world.get("brief"));
  EXPECT_EQ(world.get(key(4)), "another");
  world.erase_all();
  world.kill();
  EXPECT_EQ(hot_entries(), 0U);
}

TEST_F(HotSets, AnEraseIsNotOverWhileTheManifestNamesWhatItCovers) {
  for (int i = 0; i < kEntries; ++i)
    world.put(key(i), value(i), about({i < 5 ? "alice" : "bob"}));
  wait_for_a_save();
  ASSERT_EQ(named()->size(), 20U);
  ASSERT_TRUE(world.store->set_erase_within(seconds(200)));  // saved every minute all the same
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("alice"));
  for (int i = 0; i < 500; ++i) {
    world.advance(500);
    if (world.store->erasure(id)->state == ErasureState::kReclaimed) break;
  }
  ASSERT_EQ(world.store->erasure(id)->state, ErasureState::kReclaimed);
  ASSERT_TRUE(named());
  EXPECT_EQ(named()->size(), 15U);
}

TEST_F(HotSets, AManifestThatIsDamagedCostsNoMoreThanItself) {
  fill();
  ASSERT_TRUE(world.close());
  const auto file = world.storage.open(kManifest, io::OpenMode::kReadWrite).value();
  std::vector<std::byte> bytes = manifest();
  const std::size_t item = format::kHotManifestHeaderBytes + format::kHotBlockHeaderBytes + 5;
  bytes[item] ^= std::byte{1};
  iovec part{bytes.data(), bytes.size()};
  ASSERT_TRUE(file->write_at(0, std::span(&part, 1)));
  world.open();
  EXPECT_LT(hot_entries(), 20U) << "a block is missing";
  EXPECT_GT(hot_entries(), 0U) << "the others are not";
  for (int i = 0; i < kEntries; ++i)
    EXPECT_EQ(world.get(key(i)), value(i));
  world.advance(500);
  ASSERT_TRUE(named()) << "it was written anew";
  ASSERT_TRUE(world.close());
  bytes = manifest();
  bytes[40] ^= std::byte{1};  // the header
  part = {bytes.data(), bytes.size()};
  ASSERT_TRUE(world.storage.open(kManifest, io::OpenMode::kReadWrite)
                  .value()
                  ->write_at(0, std::span(&part, 1)));
  world.open();
  EXPECT_EQ(hot_entries(), 0U);
  EXPECT_EQ(world.get(key(1)), value(1));
}

TEST_F(HotSets, ManifestsOfOtherStoresSayNothing) {
  fill();
  ASSERT_TRUE(world.close());
  const auto items = named().value();
  const format::StoreId other{std::byte{77}};
  std::vector<std::byte> bytes = format::encode_hot_manifest_header(other, {1, 1});
  for (const auto& block :
       {format::encode_hot_block(other, 0, items), format::encode_hot_block(other, 1, {})})
    bytes.insert(bytes.end(), block.begin(), block.end());
  const auto file = world.storage.open(kManifest, io::OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->truncate(0));
  iovec part{bytes.data(), bytes.size()};
  ASSERT_TRUE(file->write_at(0, std::span(&part, 1)));
  world.open();
  EXPECT_EQ(hot_entries(), 0U);
  EXPECT_EQ(world.get(key(1)), value(1));
}

TEST_F(HotSets, WhatDoesNotFitAnyMoreStaysOnFlash) {
  ASSERT_TRUE(world.close());
  world.options.memory_bytes = 2 * kMinMemoryBytes;
  world.open();
  for (int i = 0; i < 2000; ++i)
    world.put(key(i), value(i));
  ASSERT_GT(hot_entries(), 1500U);
  ASSERT_TRUE(world.close());
  world.options.memory_bytes = kMinMemoryBytes;
  world.options.max_value_bytes = kMiB;
  world.open();
  world.let_pass(seconds(2));
  const Stats stats = world.store->stats();
  EXPECT_LE(stats.hot_bytes, stats.hot_capacity_bytes);
  EXPECT_GT(stats.hot_entries, 500U);
  EXPECT_EQ(stats.hot_evictions, 0U);
  EXPECT_EQ(world.get(key(1999)), value(1999));
}

TEST_F(HotSets, IsNeitherKeptNorUsedWhenThatIsNotWanted) {
  fill();
  ASSERT_TRUE(world.close());
  ASSERT_TRUE(named());
  world.options.warm_bytes_per_s = 0;
  world.open();
  EXPECT_EQ(hot_entries(), 0U);
  world.advance(500);
  EXPECT_FALSE(named()) << "it would know of what dies from now on";
  fill();
  ASSERT_TRUE(world.close());
  EXPECT_FALSE(named());
}

TEST_F(HotSets, AStopDoesNotForgetWhatHasNotComeBackYet) {
  ASSERT_TRUE(world.close());
  world.options.memory_bytes = 4 * kMinMemoryBytes;
  world.open();
  for (int i = 0; i < 1000; ++i)
    world.put(key(i), value(i));
  ASSERT_TRUE(world.close());
  world.options.warm_bytes_per_s = 1;  // it takes for ever
  world.open();
  EXPECT_LT(hot_entries(), 600U);
  wait_for_a_save();
  EXPECT_TRUE(world.store->stats().warming);
  ASSERT_TRUE(world.close());
  ASSERT_TRUE(named());
  EXPECT_EQ(named()->size(), 1000U);
}

TEST_F(HotSets, WhatIsChangedMeanwhileIsNotOverwritten) {
  ASSERT_TRUE(world.close());
  world.options.memory_bytes = 4 * kMinMemoryBytes;
  world.open();
  for (int i = 0; i < 1000; ++i)
    world.put(key(i), value(i));
  ASSERT_TRUE(world.close());
  world.options.warm_bytes_per_s = kMiB;
  world.open();
  ASSERT_TRUE(world.store->stats().warming);
  // All has been looked up, and half of it is still to be read.
  for (int i = 0; i < 1000; i += 2)
    i % 4 == 0 ? static_cast<void>(world.put(key(i), "another"))
               : static_cast<void>(world.erase(key(i)));
  world.let_pass(seconds(10));
  ASSERT_FALSE(world.store->stats().warming);
  for (int i = 0; i < 1000; ++i) {
    const auto seen = world.get(key(i));
    EXPECT_EQ(seen, i % 2 == 1   ? std::optional(value(i))
                    : i % 4 == 0 ? std::optional<std::string>("another")
                                 : std::nullopt)
        << i;
  }
}

TEST_F(HotSets, KeepsToItsBudget) {
  ASSERT_TRUE(world.close());
  world.options.memory_bytes = 4 * kMinMemoryBytes;
  world.open();
  for (int i = 0; i < 1000; ++i)
    world.put(key(i), value(i));
  ASSERT_TRUE(world.close());
  world.options.warm_bytes_per_s = kMiB;
  world.open();
  world.advance(200);
  EXPECT_LT(hot_entries(), 600U);  // one batch
  EXPECT_TRUE(world.store->stats().warming);
  world.let_pass(seconds(10));
  EXPECT_FALSE(world.store->stats().warming);
  EXPECT_EQ(world.store->stats().warm.entries_warmed, 1000U);
}

/// An index that counts for how many keys it is asked together.
class CountingIndex final : public sim::ForwardingIndex {
 public:
  CountingIndex(std::unique_ptr<Index> index, std::size_t* keys)
      : ForwardingIndex(std::move(index)), keys_(keys) {}
  void find_many(std::span<const RowKey> keys, std::span<Lookup> found) const override {
    *keys_ += keys.size();
    ForwardingIndex::find_many(keys, found);
  }

 private:
  std::size_t* const keys_;
};

class HotPlaces : public HotSets {
 protected:
  /// Of how many the next start asks the index to refill the hot tier.
  std::size_t looked_up_by_a_start() {
    world.options.warm_bytes_per_s = 0;
    const std::size_t by_replay = looked_up_by_any_start();
    world.options.warm_bytes_per_s = Options().warm_bytes_per_s;
    return looked_up_by_any_start() - by_replay;
  }
  std::size_t looked_up_by_any_start() {
    std::size_t keys = 0;
    world.index_factory = [&](const IndexRequest& setup) -> Result<std::unique_ptr<Index>> {
      auto index = world.index->begin()(setup);
      if (!index) return index.error();
      return std::unique_ptr<Index>(std::make_unique<CountingIndex>(std::move(*index), &keys));
    };
    world.kill();
    EXPECT_FALSE(world.store->stats().warming);
    world.index_factory = nullptr;
    return keys;
  }
  void expire(int i, std::int64_t expires_at_ms) {
    ExpiryChange change;
    change.expires_at_ms = expires_at_ms;
    EXPECT_EQ(world.expire(key(i), change), ExpiryOutcome::kChanged);
  }
  std::size_t places() {
    const auto items = named();
    return items ? static_cast<std::size_t>(std::ranges::count_if(
                       *items, [](const auto& item) { return item.place.segment != 0; }))
                 : 0;
  }
};

TEST_F(HotPlaces, SpareTheIndex) {
  fill();
  wait_for_a_save();
  ASSERT_EQ(places(), 20U);
  EXPECT_EQ(looked_up_by_a_start(), 0U);
  EXPECT_EQ(hot_entries(), 20U);
  wait_for_a_save();
  ASSERT_EQ(places(), 20U) << "of what was read from there, too";
  EXPECT_EQ(looked_up_by_a_start(), 0U);
  EXPECT_EQ(hits_from_hot(kEntries), 20U);
}

TEST_F(HotPlaces, AreNotTrustedWhereTheLogIsNewer) {
  fill();
  wait_for_a_save();
  ASSERT_EQ(places(), 20U);
  world.put(key(2), "another");
  world.erase(key(3));
  world.put("beside", "value");
  EXPECT_EQ(looked_up_by_a_start(), 2U);
  EXPECT_EQ(world.get(key(2)), "another");
  EXPECT_FALSE(world.get(key(3)));
  EXPECT_EQ(hot_entries(), 19U);
}

TEST_F(HotPlaces, AreNotTrustedWhereAnExpiryWasChanged) {
  PutOptions brief;
  brief.expires_at_ms = world.store->now_ms() + 1'000'000;
  for (int i = 0; i < 4; ++i)
    world.put(key(i), value(i), brief);
  expire(0, world.store->now_ms() + 2'000'000);
  wait_for_a_save();
  ASSERT_EQ(named()->size(), 4U);
  EXPECT_EQ(places(), 3U);
  expire(1, world.store->now_ms() + 100'000);
  expire(2, 0);
  EXPECT_EQ(looked_up_by_a_start(), 3U);
  EXPECT_EQ(hot_entries(), 4U);
  world.advance(200'000);
  EXPECT_FALSE(world.get(key(1)));
  world.advance(1'000'000);
  EXPECT_FALSE(world.get(key(3)));
  EXPECT_TRUE(world.get(key(0)));
  EXPECT_TRUE(world.get(key(2)));
}

TEST_F(HotPlaces, AreNotNotedOfWhatAPowerCutMayTake) {
  ASSERT_TRUE(world.close());
  world.options.durability = Durability::kRelaxed;
  world.open();
  world.put("durable", value(1));
  ASSERT_TRUE(world.close());
  world.open();
  ASSERT_TRUE(world.get("durable"));
  world.let_pass(kInterval - seconds(1));
  const std::uint64_t saves = world.store->stats().hot_saves;
  while (world.store->stats().hot_saves == saves) {
    fill();
    world.advance(100);
  }
  ASSERT_EQ(named()->size(), 21U);
  EXPECT_EQ(places(), 1U);
}

TEST_F(HotPlaces, AreUnknownToManifestsOfEarlierBuilds) {
  fill();
  ASSERT_TRUE(world.close());
  const auto items = named().value();
  std::vector<std::byte> bytes = manifest();
  const auto store_id = format::load<format::StoreId>(bytes.data() + 16);
  bytes.resize(format::kHotManifestHeaderBytes);
  std::fill(bytes.begin() + 40, bytes.end(), std::byte{0});
  format::seal_structure(bytes, 0);
  for (std::uint32_t index = 0; index < 2; ++index) {
    const std::size_t count = index == 0 ? items.size() : 0;
    const std::vector<std::byte> block =
        format::encode_hot_block(store_id, index, std::span(items).first(count));
    std::vector<std::byte> old(block.begin(), block.begin() + format::kHotBlockHeaderBytes);
    for (std::size_t i = 0; i < count; ++i) {
      const auto item = block.begin() + static_cast<std::ptrdiff_t>(format::kHotBlockHeaderBytes +
                                                                    i * format::kHotItemBytes);
      old.insert(old.end(), item, item + format::kPlacelessHotItemBytes);
    }
    format::store(old.data(),
                  format::checksum(std::span(old).subspan(8), format::checksum(store_id, index)));
    bytes.insert(bytes.end(), old.begin(), old.end());
  }
  const auto file = world.storage.open(kManifest, io::OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->truncate(0));
  iovec part{bytes.data(), bytes.size()};
  ASSERT_TRUE(file->write_at(0, std::span(&part, 1)));
  EXPECT_EQ(looked_up_by_a_start(), 20U);
  EXPECT_EQ(hits_from_hot(kEntries), 20U);
}

TEST_F(HotSets, AFullDiskCostsTheManifestOnly) {
  fill();
  wait_for_a_save();
  io::Fault fault;
  fault.op = io::FaultOp::kWrite;
  fault.error_number = ENOSPC;
  fault.path_contains = "hot/";
  fault.times = 1000;
  world.device.inject(fault);
  wait_for_a_save();
  EXPECT_GE(world.store->stats().hot_saves_failed, 1U);
  EXPECT_FALSE(named()) << "it would know of what has died since";
  world.device.clear();
  wait_for_a_save();
  ASSERT_TRUE(named());
  EXPECT_EQ(named()->size(), 20U);
}

TEST(HotManifests, AreRefusedWhenTheyAreNone) {
  const format::StoreId id{std::byte{1}};
  const format::StoreId other{std::byte{2}};
  const auto head = format::encode_hot_manifest_header(id, {77, 5});
  EXPECT_EQ(format::decode_hot_manifest_header(head, id).value(),
            (format::HotManifestHeader{77, 5, format::kHotItemBytes}));
  EXPECT_EQ(format::decode_hot_manifest_header(head, other).error().code, ErrorCode::kForeign);
  EXPECT_FALSE(format::decode_hot_manifest_header(std::span(head).first(40), id));
  const std::vector<format::HotManifestItem> items{
      {{7, 3}, {{std::byte{9}}}, 0x82, {1, 4096, 300}}};
  const auto block = format::encode_hot_block(id, 5, items);
  const std::span<const std::byte> bytes(block);
  const auto header = format::decode_hot_block_header(bytes.first(16), 5);
  ASSERT_TRUE(header);
  EXPECT_EQ(format::decode_hot_items(id, *header, bytes.subspan(16)).value(), items);
  EXPECT_FALSE(format::decode_hot_items(other, *header, bytes.subspan(16)));
  EXPECT_FALSE(format::decode_hot_items(id, *header, bytes.subspan(17)));
  EXPECT_FALSE(format::decode_hot_block_header(bytes.first(16), 6)) << "in another's place";
}

}  // namespace
}  // namespace kachel
