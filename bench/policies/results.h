// What was measured, and how it is shown.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "bench/policies/request.h"

namespace kachel::policies {

/// Of one cache alone.
struct HotResult {
  std::string workload;
  std::string policy;
  unsigned percent = 0;  // capacity, of the footprint
  Ratios ratios;
};

/// Of a hot tier with flash beneath.
struct TierResult {
  std::string workload;
  std::string policy;
  std::string admission;
  std::string reclaim;
  unsigned percent = 0;  // of flash; the hot tier has a tenth of that
  Ratios ratios;         // of both tiers
  double hot_ratio = 0;  // objects
  double written_per_byte = 0;
};

void print_json(std::FILE* out, const HotResult& result);
void print_json(std::FILE* out, const TierResult& result);

/// One workload's: a row for each policy, three ratios for each capacity.
void print_table(std::FILE* out, const std::vector<HotResult>& results);
/// Money saved in the mean of the capacities: a row for each policy, a column for each workload.
void print_money(std::FILE* out, const std::vector<HotResult>& results);
/// Means of workloads and capacities, what saves most first.
void print_means(std::FILE* out, const std::vector<TierResult>& results);

}  // namespace kachel::policies
