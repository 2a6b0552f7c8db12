#include "tests/simulator/small_world.h"

#include <memory>
#include <utility>

#include "tests/simulator/image_check.h"

namespace kachel::sim {
namespace {

constexpr std::size_t kSmallBytes = 200;
constexpr std::size_t kLargeBytes = 61'300;  // a segment has 60 KiB for records
constexpr std::int64_t kShortLifeMs = 2'000;
// How long what the engine does by itself may take to begin: its ticks are 250 and 500 ms apart.
constexpr std::int64_t kBeginMs = 600;
constexpr std::int64_t kTickMs = 300;

Setup setup_of(const Plan& plan) {
  Setup setup;
  setup.options = Setup::small_options(plan.mode);
  setup.options.capacity_bytes = kMinCapacityBytes;
  return setup;
}

/// What the index would have to take of the capacity for the segments to be short of one byte.
std::uint64_t squeeze(World& world) {
  auto space = world.disk->space();
  std::uint64_t used = space->total_bytes - space->available_bytes;
  for (const std::string& name : *world.disk->list("")) {
    auto file = world.disk->open(name, io::OpenMode::kRead);
    if (file) used -= (*file)->size().value();  // no segment
  }
  const Options& options = world.setup.options;
  return options.capacity_bytes - used - options.segment_bytes + 1;
}

}  // namespace

std::string_view name_of(Step step) {
  static constexpr std::string_view kNames[] = {"put",       "overwrite", "erase",  "expire",
                                                "flush",     "compact",   "seal",   "evict",
                                                "erase-all", "put-off",   "restart"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Step::kCount));
  return kNames[static_cast<std::size_t>(step)];
}

std::string_view name_of(Pace pace) {
  static constexpr std::string_view kNames[] = {"together", "in-turn", "slowly"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Pace::kCount));
  return kNames[static_cast<std::size_t>(pace)];
}

std::string_view name_of(Start start) {
  static constexpr std::string_view kNames[] = {"empty", "restarted"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Start::kCount));
  return kNames[static_cast<std::size_t>(start)];
}

std::string_view name_of(Durability mode) {
  static constexpr std::string_view kNames[] = {"relaxed", "group", "strict"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::string describe(const Plan& plan) {
  std::string text = "--mode " + std::string(name_of(plan.mode)) + " --start " +
                     std::string(name_of(plan.start)) + " --pace " +
                     std::string(name_of(plan.pace)) +
                     (plan.steps.empty() ? " --operations 0" : " --sequence ");
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    text += (i == 0 ? "" : ",") + std::string(name_of(plan.steps[i]));
  return text;
}

SmallWorld::SmallWorld(Plan plan, CrashPoint crash_point)
    : plan_(std::move(plan)),
      crash_point_(std::move(crash_point)),
      world_(setup_of(plan_), 1),
      oracle_(kKeys, world_.setup.options) {}

void SmallWorld::open() {
  if (plan_.syncs_lie) {
    io::Fault lie{.op = io::FaultOp::kSync, .kind = io::FaultKind::kLost, .times = 0};
    lie.path_contains = "segments/";
    world_.storage->inject(std::move(lie));
  }
  world_.storage->observe([this](const io::Operation& operation) {
    if (operation.op == io::FaultOp::kRead && operation.path.starts_with("segments/")) {
      ++segment_reads_;
    }
    if (io::changes_storage(operation.op)) crash_point_(operation);
  });
  world_.index_disk->on_flush = [this] {
    ++flushes_;
    crash_point_({io::FaultOp::kSync, "the index"});
  };
  if (auto opened = world_.open(); !opened) throw Violation(opened.error().message);
}

void SmallWorld::run() {
  if (plan_.start == Start::kRestarted) {
    if (auto opened = world_.open(); !opened) throw Violation(opened.error().message);
    put(kLong, kSmallBytes, 0);
    world_.settle([&] { return in_flight_ == 0; });
    if (auto closed = world_.close(); !closed) throw Violation(closed.error().message);
    Sightings seen(kKeys);
    seen[kLong] = Sighting{oracle_.text(oracle_.op(0).value), 0};
    oracle_.restart(seen);
  }
  open();
  learn();
  for (const Step step : plan_.steps) {
    take(step);
    wait_for_turn();
  }
  world_.settle([&] { return in_flight_ == 0; });
  learn();
  // Syncs, expiries, and segments that are sealed for their age and reclaimed.
  world_.advance(14'000);
  check_all();
  if (failure_) throw Violation(*failure_);
}

void SmallWorld::take(Step step) {
  switch (step) {
    case Step::kPut:
      return put(kShort, kSmallBytes, kShortLifeMs);
    case Step::kOverwrite:
      return put(kLong, kSmallBytes, 0);
    case Step::kErase:
      return erase(kLong);
    case Step::kExpire:
      return expire(kLong, 1'000);
    case Step::kFlush:
      return flush();
    case Step::kCompact:
      heat();
      return reclaim();
    case Step::kSeal:
      return put(kLarge, kLargeBytes, 0);
    case Step::kEvict:
      return reclaim();
    case Step::kEraseAll:
      return erase_all();
    case Step::kPutOff:
      return expire(kShort, 60'000);
    case Step::kRestart:
      return restart();
    case Step::kCount:
      break;
  }
}

void SmallWorld::wait_for_turn() {
  if (plan_.pace != Pace::kTogether) {
    world_.settle([&] { return in_flight_ == 0; });
    world_.advance(world_.setup.options.relaxed_interval.count() + 10);
  }
  if (plan_.pace == Pace::kSlowly) {
    world_.advance(world_.setup.options.sync_interval.count() + kTickMs);
  }
  learn();
}

void SmallWorld::answer(std::size_t op, OpState state) {
  --in_flight_;
  oracle_.end(op, state, world_.time_ms());
  if (state == OpState::kFailed) fail("an operation failed");
  if (state == OpState::kDropped && !oracle_.evicts) fail("a put was dropped without need");
}

/// Later operations of the model come after this one in the log only if its place is settled.
void SmallWorld::wait(bool settled, const bool& answered) {
  if (!settled) world_.settle([&] { return answered; });
}

void SmallWorld::put(Key key, std::size_t bytes, std::int64_t lifetime_ms) {
  Op op;
  op.key = key;
  op.value = oracle_.make_value(key, bytes, bytes == kSmallBytes);
  PutOptions options;
  if (lifetime_ms != 0) options.expires_at_ms = world_.store->now_ms() + lifetime_ms;
  op.expires_at_ms = options.expires_at_ms;
  const std::size_t index = oracle_.begin(op);
  auto answered = std::make_shared<bool>(false);  // outlives this call when the answer is late
  ++in_flight_;
  const bool settled =
      world_.worker->put(world_.space, world_.key_text(key), oracle_.text(op.value), options,
                         [this, index, answered](Result<PutOutcome> outcome) {
                           *answered = true;
                           OpState state = OpState::kFailed;
                           if (outcome && *outcome == PutOutcome::kStored) state = OpState::kDone;
                           if (outcome && *outcome == PutOutcome::kNotStored)
                             state = OpState::kDropped;
                           answer(index, state);
                         });
  wait(settled, *answered);
}

void SmallWorld::erase(Key key) {
  const std::int64_t now_ms = world_.store->now_ms();
  const bool may_be_there = oracle_.may_be_there(key, now_ms);
  const bool may_be_absent = oracle_.may_be_absent(key, now_ms);
  const std::size_t index = oracle_.begin({.kind = OpKind::kErase, .key = key});
  auto answered = std::make_shared<bool>(false);
  ++in_flight_;
  const bool settled = world_.worker->erase(world_.space, world_.key_text(key), {},
                                            [=, this](Result<EraseOutcome> outcome) {
                                              *answered = true;
                                              OpState state = OpState::kFailed;
                                              if (outcome && *outcome == EraseOutcome::kErased)
                                                state = OpState::kDone;
                                              if (outcome && *outcome == EraseOutcome::kAbsent)
                                                state = OpState::kNoEffect;
                                              if (state == OpState::kDone && !may_be_there)
                                                fail("an absent entry was erased");
                                              if (state == OpState::kNoEffect && !may_be_absent) {
                                                fail("an entry that is there was not erased");
                                              }
                                              answer(index, state);
                                            });
  wait(settled, *answered);
}

void SmallWorld::expire(Key key, std::int64_t in_ms) {
  Op op{.kind = OpKind::kExpire, .key = key};
  op.expires_at_ms = world_.store->now_ms() + in_ms;
  const std::size_t index = oracle_.begin(op);
  auto answered = std::make_shared<bool>(false);
  ++in_flight_;
  const bool settled = world_.worker->change_expiry(
      world_.space, world_.key_text(key), {op.expires_at_ms, {}, {}},
      [=, this](Result<ExpiryOutcome> outcome) {
        *answered = true;
        OpState state = OpState::kFailed;
        if (outcome) {
          state = *outcome == ExpiryOutcome::kChanged ? OpState::kDone : OpState::kNoEffect;
        }
        answer(index, state);
      });
  wait(settled, *answered);
}

void SmallWorld::erase_all() {
  const std::size_t index = oracle_.begin({.kind = OpKind::kEraseAll});
  auto answered = std::make_shared<bool>(false);
  ++in_flight_;
  const bool settled = world_.worker->erase_all(world_.space, [=, this](Result<void> outcome) {
    *answered = true;
    answer(index, outcome ? OpState::kDone : OpState::kFailed);
  });
  wait(settled, *answered);
}

void SmallWorld::get(Key key) {
  const std::size_t from = oracle_.issued();
  const std::int64_t from_ms = world_.store->now_ms();
  auto answered = std::make_shared<bool>(false);
  ++in_flight_;
  (void)world_.worker->get(
      world_.space, world_.key_text(key), [=, this](Result<std::optional<Found>> found) {
        *answered = true;
        --in_flight_;
        if (!found) return fail("a get failed: " + found.error().message);
        std::optional<Sighting> seen;
        if (*found) {
          seen = Sighting{std::string((*found)->entry->value()), (*found)->expires_at_ms};
        }
        try {
          oracle_.check_get(key, seen, from, from_ms, world_.store->now_ms());
        } catch (const Violation& broken) {
          fail(broken.what());
        }
      });
  world_.settle([&] { return *answered; });
}

/// Asked for more than once, an entry moves on when its segment is reclaimed.
void SmallWorld::heat() {
  for (int i = 0; i < 3; ++i)
    get(kLong);
}

void SmallWorld::check_all() {
  for (std::size_t key = 0; key < kKeys; ++key)
    get(static_cast<Key>(key));
}

/// Until `done`, one step of the loop after the other, or no longer than so long.
template <typename Condition>
void SmallWorld::step_until(Condition done, std::int64_t patience_ms) {
  for (const std::int64_t end_ms = world_.time_ms() + patience_ms; !done();) {
    if (world_.step()) continue;
    if (world_.time_ms() >= end_ms) return;
    world_.advance(1);
  }
}

void SmallWorld::flush() {
  const std::uint64_t before = flushes_;
  world_.index_disk->flush_at_rows = 1;
  if (plan_.pace == Pace::kTogether) {
    step_until([&] { return world_.index_disk->pending || flushes_ != before; }, kTickMs);
  } else {
    step_until([&] { return flushes_ != before; }, kTickMs);
  }
  world_.index_disk->flush_at_rows = 0;
}

/// Makes the store short of a byte, until it has reclaimed a segment, or begun to.
void SmallWorld::reclaim() {
  const std::uint64_t reads_before = segment_reads_;
  const std::uint64_t evicted_before = world_.store->stats().evicted_segments;
  oracle_.evicts = true;
  world_.index_disk->fake_bytes = squeeze(world_);
  if (plan_.pace == Pace::kTogether) {
    step_until([&] { return segment_reads_ != reads_before; }, kBeginMs);
    world_.index_disk->fake_bytes = 0;
    return;  // it may still go on when the next ones come: from here on anything may be missing
  }
  step_until([&] { return world_.store->stats().evicted_segments != evicted_before; }, kBeginMs);
  world_.index_disk->fake_bytes = 0;
  world_.advance(kTickMs);
  oracle_.evicts = false;
  oracle_.end(oracle_.begin({.kind = OpKind::kEvict}), OpState::kDone, world_.time_ms());
}

void SmallWorld::restart() {
  world_.settle([&] { return in_flight_ == 0; });
  learn();
  const std::int64_t before_ms = world_.store->now_ms();
  if (auto closed = world_.close(); !closed) {
    throw Violation("the stop failed: " + closed.error().message);
  }
  oracle_.expired_for_good_ms = before_ms;
  const std::int64_t stopped_ms = world_.time_ms();
  if (auto opened = world_.open(); !opened) throw Violation(opened.error().message);
  const std::int64_t from_ms = world_.store->now_ms();
  const Sightings seen = read_all(world_, kKeys);
  oracle_.check_crash(seen, Crash::kStop, stopped_ms, from_ms, world_.store->now_ms());
  oracle_.restart(seen);
}

}  // namespace kachel::sim
