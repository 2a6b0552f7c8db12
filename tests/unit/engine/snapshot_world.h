// A store, snapshots of it, and stores that are made of them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "store_copy.h"
#include "store_world.h"

namespace kachel {

class SnapshotWorld : public testing::TestWithParam<StoreWorld::MakeHome> {
 protected:
  static Options options() {
    Options options = StoreWorld::small_options();
    options.erase_within = std::chrono::hours(1);
    return options;
  }
  static std::string key(int i) { return "k" + std::to_string(i); }
  static std::string value(int i) {
    return "value " + std::to_string(i) + noise(static_cast<std::uint64_t>(i) + 1, 2000);
  }

  void fill(int count) {
    for (int i = 0; i < count; ++i)
      world.put(key(i), value(i), about({"person " + std::to_string(i % 5)}));
  }
  Result<SnapshotInfo> snapshot(const std::string& name, std::chrono::milliseconds lifetime = {}) {
    std::optional<Result<SnapshotInfo>> made;
    world.store->copies().create_snapshot(
        name, lifetime, world.log_loop(),
        [&](Result<SnapshotInfo> done) { made = std::move(done); });
    world.settle([&] { return made.has_value(); });
    return made.value_or(Error{ErrorCode::kIo, "not answered"});
  }
  Result<void> remove(const std::string& name) {
    std::optional<Result<void>> removed;
    world.store->copies().remove_snapshot(name, world.log_loop(),
                                          [&](Result<void> done) { removed = std::move(done); });
    world.settle([&] { return removed.has_value(); });
    return removed.value_or(Result<void>(Error{ErrorCode::kIo, "not answered"}));
  }
  /// A store made of a snapshot, as `kachel restore` does it; `prepare` comes before its start.
  std::unique_ptr<StoreWorld> restore(const std::string& name,
                                      const std::function<void(StoreWorld&)>& prepare = {}) {
    auto copy = std::make_unique<StoreWorld>(options(), std::nullopt, GetParam());
    copy->drop();
    copy->lose_index();
    for (const std::string& old : copy->storage.list("").value()) {
      if (copy->storage.list(old)) {
        copy->storage.remove_tree(old).value();
      } else {
        copy->storage.remove(old).value();
      }
    }
    sim::copy_below(world.storage, "snapshots/" + name, copy->storage, "");
    copy->storage.remove("snapshot").value();
    copy->boot_id[5] = '7';
    copy->clock.set_wall_ms(world.clock.wall_ms());
    if (prepare) prepare(*copy);
    copy->open();
    return copy;
  }
  /// What the copy learns from the living; how many it erased.
  std::uint64_t catch_up(StoreWorld& copy, std::size_t page = 7) {
    const auto erased = sim::catch_up(world, copy, page);
    EXPECT_TRUE(erased);
    return erased ? *erased : 0;
  }

  StoreWorld world{options(), std::nullopt, GetParam()};
};

}  // namespace kachel
