// All small worlds: every sequence of a few operations, crashed at every point in every way.
//
// A crash is a kill, with the write under way done up to any page, or a power cut, with each
// unsynced write lost, kept, or torn in either half, each new size and each directory entry there
// or not; an index flush under way has happened or not, and the index is left or lost. Of a point
// with more ways than `outcomes_most` those are tried that differ from nothing kept, or from all
// kept, in two places at most.
//
// Most of it is the same again: other sequences with the same beginning, other crashes that leave
// the same. What has been checked once, disk, index and what the oracle knows, is not checked
// again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/simulator/choices.h"
#include "tests/simulator/small_world.h"

namespace kachel::sim {

/// A crash that can be had again: a world's n-th crash point, and the answers of the choices.
struct CrashSpot {
  std::uint64_t point = 0;
  std::vector<std::size_t> outcome;
};

struct BrokenPromise {
  Plan plan;
  std::optional<CrashSpot> spot;  // none: it was broken without a crash
  std::string what;
};
/// As arguments of the command line.
std::string describe(const BrokenPromise& broken);

struct SmallWorldsCounts {
  std::uint64_t worlds = 0;
  std::uint64_t points = 0;
  std::uint64_t points_known = 0;    // nothing new since an earlier one
  std::uint64_t points_bounded = 0;  // too many outcomes to try them all
  std::uint64_t outcomes = 0;        // crashed
  std::uint64_t images = 0;          // of them: different from all before, and checked
};

class SmallWorlds {
 public:
  using Report = std::function<void(const BrokenPromise&)>;
  /// `report` is told of each broken promise; more than one a world only from different images.
  explicit SmallWorlds(Report report, std::uint64_t outcomes_most = 4096);

  void check(const Plan& plan);
  /// One crash of one world, whether it has been checked or not; tells on stdout what is lost.
  void replay(const Plan& plan, const CrashSpot& spot);
  const SmallWorldsCounts& counts() const { return counts_; }

 private:
  void run(const Plan& plan, const std::function<void(const SmallWorld&, const io::Operation&)>&);
  void visit(const SmallWorld& small, const io::Operation& operation);
  void try_all(const SmallWorld& small, const io::Operation& operation, AllChoices head,
               std::uint64_t point_key);

  const Report report_;
  const std::uint64_t outcomes_most_;
  SmallWorldsCounts counts_;
  const Plan* plan_ = nullptr;  // of the world that runs
  std::uint64_t point_ = 0;     // of that world
  std::unordered_set<std::uint64_t> points_seen_;
  std::unordered_set<std::uint64_t> images_seen_;
};

/// Calls back with every sequence of exactly so many of the first `alphabet` steps.
void for_each_sequence(std::size_t length, std::size_t alphabet,
                       const std::function<void(const std::vector<Step>&)>& call);

}  // namespace kachel::sim
