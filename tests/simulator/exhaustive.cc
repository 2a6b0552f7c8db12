#include "tests/simulator/exhaustive.h"

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <malloc.h>

#include "tests/simulator/small_worlds.h"

namespace kachel::sim {
namespace {

constexpr Durability kModes[] = {Durability::kRelaxed, Durability::kGroup, Durability::kStrict};
constexpr auto kStarts = static_cast<std::size_t>(Start::kCount);
constexpr auto kPaces = static_cast<std::size_t>(Pace::kCount);
constexpr auto kSteps = static_cast<std::size_t>(Step::kCount);

template <typename Value>
std::vector<std::string> names(std::size_t count) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i)
    all.emplace_back(name_of(static_cast<Value>(i)));
  return all;
}

/// Those named, or all.
template <typename Value>
std::vector<Value> chosen(const std::vector<std::string>& named, std::size_t count) {
  std::vector<Value> values;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = static_cast<Value>(i);
    if (named.empty() || std::find(named.begin(), named.end(), name_of(value)) != named.end()) {
      values.push_back(value);
    }
  }
  return values;
}

class Exhaustive {
 public:
  explicit Exhaustive(const ExhaustiveArguments& arguments)
      : arguments_(arguments),
        worlds_([this](const BrokenPromise& broken) { report(broken); }, arguments.outcomes) {}

  int run();

 private:
  void run_sequence(const std::vector<Step>& steps);
  void run_plan(const Plan& plan);
  void report(const BrokenPromise& broken);
  void tell(const char* kind);
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  bool is_over() const { return broken_ != 0 && !arguments_.keep_going; }

  const ExhaustiveArguments& arguments_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  SmallWorlds worlds_;
  std::uint64_t sequences_ = 0;
  std::uint64_t broken_ = 0;
  double told_ = 0;
};

void Exhaustive::report(const BrokenPromise& broken) {
  ++broken_;
  if (is_over() && broken_ > 1) return;
  std::printf("%s\nagain with: --exhaustive %s\n", broken.what.c_str(), describe(broken).c_str());
  std::fflush(stdout);
}

void Exhaustive::run_plan(const Plan& plan) {
  if (is_over()) return;
  if (arguments_.crash_point >= 0) {
    return worlds_.replay(plan,
                          {static_cast<std::uint64_t>(arguments_.crash_point), arguments_.outcome});
  }
  worlds_.check(plan);
  if (seconds() - told_ < 1.0) return;
  told_ = seconds();
  tell("status");
}

void Exhaustive::run_sequence(const std::vector<Step>& steps) {
  ++sequences_;
  for (const Durability mode : chosen<Durability>(arguments_.modes, std::size(kModes))) {
    for (const Start start : chosen<Start>(arguments_.starts, kStarts)) {
      for (const Pace pace : chosen<Pace>(arguments_.paces, kPaces))
        run_plan({mode, start, pace, steps});
    }
  }
}

int Exhaustive::run() {
  if (!arguments_.sequence.empty()) {
    std::vector<Step> steps;
    for (const std::string& name : arguments_.sequence)
      steps.push_back(chosen<Step>({name}, kSteps).front());
    run_sequence(steps);
  } else {
    for (std::size_t length = 0; length <= arguments_.operations; ++length) {
      for_each_sequence(length, arguments_.alphabet,
                        [this](const std::vector<Step>& steps) { run_sequence(steps); });
    }
  }
  if (!arguments_.json && told_ > 0) std::fprintf(stderr, "\n");
  tell("summary");
  return broken_ == 0 ? 0 : 1;
}

void Exhaustive::tell(const char* kind) {
  const SmallWorldsCounts& counts = worlds_.counts();
  if (arguments_.json) {
    std::printf("{\"kind\":\"%s\",\"sequences\":%" PRIu64 ",\"worlds\":%" PRIu64
                ",\"crash_points\":%" PRIu64 ",\"crash_points_known\":%" PRIu64
                ",\"crash_points_bounded\":%" PRIu64 ",\"outcomes\":%" PRIu64
                ",\"crash_images\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"seconds\":%.1f}\n",
                kind, sequences_, counts.worlds, counts.points, counts.points_known,
                counts.points_bounded, counts.outcomes, counts.images, broken_, seconds());
    std::fflush(stdout);
  } else if (kind == std::string_view("status")) {
    std::fprintf(stderr, "\r%" PRIu64 " worlds, %" PRIu64 " images, %.0f s ", counts.worlds,
                 counts.images, told_);
  } else {
    std::printf("%" PRIu64 " sequences in %" PRIu64 " worlds; %" PRIu64 " crash points, %" PRIu64
                " of them known, %" PRIu64 " bounded; %" PRIu64 " outcomes, %" PRIu64
                " crash images checked in %.1f s; %" PRIu64 " broken promises\n",
                sequences_, counts.worlds, counts.points, counts.points_known,
                counts.points_bounded, counts.outcomes, counts.images, seconds(), broken_);
  }
}

}  // namespace

void add_exhaustive_options(CLI::App& app, ExhaustiveArguments& arguments) {
  app.add_flag("--exhaustive", arguments.asked,
               "instead: all sequences of a few operations, crashed everywhere in every way");
  app.add_option("--operations", arguments.operations, "up to how many")->capture_default_str();
  app.add_option("--alphabet", arguments.alphabet, "how many kinds of operation, of those below")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, kSteps));
  app.add_option("--outcomes", arguments.outcomes,
                 "at a crash point with more outcomes try only some")
      ->capture_default_str();
  app.add_option("--mode", arguments.modes, "these modes only")
      ->delimiter(',')
      ->check(CLI::IsMember(names<Durability>(std::size(kModes))));
  app.add_option("--start", arguments.starts, "from these states only")
      ->delimiter(',')
      ->check(CLI::IsMember(names<Start>(kStarts)));
  app.add_option("--pace", arguments.paces, "at these paces only")
      ->delimiter(',')
      ->check(CLI::IsMember(names<Pace>(kPaces)));
  app.add_option("--sequence", arguments.sequence, "this sequence only")
      ->delimiter(',')
      ->check(CLI::IsMember(names<Step>(kSteps)));
  app.add_option("--crash-point", arguments.crash_point, "this crash point only, told in words");
  app.add_option("--outcome", arguments.outcome, "what the crash leaves there")->delimiter(',');
}

int run_exhaustive(const ExhaustiveArguments& arguments) {
  // Every start has buffers that malloc would map anew: a fifth of the time.
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  return Exhaustive(arguments).run();
}

}  // namespace kachel::sim
