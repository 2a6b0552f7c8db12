// The store as an embedding program has it: a real directory, RocksDB, io_uring, threads.
#include <array>
#include <filesystem>
#include <gtest/gtest.h>
#include <thread>

#include "engine/audit/audit_log.h"
#include "engine/identity.h"
#include "engine/kachel.h"
#include "index_bytes.h"
#include "io/posix_storage.h"
#include "store_world.h"

namespace kachel {
namespace {

class LocalStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "kachel-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<LocalStore> open() {
    auto opened = LocalStore::open(directory_ / "data", StoreWorld::small_options());
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }

  std::filesystem::path directory_;
};

std::string value_of(LocalStore& store, const std::string& key) {
  auto found = store.get(key);
  if (!found) return "error: " + found.error().message;
  if (!*found) return "nothing";
  return std::string((*found)->entry->value());
}

TEST_F(LocalStoreTest, KeepsEntriesAcrossAClose) {
  {
    const auto store = open();
    for (int i = 0; i < 500; ++i) {
      ASSERT_EQ(store->put("k" + std::to_string(i), some_text(static_cast<std::uint64_t>(i), 1000))
                    .value(),
                PutOutcome::kStored);
    }
    EXPECT_EQ(store->erase("k7").value(), EraseOutcome::kErased);
    EXPECT_TRUE(store->close());
  }
  const auto store = open();
  EXPECT_EQ(store->store().count({}), 499u);
  EXPECT_EQ(value_of(*store, "k7"), "nothing");
  EXPECT_EQ(value_of(*store, "k8"), some_text(8, 1000));
  EXPECT_TRUE(store->store().stats().start.clean);
  EXPECT_EQ(store->store().stats().start.replayed_records, 0u);
}

/// Who has them could find keys in the index, or write another audit log.
TEST_F(LocalStoreTest, KeysAreTheirOwnersAlone) {
  const auto storage = io::open_posix_storage(directory_, {}).value();
  io::SystemClock clock;
  io::SystemRandom random;
  ASSERT_TRUE(Identity::open(*storage, clock, random, true));
  ASSERT_TRUE(audit::AuditLog::open(*storage, "kachel/test", random));
  for (const char* path : {"key", "audit/signing.key"}) {
    EXPECT_EQ(std::filesystem::status(directory_ / path).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << path;
  }
}

/// The log's loop outlives the store: nothing of the store may be left with it.
TEST(StoreClose, LeavesNothingWithTheLoop) {
  StoreWorld world;
  world.put("k", "v");
  std::optional<Result<void>> closed;
  world.worker.reset();
  world.store->close_async([&](Result<void> result) { closed = std::move(result); });
  for (int i = 0; i < 100 && !closed; ++i)
    world.advance(10);
  ASSERT_TRUE(closed && *closed);
  world.store.reset();
  world.advance(10'000);  // timers that were left would run now
}

TEST_F(LocalStoreTest, RebuildsADeletedIndex) {
  {
    const auto store = open();
    for (int i = 0; i < 500; ++i)
      (void)store->put("k" + std::to_string(i), std::to_string(i));
    (void)store->erase("k7");
  }
  std::filesystem::remove_all(directory_ / "data" / "index");
  const auto store = open();
  EXPECT_TRUE(store->store().stats().start.index_rebuilt);
  EXPECT_EQ(store->store().count({}), 499u);
  EXPECT_EQ(value_of(*store, "k7"), "nothing");
  EXPECT_EQ(value_of(*store, "k8"), "8");
}

TEST_F(LocalStoreTest, RefusesADirectoryInUseAndOneThatIsNoStore) {
  const auto store = open();
  auto second = LocalStore::open(directory_ / "data", StoreWorld::small_options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);

  std::filesystem::create_directory(directory_ / "foreign");
  std::filesystem::create_directory(directory_ / "foreign" / "photos");
  auto foreign = LocalStore::open(directory_ / "foreign", StoreWorld::small_options());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::kForeign);

  Options existing = StoreWorld::small_options();
  existing.create_if_missing = false;
  auto missing = LocalStore::open(directory_ / "missing", existing);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

/// With threads, on a real disk.
TEST_F(LocalStoreTest, RowsOfTheDeadLeaveTheIndexsFiles) {
  Options options = StoreWorld::small_options();
  options.erase_within = kMinEraseWithin;
  {
    const auto store = LocalStore::open(directory_ / "data", options).value();
    for (int i = 0; i < 500; ++i)
      (void)store->put("k" + std::to_string(i), std::to_string(i));
    ASSERT_TRUE(store->close());
  }
  {
    const auto store = LocalStore::open(directory_ / "data", options).value();
    for (int i = 0; i < 500; i += 5)
      (void)store->erase("k" + std::to_string(i));
    EXPECT_NE(store->store().stats().index_debt_deadline_ms, 0);
    while (store->store().stats().index_debt_deadline_ms != 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_GE(store->store().stats().index_compactions, 1u);
    EXPECT_GT(store->store().stats().index_compaction_bytes, 0u);
  }
  const auto storage = io::open_posix_storage(directory_ / "data", {}).value();
  io::SystemClock clock;
  io::SystemRandom random;
  const MacKey mac_key = Identity::open(*storage, clock, random, false).value()->mac_key();
  const std::string bytes = bytes_of_index(*storage);
  for (int i = 0; i < 500; ++i)
    EXPECT_EQ(holds_part_of(bytes, key_mac(mac_key, {}, "k" + std::to_string(i))), i % 5 != 0) << i;
}

/// Each thread owns its keys, so each knows what it must read, whatever the others do to the
/// log, the hot tier and the index meanwhile.
TEST_F(LocalStoreTest, ThreadsReadWhatTheyWrote) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 400;
  constexpr std::uint64_t kKeysEach = 20;
  std::array<std::map<std::string, std::string>, kThreads> expected;
  {
    const auto store = open();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        io::SeededRandom random(static_cast<std::uint64_t>(t) + 1);
        auto& mine = expected[static_cast<std::size_t>(t)];
        for (int round = 0; round < kRounds; ++round) {
          const std::string key =
              std::to_string(t) + ":" + std::to_string(random.next() % kKeysEach);
          const std::uint64_t choice = random.next() % 10;
          if (choice < 5) {
            mine[key] = some_text(random.next(), 2000);
            EXPECT_EQ(store->put(key, mine[key]).value(), PutOutcome::kStored);
          } else if (choice < 6) {
            EXPECT_EQ(store->erase(key).value(),
                      mine.erase(key) == 1 ? EraseOutcome::kErased : EraseOutcome::kAbsent);
          } else {
            EXPECT_EQ(value_of(*store, key), mine.contains(key) ? mine[key] : "nothing");
          }
        }
      });
    }
    for (std::thread& thread : threads)
      thread.join();
  }
  const auto store = open();
  for (const auto& mine : expected) {
    for (const auto& [key, value] : mine)
      EXPECT_EQ(value_of(*store, key), value);
  }
}

}  // namespace
}  // namespace kachel
