#include "tests/simulator/copy_check.h"

#include <optional>

#include "tests/simulator/store_copy.h"

namespace kachel::sim {
namespace {

void expect_nothing(World& copy, const CopyCheck& check, const std::string& when) {
  for (std::size_t key = 0; key < check.keys; ++key) {
    const auto found = copy.get(copy.key_text(key));
    if (found && *found) {
      throw Violation("a copy in doubt serves " + World::key_name(key) + when);
    }
  }
  if (!copy.scan().empty()) throw Violation("a copy in doubt lists keys" + when);
}

/// What the copy has is what the living store has.
void compare(World& living, World& copy, const CopyCheck& check) {
  for (std::size_t key = 0; key < check.keys; ++key) {
    const auto there = copy.get(copy.key_text(key));
    if (!there) throw Violation("a get of a copy failed: " + there.error().message);
    if (!*there) continue;
    const auto here = living.get(living.key_text(key));
    if (check.reads_may_fail && (!here || !*here)) continue;
    if (!here) throw Violation("a get failed: " + here.error().message);
    const std::int64_t expires_ms = (*there)->expires_at_ms;
    if (!*here && expires_ms != 0 && expires_ms <= living.store->now_ms()) continue;
    if (!*here) {
      throw Violation("a copy that has caught up serves " + World::key_name(key) +
                      ", which is not there any more");
    }
    if ((*here)->value != (*there)->value) {
      throw Violation("a copy that has caught up serves an older value of " + World::key_name(key));
    }
  }
}

}  // namespace

void check_copy_of(World& living, const std::string& snapshot, const CopyCheck& check) {
  Setup setup = living.setup;
  setup.slow_io_percent = 0;
  setup.quota_bytes = 0;
  World copy(setup, 4711);
  copy.clock.set_wall_ms(living.clock.wall_ms());
  copy_below(*living.disk, "snapshots/" + snapshot, *copy.disk, "");
  copy.disk->remove("snapshot").value();
  if (auto opened = copy.open(); !opened) {
    throw Violation("a copy does not open: " + opened.error().message);
  }
  const StartStats start = copy.store->stats().start;
  if (start.damaged_records != 0 || start.damaged_segments != 0) {
    throw Violation("a copy is damaged");
  }
  if (copy.store->copies().doubtful_through() == 0) return;  // of an empty store
  expect_nothing(copy, check, "");
  copy.kill();
  if (auto opened = copy.open(); !opened) {
    throw Violation("a copy does not open again: " + opened.error().message);
  }
  expect_nothing(copy, check, " after a crash");
  constexpr std::chrono::seconds kLease{30};
  if (check.page % 2 == 0) {
    const auto told = confirm_all(living, copy, check.page);
    if (told && follow(copy, kLease)) {
      compare(living, copy, check);
      copy.advance(std::chrono::milliseconds(kLease).count());
      expect_nothing(copy, check, " when nobody tells it what is alive");
    }
  }
  const auto erased = catch_up(living, copy, check.page);
  if (!erased && check.reads_may_fail) return;
  if (!erased) throw Violation("a copy can't catch up: " + erased.error().message);
  compare(living, copy, check);
}

}  // namespace kachel::sim
