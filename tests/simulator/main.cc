// The simulator's command line. tests/simulator/run builds and starts it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/simulator/exhaustive.h"
#include "tests/simulator/history.h"

namespace kachel::sim {
namespace {

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::string seed_file;
  std::uint64_t steps = 200;
  std::uint64_t image_every = 6;
  bool trace = false;
  bool trace_storage = false;
  IndexKind index = IndexKind::kMemory;
  bool json = false;
  bool keep_going = false;
};

struct Totals {
  std::uint64_t histories = 0;
  std::uint64_t operations = 0;
  std::uint64_t images = 0;
  std::uint64_t dictionaries = 0;
  std::uint64_t quota_evictions = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t restores = 0;
  std::uint64_t digest = 0;
  FaultCounts faults;
};

void add(Totals& totals, const HistoryResult& result) {
  ++totals.histories;
  totals.operations += result.operations;
  totals.images += result.images;
  totals.dictionaries += result.dictionaries;
  totals.quota_evictions += result.quota_evictions;
  totals.snapshots += result.snapshots;
  totals.restores += result.restores;
  totals.digest = totals.digest * 31 + result.digest;
  totals.faults.add(result.faults);
}

void print_summary(const Totals& totals, double seconds, bool json) {
  if (json) {
    std::printf("{\"kind\":\"summary\",\"histories\":%" PRIu64 ",\"operations\":%" PRIu64
                ",\"crash_images\":%" PRIu64 ",\"dictionaries\":%" PRIu64
                ",\"quota_evictions\":%" PRIu64 ",\"snapshots\":%" PRIu64 ",\"restores\":%" PRIu64
                ",\"seconds\":%.1f,\"digest\":\"%016" PRIx64 "\",\"faults\":{",
                totals.histories, totals.operations, totals.images, totals.dictionaries,
                totals.quota_evictions, totals.snapshots, totals.restores, seconds, totals.digest);
  } else {
    std::printf("%" PRIu64 " histories, %" PRIu64 " operations, %" PRIu64
                " crash images checked, %" PRIu64 " dictionaries trained, %" PRIu64
                " entries evicted for a quota, %" PRIu64 " snapshots taken, %" PRIu64
                " restored in %.1f s; digest %016" PRIx64 "\n",
                totals.histories, totals.operations, totals.images, totals.dictionaries,
                totals.quota_evictions, totals.snapshots, totals.restores, seconds, totals.digest);
  }
  bool first = true;
  for (std::size_t i = 0; i < totals.faults.counts.size(); ++i) {
    const std::string name(name_of(static_cast<FaultClass>(i)));
    if (totals.faults.counts[i] == 0) continue;
    if (json) {
      std::printf("%s\"%s\":%" PRIu64, first ? "" : ",", name.c_str(), totals.faults.counts[i]);
    } else {
      std::printf("  %10" PRIu64 "  %s\n", totals.faults.counts[i], name.c_str());
    }
    first = false;
  }
  if (json) std::printf("}}\n");
}

/// The first number of each line that is no comment.
std::optional<std::vector<std::uint64_t>> read_seeds(const std::string& path) {
  std::vector<std::uint64_t> seeds;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::uint64_t seed = 0;
    if (!(std::istringstream(line) >> seed)) {
      std::fprintf(stderr, "%s: '%s' does not begin with a seed\n", path.c_str(), line.c_str());
      return std::nullopt;
    }
    seeds.push_back(seed);
  }
  if (!seeds.empty()) return seeds;
  std::fprintf(stderr, "%s: no seed in it\n", path.c_str());
  return std::nullopt;
}

/// 0: all kept; 1: a promise was broken; 2: there is nothing to run.
int run_histories(const Arguments& arguments) {
  const auto began = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  Totals totals;
  double told = 0;
  std::uint64_t broken = 0;
  std::vector<std::uint64_t> listed;
  if (!arguments.seed_file.empty()) {
    auto read = read_seeds(arguments.seed_file);
    if (!read) return 2;
    listed = std::move(*read);
  }
  const std::uint64_t seeds = listed.empty() ? arguments.seeds : listed.size();
  for (std::uint64_t i = 0; i < seeds; ++i) {
    HistoryOptions options;
    options.seed = listed.empty() ? arguments.seed + i : listed[i];
    options.steps = arguments.steps;
    options.image_every = arguments.image_every;
    options.index = arguments.index;
    options.trace = arguments.trace || arguments.trace_storage;
    options.trace_storage = arguments.trace_storage;
    const HistoryResult result = run_history(options);
    add(totals, result);
    if (result.violation) {
      std::printf("seed %" PRIu64 " (%s): %s\n", options.seed, result.setting.c_str(),
                  result.violation->c_str());
      std::printf("again with: --seed %" PRIu64 " --steps %" PRIu64 " --image-every %" PRIu64
                  "%s --trace\n",
                  options.seed, options.steps, options.image_every,
                  options.index == IndexKind::kRocksDb ? " --index rocksdb" : "");
      ++broken;
      if (!arguments.keep_going) break;
    }
    if (seconds() - told < 1.0) continue;
    told = seconds();
    if (arguments.json) {
      std::printf("{\"kind\":\"status\",\"histories\":%" PRIu64 ",\"crash_images\":%" PRIu64
                  ",\"seconds\":%.1f}\n",
                  totals.histories, totals.images, told);
      std::fflush(stdout);
    } else {
      std::fprintf(stderr, "\r%" PRIu64 "/%" PRIu64 " histories, %" PRIu64 " images, %.0f s ",
                   totals.histories, seeds, totals.images, told);
    }
  }
  if (!arguments.json && told > 0) std::fprintf(stderr, "\n");
  print_summary(totals, seconds(), arguments.json);
  return broken == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Runs Kachel's engine in simulated worlds that crash and fail, and checks that "
      "nothing promised is lost and nothing erased comes back.");
  app.add_option("--seed", arguments.seed, "first seed")->capture_default_str();
  app.add_option("--seeds", arguments.seeds, "how many seeds, from the first on")
      ->capture_default_str();
  app.add_option("--seed-file", arguments.seed_file,
                 "instead: the seeds that a file lists, one a line")
      ->check(CLI::ExistingFile);
  app.add_option("--steps", arguments.steps, "operations of a history")->capture_default_str();
  app.add_option("--image-every", arguments.image_every,
                 "check a crash image at one in so many changes on the storage")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--index", arguments.index,
                 "memory: an index in memory, and the same seed gives the same run; rocksdb: the "
                 "real one on the simulated disk, with threads of its own")
      ->transform(CLI::CheckedTransformer(std::map<std::string, IndexKind>{
          {"memory", IndexKind::kMemory}, {"rocksdb", IndexKind::kRocksDb}}));
  app.add_flag("--keep-going", arguments.keep_going, "do not stop at the first broken promise");
  app.add_flag("--trace", arguments.trace, "tell what happens");
  app.add_flag("--trace-storage", arguments.trace_storage,
               "tell every change on the storage as well");
  app.add_flag("--json", arguments.json, "JSON Lines: a status a second, and a summary");
  ExhaustiveArguments exhaustive;
  add_exhaustive_options(app, exhaustive);
  CLI11_PARSE(app, argc, argv);
  exhaustive.json = arguments.json;
  exhaustive.keep_going = arguments.keep_going;
  if (exhaustive.asked) return run_exhaustive(exhaustive);
  return run_histories(arguments);
}

}  // namespace
}  // namespace kachel::sim

int main(int argc, char** argv) {
  return kachel::sim::run(argc, argv);
}
