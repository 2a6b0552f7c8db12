// A put of 1 KiB, from the worker's call to its answer, 64 at a time: what it costs in all threads
// (compressing, encoding, writing, the index), and how many there are a second.
#include <benchmark/benchmark.h>

#include "bench/micro/samples.h"
#include "bench/micro/store_sample.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kPutsInFlight = 64;

struct LogSample : StoreSample {
  explicit LogSample(std::int64_t durability)
      : StoreSample(sample_options(static_cast<Durability>(durability))) {}
  std::uint64_t next = 0;
};

void put_values(benchmark::State& state, Durability durability) {
  auto& sample = kept<LogSample>(static_cast<std::int64_t>(durability));
  const auto values = sample_texts(64, 1024);
  while (state.KeepRunningBatch(kPutsInFlight)) {
    sample.put(sample.next, kPutsInFlight, values);
    sample.next += kPutsInFlight;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * 1024);
}
BENCHMARK_CAPTURE(put_values, relaxed, Durability::kRelaxed)
    ->Name("log/put/relaxed")
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(put_values, group, Durability::kGroup)
    ->Name("log/put/group")
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace kachel::micro
