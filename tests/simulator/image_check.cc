#include "tests/simulator/image_check.h"

#include <algorithm>
#include <exception>

#include "tests/simulator/anatomy.h"

namespace kachel::sim {
namespace {

Sightings open_and_check(World& world, ImageCheck& check);

/// One crash image in so many changes on the storage; a start of RocksDB makes many.
std::size_t recovery_every(const World& world) {
  return world.setup.index == IndexKind::kMemory ? 8 : 64;
}

/// The same check on a copy of the world, crashed at this point of its start.
void crash_in_recovery(World& world, ImageCheck& check) {
  ImageCheck again{check.oracle,  check.crash,       check.time_ms,
                   check.excuses, check.was_damaged, check.crashes_in_recovery - 1,
                   check.explains};
  const auto copy = world.fork(world.choices.choose(1 << 30));
  check.faults.note(FaultClass::kCrashInRecovery);
  if (world.choices.one_in(2)) {
    again.crash = check.crash == Crash::kPowerCut ? Crash::kPowerCut : Crash::kKillThenPowerCut;
    DrawnCrash outcome(copy->choices);
    copy->cut_power(outcome);
  }
  (void)check_image(*copy, again);
  check.images += again.images;
  check.faults.add(again.faults);
}

/// With crashes on the way, if asked for.
Result<void> open_world(World& world, ImageCheck& check) {
  if (check.crashes_in_recovery == 0) return world.open();
  std::exception_ptr failure;
  world.storage->observe([&](const io::Operation& operation) {
    if (failure || !world.is_own_thread() || !io::changes_storage(operation.op)) return;
    if (!world.choices.one_in(recovery_every(world))) return;
    try {
      crash_in_recovery(world, check);
    } catch (...) {
      failure = std::current_exception();  // not through the engine's frames
    }
  });
  auto opened = world.open();
  world.storage->observe({});
  if (failure) std::rethrow_exception(failure);
  return opened;
}

/// A hash is there, and listed, while one of its fields is.
void check_hashes(World& world, const Sightings& seen) {
  const auto listed = world.scan_hashes();
  std::vector<bool> glimpsed;
  for (std::size_t hash = 0; hash < World::kHashes; ++hash)
    glimpsed.push_back(world.has_hash(World::hash_name(hash)));
  const std::int64_t now_ms = world.store->now_ms();
  for (std::size_t hash = 0; hash < World::kHashes; ++hash) {
    bool is_there = false;
    bool may_be_there = false;  // all that it has may have expired on the way
    for (std::size_t key = hash; key < seen.size(); key += World::kHashes) {
      if (!seen[key]) continue;
      may_be_there = true;
      is_there |= seen[key]->expires_at_ms == 0 || seen[key]->expires_at_ms > now_ms;
    }
    const std::string name = World::hash_name(hash);
    const bool is_listed = std::binary_search(listed.begin(), listed.end(), name);
    if ((is_there && (!is_listed || !glimpsed[hash])) ||
        (!may_be_there && (is_listed || glimpsed[hash]))) {
      throw Violation(name + (is_there ? " has" : " has not") + " a field, and is" +
                      (is_listed ? "" : " not") + " listed, and is" +
                      (glimpsed[hash] ? "" : " not") + " found");
    }
  }
}

void check_scan(World& world, const Oracle& oracle, const Sightings& seen) {
  const auto scanned = world.scan();
  if (world.setup.hashes) check_hashes(world, seen);
  const std::int64_t now_ms = world.store->now_ms();
  std::size_t expected = 0;
  std::size_t expired_at_most = 0;  // they count until their segment goes
  for (std::size_t key = 0; key < seen.size(); ++key) {
    const bool listed = std::binary_search(scanned.begin(), scanned.end(), Oracle::key_name(key));
    // It may have expired on the way.
    const bool expired =
        seen[key] && seen[key]->expires_at_ms != 0 && seen[key]->expires_at_ms <= now_ms;
    if (seen[key] && !expired) ++expected;
    if ((!seen[key] || expired) && oracle.had_expiry(key)) ++expired_at_most;
    if (listed == seen[key].has_value() || expired) continue;
    throw Violation(Oracle::key_name(key) + (listed ? " is listed by a scan and not found by a get"
                                                    : " is found by a get and not listed"));
  }
  // What the fence of a subject covers is counted until it has been swept.
  for (const Erasure& erasure : world.store->pending_erasures())
    if (erasure.state == ErasureState::kFenced) return;
  const std::uint64_t counted = world.store->count(world.space);
  if (counted < expected || counted > expected + expired_at_most) {
    throw Violation("the store counts " + std::to_string(counted) + " entries, gets found " +
                    std::to_string(expected) + ", and no more than " +
                    std::to_string(expired_at_most) + " others can have expired");
  }
}

/// A start makes durable what it shows.
void check_lasting(World& world, const Sightings& seen) {
  world.kill();
  io::LoseAll nothing_kept;
  world.cut_power(nothing_kept);
  if (auto opened = world.open(); !opened) {
    throw Violation("the start after a start failed: " + opened.error().message);
  }
  const auto again = read_all(world, seen.size());
  for (std::size_t key = 0; key < seen.size(); ++key) {
    const bool may_expire = seen[key] && seen[key]->expires_at_ms != 0;
    if (again[key] == seen[key] || (!again[key] && may_expire)) continue;
    throw Violation(Oracle::key_name(key) + " was " + (seen[key] ? "there" : "absent") +
                    " after a start, and is " + (again[key] ? "there" : "absent") +
                    " after the power was cut right then");
  }
}

}  // namespace

Sightings read_all(World& world, std::size_t keys) {
  Sightings seen(keys);
  for (std::size_t key = 0; key < keys; ++key) {
    auto got = world.get(world.key_text(key));
    if (!got) throw Violation("a get failed: " + got.error().message);
    seen[key] = std::move(*got);
  }
  return seen;
}

namespace {

/// What was acknowledged is in the audit log, whatever came after.
void check_receipt(World& world, const Oracle& oracle) {
  if (!oracle.last_receipt) return;
  const auto receipt = world.receipt(*oracle.last_receipt);
  if (receipt && !*receipt) throw Violation("an acknowledged erase has no receipt");
  if (!receipt && receipt.error().code == ErrorCode::kCorrupt) {
    throw Violation("a crash was taken for damage of the audit log: " + receipt.error().message);
  }
}

/// Those that were acknowledged are in force, and what they keep is there.
void check_holds(World& world, const Oracle& oracle) {
  if (oracle.holds.empty()) return;
  for (const auto& [id, kept] : oracle.holds)
    kept.check(world);
  const auto in_force = world.holds();
  if (!in_force) return;  // the audit log can't be read
  for (const auto& [id, kept] : oracle.holds) {
    const auto is_it = [&id = id](const HoldInfo& hold) { return hold.id == id; };
    if (std::none_of(in_force->begin(), in_force->end(), is_it)) {
      throw Violation("a hold of " + kept.subject() + " is not in force any more");
    }
  }
}

Sightings open_and_check(World& world, ImageCheck& check) {
  if (auto opened = open_world(world, check); !opened) {
    throw Violation("the store does not open: " + opened.error().message);
  }
  const std::int64_t from_ms = world.store->now_ms();
  auto seen = read_all(world, check.oracle.keys());
  check.oracle.check_crash(seen, check.crash, check.time_ms, from_ms, world.store->now_ms(),
                           check.excuses);
  if (check.was_damaged || check.oracle.weak) return seen;
  check_scan(world, check.oracle, seen);
  const StartStats start = world.store->stats().start;
  if (start.damaged_records + start.damaged_segments != 0) {
    throw Violation("a crash was taken for damage: " + std::to_string(start.damaged_records) +
                    " records, " + std::to_string(start.damaged_bytes) + " bytes, " +
                    std::to_string(start.damaged_segments) + " segments");
  }
  check_receipt(world, check.oracle);
  check_holds(world, check.oracle);
  if (!check.oracle.evicts && world.choices.one_in(8)) check_lasting(world, seen);
  return seen;
}

}  // namespace

Sightings check_image(World& world, ImageCheck& check) {
  ++check.images;
  if (!check.explains) return open_and_check(world, check);
  const auto disk = world.disk->clone();
  const std::optional<Marker> marker = world.index_disk->durable.marker;
  try {
    return open_and_check(world, check);
  } catch (const Violation& violation) {
    throw Violation(std::string(violation.what()) + "\n  the index has all through " +
                    std::to_string(marker ? marker->applied_through : 0) + "\n" +
                    describe(*disk, check.oracle.keys()));
  }
}

void check_creation(World& world, ImageCheck& check) {
  check.crashes_in_recovery = 2;
  (void)check_image(world, check);
}

}  // namespace kachel::sim
