// Dictionaries in a store: what they serve, what they hold, and when they go.
#include <boost/json.hpp>

#include "engine/audit/receipt.h"
#include "engine/format/segment_dictionary.h"
#include "engine/segment.h"
#include "store_world.h"

namespace kachel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kSamples = 40;
constexpr std::uint64_t kIdOffset = 72;  // in the segment's header

class Dictionaries : public testing::Test {
 protected:
  Dictionaries() : world(quick_options()) {}

  static Options quick_options() {
    Options options = StoreWorld::small_options();
    options.erase_within = seconds(60);
    options.warm_bytes_per_s = 0;  // or a start has something to train on
    options.dictionaries.max_bytes = 2048;
    options.dictionaries.min_samples = kSamples / 2;
    options.dictionaries.look_every = milliseconds(500);
    options.dictionaries.least_erase_within = seconds(60);
    return options;
  }
  static std::string key(int i) { return "key " + std::to_string(i); }
  /// Like what the others are like, and with a phrase that all of `about` share.
  static std::string value(int i, const std::string& about = "") {
    return "{\"answer\": \"" + about + some_text(static_cast<std::uint64_t>(i), 400) + "\"}";
  }
  void put(int i, const std::string& about = "", const std::string& subject = "",
           std::int64_t expires_at_ms = 0) {
    PutOptions options;
    if (!subject.empty()) options.metadata.subjects.emplace_back(subject);
    options.expires_at_ms = expires_at_ms;
    values[i] = value(i, about);
    ASSERT_EQ(world.put(key(i), values[i], options), PutOutcome::kStored);
  }
  /// Until there is one, and its first segment is open.
  void train() {
    for (int i = 0; i < kSamples; ++i)
      put(i);
    wait_for_one();
  }
  void wait_for_one() {
    for (int i = 0; i < 60 && world.store->stats().dictionaries == 0; ++i)
      world.advance(500);
    ASSERT_EQ(world.store->stats().dictionaries, 1u);
    world.advance(1000);
  }
  void let_deadlines_pass() { world.let_pass(seconds(80)); }
  /// Values that the dictionary is for.
  void put_more(const std::string& subject = "") {
    for (int i = 100; i < 100 + kSamples; ++i)
      put(i, "", subject);
  }
  void expect_all() {
    for (const auto& [i, text] : values)
      EXPECT_EQ(world.get(key(i)), text) << i;
  }
  std::string state(const ReceiptId& id) {
    const auto text = world.receipt(id);
    return text ? audit::parse_receipt(*text)->state : "none";
  }
  /// Paths of the segments with a dictionary.
  std::vector<std::string> segments_with_one() {
    std::vector<std::string> paths;
    for (const std::string& name : world.storage.list("segments").value()) {
      std::string path = "segments/" + name;
      if (copy_bytes_in(path) != 0) paths.push_back(std::move(path));
    }
    return paths;
  }
  std::size_t copy_bytes_in(const std::string& path) {
    const auto file = world.storage.open(path, io::OpenMode::kRead).value();
    std::vector<std::byte> bytes(format::kSegmentHeaderBytes);
    const auto got = file->read_at(format::kSegmentHeaderBytes, bytes);
    return got && *got == bytes.size() ? format::peek_copy_bytes(bytes) : 0;
  }
  std::uint64_t id_in(const std::string& path) {
    const auto file = world.storage.open(path, io::OpenMode::kRead).value();
    std::uint64_t id = 0;
    EXPECT_TRUE(file->read_at(kIdOffset, std::as_writable_bytes(std::span(&id, 1))));
    return id;
  }
  void flip(const std::string& path, std::uint64_t at) {
    const auto file = world.storage.open(path, io::OpenMode::kReadWrite).value();
    std::byte byte{};
    ASSERT_TRUE(file->read_at(at, {&byte, 1}));
    byte ^= std::byte{16};
    iovec part{&byte, 1};
    ASSERT_TRUE(file->write_at(at, {&part, 1}));
  }

  StoreWorld world;
  std::map<int, std::string> values;
};

TEST_F(Dictionaries, MakeNewValuesSmaller) {
  train();
  const std::uint64_t before = world.store->stats().stored_bytes;
  put_more();
  const std::uint64_t with_one = world.store->stats().stored_bytes - before;
  EXPECT_LT(with_one, before * 9 / 10);
  EXPECT_EQ(segments_with_one().size(), 1u);
  world.kill();
  expect_all();
  EXPECT_EQ(world.store->stats().damaged_reads, 0u);
  ASSERT_TRUE(world.close());
  world.power_cut();
  expect_all();
  world.lose_index();
  world.kill();
  expect_all();
}

TEST_F(Dictionaries, ServeOnAfterARestart) {
  train();
  put(100);
  world.kill();
  world.advance(2000);
  EXPECT_EQ(world.store->stats().dictionaries_trained, 0u);
  const std::uint64_t before = world.store->stats().stored_bytes;
  put(101);
  const std::uint64_t with_one = world.store->stats().stored_bytes - before;
  EXPECT_LT(with_one, 300u);
  world.advance(1000);
  EXPECT_EQ(segments_with_one().size(), 2u);
  EXPECT_EQ(world.store->stats().dictionaries, 1u) << "the same in both";
  expect_all();
}

TEST_F(Dictionaries, GoWhenWhatTheyWereTrainedOnIsOverwritten) {
  train();
  put_more();
  const std::uint64_t id = id_in(segments_with_one().at(0));
  put(7);
  world.advance(1000);
  put(200);
  let_deadlines_pass();
  EXPECT_TRUE(world.alarms.empty());
  EXPECT_EQ(world.store->stats().overdue_segments, 0u);
  EXPECT_GT(world.store->stats().reencoded_entries, 0u);
  for (const std::string& path : segments_with_one())
    EXPECT_NE(id_in(path), id) << path;
  expect_all();
  world.kill();
  expect_all();
}

TEST_F(Dictionaries, GoWhenWhatTheyWereTrainedOnIsEvicted) {
  train();
  put(100);
  ASSERT_TRUE(world.close());  // so that no segment with samples is open
  world.open();
  world.advance(2000);
  put_more();
  ASSERT_EQ(segments_with_one().size(), 2u);
  const std::uint64_t id = id_in(segments_with_one().at(0));
  for (int i = 0; world.store->stats().evicted_segments < 20; ++i) {
    ASSERT_LT(i, 10'000) << "nothing is evicted";
    world.put("filler " + std::to_string(i), noise(static_cast<std::uint64_t>(i), 16'000));
  }
  values.clear();
  put(300);
  let_deadlines_pass();
  EXPECT_TRUE(world.alarms.empty());
  for (const std::string& path : segments_with_one())
    EXPECT_NE(id_in(path), id) << path;
  expect_all();
}

TEST_F(Dictionaries, GoAlongWithWhatReclaimMoves) {
  train();
  put_more();
  const std::vector<std::string> before = segments_with_one();
  ASSERT_EQ(before.size(), 1u);
  ASSERT_EQ(world.erase(key(100)), EraseOutcome::kErased);  // none of the samples
  values.erase(100);
  let_deadlines_pass();
  EXPECT_FALSE(world.storage.exists(before[0]).value());
  EXPECT_FALSE(segments_with_one().empty());
  world.kill();
  expect_all();
  EXPECT_EQ(world.store->stats().damaged_reads, 0u);
}

TEST_F(Dictionaries, ServeForAWhileAndAreThenTrainedAnew) {
  train();
  put_more();
  const std::uint64_t first = id_in(segments_with_one().at(0));
  world.let_pass(seconds(25));
  EXPECT_EQ(world.store->stats().dictionaries_trained, 1u);
  world.let_pass(seconds(10));
  EXPECT_EQ(world.store->stats().dictionaries_trained, 2u);
  put(300);
  world.advance(1000);
  const std::vector<std::string> segments = segments_with_one();
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(id_in(segments[0]), first);
  EXPECT_NE(id_in(segments[1]), first);
  world.kill();
  expect_all();
}

TEST_F(Dictionaries, AreTrainedOnWhatIsYoung) {
  world.drop();
  world.options.dictionaries.max_samples = kSamples / 2;
  world.open();
  train();
  put_more();
  for (int i = 0; i < kSamples / 2; ++i)
    put(i);
  world.let_pass(seconds(5));
  EXPECT_EQ(world.store->stats().dictionaries_trained, 1u) << "none of its samples was among them";
  put(kSamples - 1);
  world.let_pass(seconds(5));
  EXPECT_EQ(world.store->stats().dictionaries_trained, 2u);
}

TEST_F(Dictionaries, ServeNothingNewOnceAllIsErased) {
  train();
  put_more();
  const std::uint64_t id = id_in(segments_with_one().at(0));
  ASSERT_TRUE(world.erase_all());
  values.clear();
  // What lives for ever is not compressed with what has to go.
  const std::uint64_t before = world.store->stats().stored_bytes;
  put(300);
  const std::uint64_t stored = world.store->stats().stored_bytes - before;
  EXPECT_GT(stored, 150u) << "smaller than zstd makes it by itself";
  let_deadlines_pass();
  for (const std::string& path : segments_with_one())
    EXPECT_NE(id_in(path), id) << path;
  EXPECT_EQ(world.store->stats().reencoded_entries, 0u) << "there was nothing to be moved";
  expect_all();
}

TEST_F(Dictionaries, AnEraseIsReclaimedWhenNoDictionaryHoldsAnythingOfIt) {
  const std::string phrase = "the canary of alice sings in the coal mine at dawn ";
  for (int i = 0; i < kSamples; ++i)
    put(i, i % 2 == 0 ? phrase : "", i % 2 == 0 ? "alice" : "bob");
  wait_for_one();
  put_more("bob");
  ASSERT_TRUE(world.is_on_disk(phrase)) << "the dictionary has not learnt it";
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("alice"));
  world.advance(1000);
  EXPECT_EQ(state(id), "swept");
  for (int i = 0; i < kSamples; i += 2)
    values.erase(i);
  let_deadlines_pass();
  EXPECT_EQ(state(id), "reclaimed");
  EXPECT_FALSE(world.is_on_disk(phrase));
  EXPECT_TRUE(world.alarms.empty());
  expect_all();
}

TEST_F(Dictionaries, AreNotHeldToBeOfAnErasedSubjectForWhatIsSaidOfItLater) {
  for (int i = 0; i < kSamples / 2; ++i)
    put(i, "", i == 0 ? "alice" : "bob");
  const ReceiptId id = world.erase_for_good(StoreWorld::erase_of("alice"));
  values.erase(0);
  for (int i = kSamples / 2; i < kSamples + 2; ++i)
    put(i, "", "alice");
  wait_for_one();
  put_more("bob");
  let_deadlines_pass();
  EXPECT_EQ(state(id), "reclaimed");
  EXPECT_TRUE(world.alarms.empty());
  EXPECT_FALSE(segments_with_one().empty()) << "it had no need to go";
  expect_all();
}

TEST_F(Dictionaries, AnEraseByKeyWaitsForThemToo) {
  train();
  put_more();
  ASSERT_TRUE(world.close());
  world.open();
  EraseRequest request = StoreWorld::erase_of(key(3), EraseKind::kKeys);
  const ReceiptId id = world.erase_for_good(request);
  values.erase(3);
  let_deadlines_pass();
  EXPECT_EQ(state(id), "reclaimed");
  EXPECT_TRUE(segments_with_one().empty());
  expect_all();
}

TEST_F(Dictionaries, AreDueThoughTheIndexWasLostSinceASampleDied) {
  train();
  put_more();
  ASSERT_EQ(world.erase(key(5)), EraseOutcome::kErased);
  values.erase(5);
  world.kill();
  world.lose_index();
  world.kill();
  let_deadlines_pass();
  EXPECT_TRUE(segments_with_one().empty());
  expect_all();
}

TEST_F(Dictionaries, DoNotOutliveTheirDeadlineForARestart) {
  train();
  put_more();
  const std::uint64_t id = id_in(segments_with_one().at(0));
  put(7);
  world.let_pass(seconds(40));
  ASSERT_TRUE(world.close());
  world.clock.advance_ms(15'000);
  // So that reclaim comes to the segment before it is known that a sample has died: where its older
  // value lay is gone.
  for (const std::string& name : world.storage.list("segments").value()) {
    const std::string path = "segments/" + name;
    if (copy_bytes_in(path) == 0) world.storage.remove(path).value();
  }
  std::erase_if(values, [](const auto& item) { return item.first < 100; });
  world.options.dictionaries.look_every = seconds(5);
  world.open();
  world.let_pass(seconds(10));
  for (const std::string& path : segments_with_one())
    EXPECT_NE(id_in(path), id) << path;
  expect_all();
}

TEST_F(Dictionaries, AreThereTwice) {
  train();
  put_more();
  ASSERT_TRUE(world.close());
  const std::vector<std::string> with_one = segments_with_one();
  ASSERT_EQ(with_one.size(), 1u);
  flip(with_one[0], format::kSegmentHeaderBytes + 200);
  world.open();
  expect_all();
  EXPECT_EQ(world.store->stats().start.damaged_records, 0u);
  ASSERT_TRUE(world.close());
  flip(with_one[0], format::kSegmentHeaderBytes + copy_bytes_in(with_one[0]) + 200);
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_records, 1u);
  for (int i = 0; i < kSamples; ++i)
    EXPECT_EQ(world.get(key(i)), values[i]) << "what was stored without it is there";
  for (int i = 100; i < 100 + kSamples; ++i)
    EXPECT_FALSE(world.get(key(i)));
  put(100);
  EXPECT_EQ(world.get(key(100)), values[100]);
}

TEST_F(Dictionaries, AreFoundWhenTheHeaderIsLost) {
  train();
  put_more();
  ASSERT_TRUE(world.close());
  flip(segments_with_one().at(0), 300);
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_segments, 1u);
  expect_all();
  ASSERT_TRUE(world.close());
  world.lose_index();
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_segments, 0u) << "mended";
  expect_all();
}

/// Of each write and each evicted file some sectors are lost.
class LosesSectors final : public io::CrashOutcome {
 public:
  LosesSectors(std::uint64_t first, std::uint64_t end) : first_(first), end_(end) {}
  void keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) override {
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] = first_sector + i < first_ || first_sector + i >= end_;
  }
  bool keep_size() override { return true; }
  bool keep_entry() override { return true; }

 private:
  const std::uint64_t first_;
  const std::uint64_t end_;
};

constexpr std::uint64_t kHeaderSectors = format::kSegmentHeaderBytes / io::kSectorBytes;

TEST_F(Dictionaries, ThatAPowerCutTookAreNotMissedLater) {
  train();
  const std::string raw = noise(1, 300);  // has no need of it, and lies behind it
  world.put("raw", raw);
  const std::vector<std::string> with_one = segments_with_one();
  ASSERT_EQ(with_one.size(), 1u);
  const std::uint64_t copies = 2 * copy_bytes_in(with_one[0]) / io::kSectorBytes;
  LosesSectors torn(kHeaderSectors, kHeaderSectors + copies);
  world.drop();
  world.storage.crash(torn);
  world.boot_id[0] = '2';
  world.open();
  EXPECT_EQ(world.get("raw"), raw);
  for (const bool index_lost : {false, true}) {
    EXPECT_EQ(world.store->stats().start.damaged_records, 0u);
    if (index_lost) world.lose_index();
    world.kill();
    EXPECT_EQ(world.get("raw"), raw);
  }
  EXPECT_EQ(world.store->stats().start.damaged_records, 0u);
  expect_all();
}

TEST_F(Dictionaries, ThatAreDamagedBeforeTheirSegmentIsSealedAreMissed) {
  train();
  put_more();
  world.advance(2000);
  const std::vector<std::string> with_one = segments_with_one();
  ASSERT_EQ(with_one.size(), 1u);
  world.drop();
  const std::size_t copy = copy_bytes_in(with_one[0]);
  for (std::uint64_t i = 0; i < format::kDictionaryCopies; ++i)
    flip(with_one[0], format::kSegmentHeaderBytes + i * copy + 200);
  world.open();
  EXPECT_EQ(world.store->stats().start.damaged_records, 1u);
  EXPECT_GT(world.store->stats().start.damaged_bytes, 0u);
  EXPECT_FALSE(world.get(key(100)));
  EXPECT_EQ(world.get(key(1)), values[1]);
}

// A start finds a dictionary in the page cache only, and the header not even there.
TEST_F(Dictionaries, AreDurableBeforeAStartReliesOnThem) {
  train();
  put_more();
  for (std::uint64_t fails_at = 0; fails_at < 8; ++fails_at) {
    world.kill();
    world.advance(2000);
    world.device.inject({.op = io::FaultOp::kSync, .path_contains = "segments", .times = 0});
    for (int i = 100; i < 103; ++i)
      world.worker->put({}, key(i), values[i], {}, [](Result<PutOutcome>) {});
    // Elsewhere, and later.
    world.worker->erase({}, key(100), {}, [](Result<EraseOutcome>) {});
    world.advance(2000);
    ASSERT_FALSE(world.store->stats().writable);
    world.drop();
    world.device.clear();
    LosesSectors evicted(0, kHeaderSectors);
    world.storage.evict(evicted);
    world.device.inject(
        {.op = io::FaultOp::kWrite, .path_contains = segments_with_one().back(), .skip = fails_at});
    if (world.try_open()) world.drop();
    world.device.clear();
    world.power_cut();
    EXPECT_EQ(world.store->stats().start.damaged_records, 0u) << fails_at;
    EXPECT_EQ(world.store->stats().start.damaged_segments, 0u) << fails_at;
  }
  values.erase(100);
  expect_all();
}

TEST_F(Dictionaries, GoThoughAHoldKeepsWhatIsBesideThem) {
  for (int i = 0; i < kSamples; ++i)
    put(i, "", "alice");
  wait_for_one();
  put_more("bob");
  world.hold("bob");
  const ReceiptId of_bob = world.erase_for_good(StoreWorld::erase_of("bob"));
  const ReceiptId of_alice = world.erase_for_good(StoreWorld::erase_of("alice"));
  values.clear();
  let_deadlines_pass();
  EXPECT_EQ(state(of_alice), "reclaimed");
  EXPECT_EQ(state(of_bob), "blocked_by_hold");
  EXPECT_TRUE(segments_with_one().empty());
  EXPECT_GE(world.store->stats().held_bytes, kSamples * 100u);
}

TEST_F(Dictionaries, ServeValuesThatDieBeforeThem) {
  const std::int64_t now_ms = world.clock.wall_ms();
  for (int i = 0; i < kSamples; ++i)
    put(i, "", "", now_ms + 3'600'000);
  for (int i = 0; i < 20; ++i)
    world.advance(500);
  EXPECT_EQ(world.store->stats().dictionaries_trained, 0u)
      << "it would have to go before those that come after";
  world.store->set_erase_within(std::chrono::hours(24)).value();
  for (int i = 0; i < 60; ++i)
    world.advance(500);
  ASSERT_EQ(world.store->stats().dictionaries, 1u);
  put(100, "", "", world.clock.wall_ms() + 3'600'000);
  put(101);
  EXPECT_EQ(segments_with_one().size(), 1u) << "the second one lives too long for it";
  expect_all();
}

TEST_F(Dictionaries, ServeNobodyWhoseDeadMustBeGoneSoon) {
  train();
  const std::size_t segments = segments_with_one().size();
  world.store->set_erase_within(seconds(59)).value();
  world.advance(1000);
  put_more();
  EXPECT_EQ(segments_with_one().size(), segments) << "the one there was still serves";
  world.let_pass(seconds(70));
  EXPECT_EQ(world.store->stats().dictionaries_trained, 1u);
  expect_all();
  world.store->set_erase_within(seconds(60)).value();
  world.advance(5000);
  EXPECT_EQ(world.store->stats().dictionaries_trained, 2u);
}

TEST_F(Dictionaries, CanBeSwitchedOff) {
  world.drop();
  world.options.dictionaries.enabled = false;
  world.open();
  for (int i = 0; i < kSamples; ++i)
    put(i);
  for (int i = 0; i < 60; ++i)
    world.advance(500);
  EXPECT_EQ(world.store->stats().dictionaries_trained, 0u);
}

}  // namespace
}  // namespace kachel
