// A whole store in a simulated world: disk, clock, threads and index are the simulator's, and
// everything happens on one thread, when told. A world can be copied at any moment, with what
// would be left on its disk, and the copy crashed.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "io/clock.h"
#include "io/manual_loop.h"
#include "io/memory_storage.h"
#include "tests/simulator/sim_index.h"

namespace kachel::sim {

/// A promise broken; the text says which.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class IndexKind : std::uint8_t {
  kMemory,   // SimIndex: the same seed gives the same run
  kRocksDb,  // the real one, its files on the world's disk; its threads have a say
};

struct Setup {
  Options options;
  IndexKind index = IndexKind::kMemory;
  std::uint64_t quota_bytes = 0;  // of the tenant; 0: none
  bool snapshots = false;         // are taken now and then
  bool hashes = false;            // the keys are fields of kHashes hashes instead of strings
  std::uint64_t device_bytes = std::uint64_t{1} << 40;
  std::uint64_t slow_io_percent = 0;
  std::uint64_t slow_io_max_ms = 0;

  /// Small segments, so that they fill, seal and go often; room for everything.
  static Options small_options(Durability durability);
};

/// What a get found; nothing: a miss.
struct Sighting {
  std::string value;
  std::int64_t expires_at_ms = 0;
  friend bool operator==(const Sighting&, const Sighting&) = default;
};

class StorageFileSystem;

class World {
 public:
  World(const Setup& setup, std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Another world with the same disk, as it is at this instant; its store is not open, and
  /// neither faults nor observers come along. Crash it, or open it as after a kill.
  std::unique_ptr<World> fork(std::uint64_t seed) const;

  Result<void> open();
  /// Ends the process without warning: what it had in memory is gone.
  void kill();
  /// After kill(): loses what `outcome` says; an index flush under way has happened or not.
  void cut_power(io::CrashOutcome& outcome);
  /// After kill(): what a failed sync has lost may leave the page cache, if the process knew of it.
  /// False when it has not.
  bool evict();
  bool knows_of_failed_sync() const;
  Result<void> close();
  void lose_index();
  /// Keeps what the index has on disk, for an operator to put back later.
  void back_up_index();
  /// False when there is no backup.
  bool restore_index();
  /// While RocksDB flushes, and only then, other threads than the world's change its disk and
  /// tell the observer of its storage.
  bool is_own_thread() const { return std::this_thread::get_id() == thread_; }
  bool is_flushing() const { return flushing_; }

  void run() { loop_->run_until_idle(); }
  io::Loop& log_loop() { return *loop_; }
  /// One step of the loop; false when there is nothing to do at this time.
  bool step() { return loop_->run_one(); }
  void advance(std::int64_t ms) { loop_->advance_ms(ms); }
  std::int64_t time_ms() const { return clock.monotonic_ns() / 1'000'000; }

  /// Waits for the answer, letting time pass if need be. Throws Violation when none comes.
  Result<std::optional<Sighting>> get(std::string_view key);
  Result<std::optional<std::string>> receipt(const ReceiptId& id);
  Result<std::vector<HoldInfo>> holds();
  /// Names of all keys, sorted.
  std::vector<std::string> scan();
  /// Of all hashes.
  std::vector<std::string> scan_hashes();
  bool has_hash(const std::string& name);
  static std::string key_name(std::size_t key) { return "key" + std::to_string(key); }
  /// The key of this name, as the store is asked for it in `space`.
  std::string key_text(std::size_t key) const { return key_text(key, setup.hashes); }
  static std::string key_text(std::size_t key, bool hashes);
  static constexpr std::size_t kHashes = 2;
  static std::string hash_name(std::size_t hash) { return "hash" + std::to_string(hash); }
  /// Where strings are, and where hashes are asked for.
  static constexpr Namespace strings() { return {}; }
  static constexpr Namespace space_of(bool hashes) {
    return hashes ? fields_of(strings()) : strings();
  }
  template <typename Condition>
  void settle(Condition done) {
    run();
    for (int i = 0; i < kPatience && !done(); ++i)
      advance(50);
    if (!done()) throw Violation("an operation never ended");
  }

  // Of 50 ms each: a stop is many syncs in a row, and a slow one takes seconds.
  static constexpr int kPatience = 4000;
  const Setup setup;
  io::ManualClock clock;
  std::unique_ptr<io::MemoryStorage> disk;
  std::unique_ptr<io::FaultyStorage> storage;                             // what the store sees
  std::shared_ptr<IndexDisk> index_disk = std::make_shared<IndexDisk>();  // shared with the index
  FaultCounts faults;
  SeededChoices choices;  // of the index and the crash
  Namespace space;        // of the keys
  std::unique_ptr<Store> store;
  std::unique_ptr<Worker> worker;

 private:
  using Files = std::map<std::string, std::vector<std::byte>>;  // by name
  struct IndexBackup {
    MemoryIndexImage rows;
    Files files;
  };

  IndexFactory index_factory();
  std::string boot_id() const;
  template <typename Page, typename Ask, typename Take>
  void list(Ask ask, Take take);

  io::SeededRandom random_;
  std::uint64_t boots_ = 1;  // of the host
  std::uint64_t seed_;
  std::optional<IndexBackup> index_backup_;
  std::thread::id thread_;  // that opened it
  std::atomic<bool> flushing_{false};
  std::shared_ptr<StorageFileSystem> files_;  // of RocksDB; shared with its files
  std::unique_ptr<io::ManualLoop> loop_;
  std::unique_ptr<io::InlinePool> pool_;
};

}  // namespace kachel::sim
