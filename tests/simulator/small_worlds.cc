#include "tests/simulator/small_worlds.h"

#include <cstdio>
#include <limits>
#include <utility>

#include "tests/simulator/digest.h"
#include "tests/simulator/fault_profile.h"
#include "tests/simulator/image_check.h"

namespace kachel::sim {
namespace {

/// What the host and the index make of a crash; the disk's part is chosen after it.
struct Fall {
  bool power_cut = false;
  bool index_flushed = false;  // the flush under way has happened
  bool index_lost = false;
};

Fall choose_fall(const World& world, Choices& choices) {
  Fall fall;
  fall.power_cut = choices.choose(2) == 1;
  fall.index_flushed = world.index_disk->pending && choices.choose(2) == 1;
  fall.index_lost = choices.choose(2) == 1;
  return fall;
}

/// WholeWrites that says what it does.
class Told final : public io::CrashOutcome {
 public:
  explicit Told(Choices& choices) : outcome_(choices) {}
  void keep_sectors(std::uint64_t first_sector, std::vector<bool>& kept) override {
    outcome_.keep_sectors(first_sector, kept);
    std::printf("  a write of %zu sectors from sector %llu on: ", kept.size(),
                static_cast<unsigned long long>(first_sector));
    for (const bool sector : kept)
      std::printf("%c", sector ? 'k' : '-');
    std::printf("\n");
  }
  bool keep_size() override { return tell("a new size", outcome_.keep_size()); }
  bool keep_entry() override { return tell("a directory entry", outcome_.keep_entry()); }

 private:
  static bool tell(const char* what, bool kept) {
    std::printf("  %s: %s\n", what, kept ? "kept" : "lost");
    return kept;
  }
  WholeWrites outcome_;
};

void crash(World& copy, const Fall& fall, const io::Operation& operation, Choices& choices,
           bool tells) {
  IndexDisk& index = *copy.index_disk;
  if (fall.index_flushed) index.durable = *index.pending;
  index.pending.reset();
  if (fall.index_lost) copy.lose_index();
  if (!fall.power_cut) {
    (void)write_partly(copy, operation, choices);
  } else if (tells) {
    Told outcome(choices);
    copy.cut_power(outcome);
  } else {
    WholeWrites outcome(choices);
    copy.cut_power(outcome);
  }
}

void add_disk(Digest& digest, const World& world) {
  world.disk->view([&](std::span<const std::byte> bytes) { digest.add(bytes); });
  digest.add(world.index_disk->durable);
}

std::uint64_t key_of_point(const SmallWorld& small, const io::Operation& operation) {
  const World& world = small.world();
  Digest digest;
  add_disk(digest, world);
  digest.add(world.index_disk->pending.has_value());
  if (world.index_disk->pending) digest.add(*world.index_disk->pending);
  for (const Crash kind : {Crash::kKill, Crash::kPowerCut})
    small.oracle().add_to(digest, kind, world.time_ms(), world.clock.wall_ms());
  if (operation.op == io::FaultOp::kWrite) {
    digest.add(std::as_bytes(std::span(operation.path)));
    digest.add(operation.offset);
    for (const iovec& part : operation.parts)
      digest.add({static_cast<const std::byte*>(part.iov_base), part.iov_len});
  }
  return digest.value();
}

std::uint64_t key_of_image(const World& copy, const SmallWorld& small, Crash kind) {
  Digest digest;
  add_disk(digest, copy);
  small.oracle().add_to(digest, kind, small.world().time_ms(), small.world().clock.wall_ms());
  return digest.value();
}

/// Nothing when all is kept. The image says by itself how its start goes, so that a crash can
/// be had again without the search that found it.
std::optional<std::string> check_crashed(World& copy, const SmallWorld& small, Crash kind,
                                         std::uint64_t key, bool explains) {
  copy.choices = SeededChoices(key);
  ImageCheck check{small.oracle(), kind, small.world().time_ms()};
  check.crashes_in_recovery = copy.choices.one_in(8) ? 1 : 0;
  check.explains = explains;
  try {
    (void)check_image(copy, check);
  } catch (const std::exception& broken) {
    return broken.what();
  }
  return std::nullopt;
}

}  // namespace

std::string describe(const BrokenPromise& broken) {
  std::string text = describe(broken.plan);
  if (!broken.spot) return text;
  text += " --crash-point " + std::to_string(broken.spot->point) + " --outcome ";
  for (std::size_t i = 0; i < broken.spot->outcome.size(); ++i)
    text += (i == 0 ? "" : ",") + std::to_string(broken.spot->outcome[i]);
  return text;
}

SmallWorlds::SmallWorlds(Report report, std::uint64_t outcomes_most)
    : report_(std::move(report)), outcomes_most_(outcomes_most) {}

void SmallWorlds::run(
    const Plan& plan,
    const std::function<void(const SmallWorld&, const io::Operation&)>& at_crash_point) {
  plan_ = &plan;
  point_ = 0;
  const SmallWorld* running = nullptr;
  SmallWorld small(plan, [&](const io::Operation& operation) {
    at_crash_point(*running, operation);
    ++point_;
  });
  running = &small;
  try {
    small.run();
  } catch (const std::exception& broken) {
    report_({plan, std::nullopt, broken.what()});
  }
}

void SmallWorlds::check(const Plan& plan) {
  ++counts_.worlds;
  run(plan,
      [this](const SmallWorld& small, const io::Operation& operation) { visit(small, operation); });
}

void SmallWorlds::visit(const SmallWorld& small, const io::Operation& operation) {
  ++counts_.points;
  const std::uint64_t key = key_of_point(small, operation);
  if (!points_seen_.insert(key).second) {
    ++counts_.points_known;
    return;
  }
  AllChoices head;
  do {
    try_all(small, operation, head, key);
    (void)choose_fall(small.world(), head);
  } while (head.next());
}

/// Every way in which the disk can come out of this fall.
void SmallWorlds::try_all(const SmallWorld& small, const io::Operation& operation, AllChoices head,
                          std::uint64_t point_key) {
  const Fall fall = choose_fall(small.world(), head);
  const Crash kind = fall.power_cut ? Crash::kPowerCut : Crash::kKill;
  // False once there have been as many as allowed, and there are more.
  const auto try_each = [&](AllChoices choices, std::uint64_t most) {
    for (std::uint64_t tried = 0; tried < most; ++tried) {
      const auto copy = small.world().fork(point_key);
      crash(*copy, fall, operation, choices, false);
      ++counts_.outcomes;
      const std::uint64_t key = key_of_image(*copy, small, kind);
      if (images_seen_.insert(key).second) {
        ++counts_.images;
        if (auto broken = check_crashed(*copy, small, kind, key, true)) {
          CrashSpot spot{point_, head.taken()};
          for (const std::size_t answer : choices.taken())
            spot.outcome.push_back(answer);
          report_({*plan_, std::move(spot), std::move(*broken)});
        }
      }
      if (!choices.next()) return true;
    }
    return false;
  };
  if (try_each(AllChoices(), outcomes_most_)) return;
  ++counts_.points_bounded;
  constexpr std::uint64_t kNoBound = std::numeric_limits<std::uint64_t>::max();
  try_each(AllChoices(0, 2), kNoBound);
  try_each(AllChoices(1, 2), kNoBound);
}

void SmallWorlds::replay(const Plan& plan, const CrashSpot& spot) {
  bool reached = false;
  run(plan, [&](const SmallWorld& small, const io::Operation& operation) {
    if (point_ != spot.point) return;
    reached = true;
    GivenChoices choices(spot.outcome);
    const Fall fall = choose_fall(small.world(), choices);
    const Crash kind = fall.power_cut ? Crash::kPowerCut : Crash::kKill;
    std::printf(
        "crash point %llu, before %s of %s: %s%s%s\n", static_cast<unsigned long long>(spot.point),
        operation.path.empty() ? "anything" : std::string(io::name_of(operation.op)).c_str(),
        operation.path.empty() ? "anything" : std::string(operation.path).c_str(),
        fall.power_cut ? "power cut" : "kill",
        fall.index_flushed ? ", the index flush under way done" : "",
        fall.index_lost ? ", index lost" : "");
    const auto copy = small.world().fork(key_of_point(small, operation));
    crash(*copy, fall, operation, choices, true);
    const std::uint64_t key = key_of_image(*copy, small, kind);
    ++counts_.images;
    if (auto broken = check_crashed(*copy, small, kind, key, true)) {
      report_({plan, spot, std::move(*broken)});
    }
  });
  if (!reached) report_({plan, spot, "there is no such crash point"});
}

void for_each_sequence(std::size_t length, std::size_t alphabet,
                       const std::function<void(const std::vector<Step>&)>& call) {
  AllChoices choices;
  do {
    std::vector<Step> steps(length);
    for (Step& step : steps)
      step = static_cast<Step>(choices.choose(alphabet));
    call(steps);
  } while (choices.next());
}

}  // namespace kachel::sim
