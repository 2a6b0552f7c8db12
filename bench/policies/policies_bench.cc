// Which policy saves the most money: see bench/README.md.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string_view>

#include "bench/policies/bound.h"
#include "bench/policies/results.h"
#include "bench/policies/simulator.h"
#include "bench/policies/two_tiers.h"
#include "bench/policies/workloads.h"

namespace {

using namespace kachel::policies;

constexpr const char* kUsage =
    "policies_bench [--quick] [--hot-only] [--seed N] [--json]\n"
    "\n"
    "Replays workloads through policies of the hot tier, alone and with flash beneath, and shows\n"
    "what share of requests, bytes and money each saves. The traces are those of the folder that\n"
    "KACHEL_DATA names; without it only generated workloads are replayed. The same figures come\n"
    "out on any machine.\n"
    "\n"
    "  --quick      short generated workloads only: seconds\n"
    "  --hot-only   without flash\n"
    "  --seed N     of the generated workloads, a number from 0; 1 by default\n"
    "  --json       a JSON object a line for each figure\n";

struct Options {
  bool quick = false;
  bool hot_only = false;
  bool json = false;
  std::uint64_t seed = 1;
};

bool parse_number(std::string_view text, std::uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick") {
      options.quick = true;
    } else if (argument == "--hot-only") {
      options.hot_only = true;
    } else if (argument == "--json") {
      options.json = true;
    } else if (argument == "--seed" && i + 1 < argc && parse_number(argv[i + 1], options.seed)) {
      ++i;
    } else {
      if (argument != "--help" && argument != "-h")
        std::fprintf(stderr, "policies_bench: can't make sense of '%s'\n", argv[i]);
      return std::nullopt;
    }
  }
  return options;
}

std::uint64_t share(std::uint64_t bytes, unsigned percent) {
  return bytes * percent / 100;
}

std::vector<HotResult> measure_hot(const Workload& workload) {
  const Footprint all = footprint_of(workload);
  std::vector<HotResult> results;
  for (const unsigned percent : {1U, 5U, 10U, 25U}) {
    const std::uint64_t capacity_bytes = share(all.bytes, percent);
    for (const PolicyKind& kind : policy_kinds()) {
      const PolicyPointer policy = kind.make(capacity_bytes, workload);
      results.push_back({workload.name, kind.name, percent, replay(workload, *policy).ratios()});
    }
    results.push_back(
        {workload.name, "upper bound", percent, upper_bound_of(workload, capacity_bytes)});
  }
  return results;
}

struct Admissions {
  const char* name;
  AdmissionRule rule;
};
constexpr Admissions kAdmissions[] = {{"all", AdmissionRule::kAll},
                                      {"second-touch", AdmissionRule::kSecondTouch},
                                      {"cost", AdmissionRule::kCostThreshold}};
struct Reclaims {
  const char* name;
  ReclaimOrder order;
};
constexpr Reclaims kReclaims[] = {{"engine", ReclaimOrder::kEngine},
                                  {"hot", ReclaimOrder::kHot},
                                  {"fifo", ReclaimOrder::kFifo},
                                  {"least-live", ReclaimOrder::kLeastLive},
                                  {"value", ReclaimOrder::kValue}};

void measure_tiers(const Workload& workload, std::vector<TierResult>& results) {
  const Footprint all = footprint_of(workload);
  for (const unsigned percent : {10U, 25U}) {
    FlashOptions flash;
    flash.capacity_bytes = share(all.value_bytes, percent);
    flash.segment_bytes = segment_bytes_for(all, flash.capacity_bytes);
    if (flash.segment_bytes == 0) continue;
    const std::uint64_t hot_bytes = share(all.bytes, percent) / 10;
    for (const PolicyKind& kind : policy_kinds()) {
      if (!kind.with_flash) continue;
      for (const Admissions& admission : kAdmissions) {
        for (const Reclaims& reclaim : kReclaims) {
          flash.order = reclaim.order;
          const PolicyPointer hot = kind.make(hot_bytes, workload);
          const TwoTierRun run = replay(workload, *hot, admission.rule, flash);
          results.push_back({workload.name, kind.name, admission.name, reclaim.name, percent,
                             run.tally.ratios(), run.hot_ratio(), run.written_per_byte()});
        }
      }
    }
  }
}

void print_heading(const Workload& workload) {
  const Footprint all = footprint_of(workload);
  std::printf("\n%s: %s\n%zu requests, %llu keys, %.1f MiB; hit ratios in %%\n",
              workload.name.c_str(), workload.about.c_str(), workload.requests.size(),
              static_cast<unsigned long long>(all.keys),
              static_cast<double>(all.bytes) / (1024.0 * 1024.0));
}

void run(const Options& options) {
  const char* folder = std::getenv("KACHEL_DATA");
  if (folder == nullptr && !options.quick)
    std::fprintf(stderr, "KACHEL_DATA is not set: without the traces\n");
  WorkloadOptions wanted{std::nullopt, options.quick, options.seed};
  if (folder != nullptr) wanted.folder = folder;
  const std::vector<Workload> workloads = make_workloads(wanted);
  std::vector<HotResult> all_hot;
  std::vector<TierResult> all_tiers;
  for (std::size_t i = 0; i < workloads.size(); ++i) {
    std::fprintf(stderr, "workload %zu of %zu: %s\n", i + 1, workloads.size(),
                 workloads[i].name.c_str());
    const std::vector<HotResult> hot = measure_hot(workloads[i]);
    all_hot.insert(all_hot.end(), hot.begin(), hot.end());
    if (!options.json) {
      print_heading(workloads[i]);
      print_table(stdout, hot);
    }
    if (!options.hot_only) measure_tiers(workloads[i], all_tiers);
  }
  if (options.json) {
    for (const HotResult& result : all_hot)
      print_json(stdout, result);
    for (const TierResult& result : all_tiers)
      print_json(stdout, result);
    return;
  }
  std::printf("\nMoney saved in %%, mean of the capacities\n");
  print_money(stdout, all_hot);
  if (options.hot_only) return;
  std::printf(
      "\nWith flash beneath: means over workloads and capacities, in %%; `hot`: of requests, from\n"
      "DRAM; `written`: bytes to the device for each byte that misses insert\n");
  print_means(stdout, all_tiers);
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    run(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "policies_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
