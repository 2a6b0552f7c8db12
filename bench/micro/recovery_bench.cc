// Opening a store of 20,000 entries: after an orderly stop, after a kill (what the index lacks is
// replayed), and after the index was lost (it is rebuilt from what the segments say).
#include <benchmark/benchmark.h>
#include <filesystem>
#include <stdexcept>

#include "bench/micro/samples.h"
#include "bench/micro/store_sample.h"

namespace kachel::micro {
namespace {

enum class Stop : std::int64_t { kClean, kKill, kIndexLost };

constexpr std::uint64_t kStoredEntries = 20'000;
constexpr std::size_t kStoredValueBytes = 512;

/// What such a stop leaves.
struct StoppedStore {
  explicit StoppedStore(std::int64_t how) {
    StoreSample sample(sample_options(Durability::kGroup));  // the kernel has what is stored
    sample.put(0, kStoredEntries, sample_texts(64, kStoredValueBytes));
    if (static_cast<Stop>(how) != Stop::kKill) sample.close();
    std::filesystem::copy(sample.path(), path(), std::filesystem::copy_options::recursive);
    if (static_cast<Stop>(how) == Stop::kIndexLost) std::filesystem::remove_all(path() / "index");
  }
  std::filesystem::path path() const { return directory.path() / "data"; }
  io::TempDirectory directory;
};

void check_start(const StartStats& start, Stop stop) {
  const bool is_as_meant = stop == Stop::kClean  ? start.clean && start.replayed_records == 0
                           : stop == Stop::kKill ? !start.clean && start.replayed_records != 0
                                                 : start.index_rebuilt;
  if (!is_as_meant) throw std::logic_error("the start was of another kind");
}

void open_store(benchmark::State& state, Stop stop) {
  const auto& stopped = kept<StoppedStore>(static_cast<std::int64_t>(stop));
  std::uint64_t replayed = 0;
  for (auto _ : state) {
    state.PauseTiming();
    io::TempDirectory directory;
    const auto path = directory.path() / "data";
    std::filesystem::copy(stopped.path(), path, std::filesystem::copy_options::recursive);
    state.ResumeTiming();
    auto opened = LocalStore::open(path, sample_options(Durability::kGroup));
    state.PauseTiming();
    const auto store = std::move(opened).value();
    const Stats stats = store->store().stats();
    check_start(stats.start, stop);
    if (store->store().count({}) != kStoredEntries) throw std::logic_error("entries are missing");
    replayed = stats.start.replayed_records;
    store->close().value();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kStoredEntries));
  state.counters["replayed"] = static_cast<double>(replayed);
  state.SetLabel("items are the store's entries");
}
BENCHMARK_CAPTURE(open_store, clean, Stop::kClean)
    ->Name("recovery/clean")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(open_store, kill, Stop::kKill)
    ->Name("recovery/replay")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(open_store, index_lost, Stop::kIndexLost)
    ->Name("recovery/rebuild_index")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kachel::micro
