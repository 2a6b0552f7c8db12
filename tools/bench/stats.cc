#include "tools/bench/stats.h"

namespace kachel::bench {

std::uint64_t Stats::operations() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : answered)
    sum += count;
  return sum;
}

std::uint64_t Stats::error_count() const {
  std::uint64_t sum = 0;
  for (const auto& [word, count] : errors)
    sum += count;
  return sum;
}

double Stats::hit_ratio() const {
  const std::uint64_t reads = hits + misses;
  return reads == 0 ? -1 : static_cast<double>(hits) / static_cast<double>(reads);
}

Histogram Stats::all_latencies() const {
  Histogram all = gets;
  all.add(sets);
  all.add(others);
  return all;
}

void Stats::add(const Stats& other) {
  gets.add(other.gets);
  sets.add(other.sets);
  others.add(other.others);
  for (std::size_t kind = 0; kind < kOperationKinds; ++kind)
    answered[kind] += other.answered[kind];
  hits += other.hits;
  misses += other.misses;
  fills += other.fills;
  mismatches += other.mismatches;
  late_by_server += other.late_by_server;
  late_by_generator += other.late_by_generator;
  not_sent += other.not_sent;
  unanswered += other.unanswered;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  for (const auto& [word, count] : other.errors)
    errors[word] += count;
  if (first_error.empty()) first_error = other.first_error;
  if (first_mismatch.empty()) first_mismatch = other.first_mismatch;
}

void Stats::clear() {
  gets.clear();
  sets.clear();
  others.clear();
  answered.fill(0);
  hits = misses = fills = mismatches = late_by_server = late_by_generator = 0;
  not_sent = unanswered = bytes_sent = bytes_received = 0;
  errors.clear();
  first_error.clear();
  first_mismatch.clear();
}

}  // namespace kachel::bench
