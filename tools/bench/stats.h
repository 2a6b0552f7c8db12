// What was counted: in an interval, or in all of a phase.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "tools/bench/histogram.h"
#include "tools/bench/operation.h"

namespace kachel::bench {

struct Stats {
  Histogram gets;
  Histogram sets;
  Histogram others;
  std::array<std::uint64_t, kOperationKinds> answered{};  // fills and errors among them
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t fills = 0;       // sets that followed a miss
  std::uint64_t mismatches = 0;  // values that were not what was written
  std::uint64_t late_by_server = 0;
  std::uint64_t late_by_generator = 0;
  std::uint64_t not_sent = 0;    // due before the end, and still waiting for room then
  std::uint64_t unanswered = 0;  // given up
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::map<std::string, std::uint64_t, std::less<>> errors;  // by their first word
  std::string first_error;                                   // in full
  std::string first_mismatch;                                // the key

  Histogram& latencies(OperationKind kind) {
    if (kind == OperationKind::kGet) return gets;
    return kind == OperationKind::kSet ? sets : others;
  }
  std::uint64_t operations() const;
  std::uint64_t error_count() const;
  std::uint64_t late() const { return late_by_server + late_by_generator; }
  /// -1 without reads.
  double hit_ratio() const;
  Histogram all_latencies() const;

  void add(const Stats& other);
  void clear();
};

}  // namespace kachel::bench
