// A hit of the hot tier as a connection has it, through the worker: with and without counting, side
// by side.
#include <benchmark/benchmark.h>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/samples.h"
#include "bench/micro/store_sample.h"
#include "io/manual_loop.h"
#include "io/random.h"
#include "server/accounting_worker.h"
#include "server/server_state.h"

namespace kachel::micro {
namespace {

constexpr std::int64_t kServedEntries = 50'000;

/// A store whose entries are all hot.
struct HotStore : StoreSample {
  explicit HotStore(std::int64_t entries) : StoreSample(sample_options(Durability::kRelaxed)) {
    put(0, static_cast<std::size_t>(entries), sample_texts(64, 1024));
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(entries); ++i)
      keys.push_back(sample_key(i));
    worker = store().attach(loop);
    state.counters.push_back(std::make_unique<server::WorkerCounters>());
  }
  std::shared_ptr<server::Ledger> ledger() {
    return std::make_shared<server::Ledger>(state.counters[0]->meter, state.models, state.policy);
  }

  std::vector<std::string> keys;
  server::ServerState state;
  io::ManualClock clock;
  io::ManualLoop loop{clock};
  std::unique_ptr<Worker> worker;
};

void get_hot(benchmark::State& state, Worker& worker, const std::vector<std::string>& keys) {
  io::SeededRandom random(1);
  std::int64_t hits = 0;
  for (auto _ : state)
    hits += worker.get_hot({}, keys[random.next() % keys.size()]).has_value() ? 1 : 0;
  state.SetItemsProcessed(state.iterations());
  state.counters["hit_ratio"] = static_cast<double>(hits) / static_cast<double>(state.iterations());
}

void hit_uncounted(benchmark::State& state) {
  auto& sample = kept<HotStore>(kServedEntries);
  get_hot(state, *sample.worker, sample.keys);
}
BENCHMARK(hit_uncounted)->Name("hot_hit/uncounted");

void hit_counted(benchmark::State& state) {
  auto& sample = kept<HotStore>(kServedEntries);
  server::AccountingWorker worker(*sample.worker, sample.ledger());
  get_hot(state, worker, sample.keys);
}
BENCHMARK(hit_counted)->Name("hot_hit/counted");

}  // namespace
}  // namespace kachel::micro
