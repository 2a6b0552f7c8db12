// Small stores as they lie on a disk: made once by a real store, then damaged and opened again.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/memory_index.h"
#include "engine/store.h"
#include "io/clock.h"
#include "io/manual_loop.h"
#include "io/memory_storage.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {

using Key = std::pair<Namespace, std::string>;

struct StoreImage {
  std::map<std::string, Bytes> files;  // by path
  MemoryIndexImage index;              // as of its last flush
  std::string boot_id;
  std::int64_t wall_ms = 0;
  Durability durability = Durability::kGroup;
  std::map<Key, std::string> now;            // what it held when it was left
  std::map<Key, std::set<std::string>> put;  // what was ever put
};

/// How the store was left.
enum class Ending : std::uint8_t { kClosed, kKilled, kKilledRelaxed };
inline constexpr std::size_t kEndings = 3;
/// Made on the first call.
const StoreImage& store_image(Ending ending);

/// A store on simulated storage, clock and loop, on the caller's thread.
class FuzzWorld {
 public:
  explicit FuzzWorld(const StoreImage& image);
  ~FuzzWorld() { drop(); }
  FuzzWorld(const FuzzWorld&) = delete;
  FuzzWorld& operator=(const FuzzWorld&) = delete;

  Result<void> open();
  /// As kill -9.
  void drop();
  Result<void> close();
  void advance(std::int64_t ms) { loop_->advance_ms(ms); }

  Result<PutOutcome> put(const Key& key, std::string_view value, std::int64_t lifetime_ms = 0);
  Result<std::optional<std::string>> get(const Key& key);
  Result<EraseOutcome> erase(const Key& key);
  Result<ExpiryOutcome> expire(const Key& key, std::int64_t at_ms);
  Result<void> erase_all(Namespace space);
  Result<ScanPage> scan(Namespace space, std::uint64_t cursor);
  const Store& store() const { return *store_; }

  /// Files, index and clock as they are, into `image`.
  void save(StoreImage& image);

 private:
  template <typename T, typename Begin>
  Result<T> wait(Begin begin);

  Options options_;
  io::MemoryStorage storage_;
  io::ManualClock clock_;
  io::SeededRandom random_{7};
  std::string boot_id_;
  std::shared_ptr<MemoryIndexImage> index_;
  std::unique_ptr<io::ManualLoop> loop_;
  std::unique_ptr<io::InlinePool> pool_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace kachel::fuzz
