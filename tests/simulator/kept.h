// What a hold must keep: the records of its subject that were durable while it was in force.
// Invariant 9.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "engine/hold.h"
#include "tests/simulator/world.h"

namespace kachel::sim {

class Kept {
 public:
  explicit Kept(std::string subject) : subject_(std::move(subject)) {}
  const std::string& subject() const { return subject_; }

  /// It is in force and acknowledged: from here on what is durable now must stay. `world` is open.
  /// `given_up`: segment files that the store has dropped and that are still there.
  void note(const World& world, const std::set<std::string>& given_up);
  /// Whether all of it is on the disk. Throws Violation.
  void check(const World& world) const;

 private:
  using Found = std::set<std::pair<Mac, std::uint64_t>>;  // key and version
  Found find(const World& world, std::uint64_t through,
             const std::set<std::string>& except = {}) const;

  std::string subject_;
  Found records_;
};

}  // namespace kachel::sim
