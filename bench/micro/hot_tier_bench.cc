// One shard of the hot tier, without its lock.
#include <benchmark/benchmark.h>
#include <string>
#include <vector>

#include "bench/micro/samples.h"
#include "engine/hot_tier.h"
#include "io/random.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kHotEntries = 100'000;
constexpr std::size_t kHotValueBytes = 1024;

HotItem small_item() {
  return {Entry::make("value"), 0, {}};
}

struct FullShard {
  explicit FullShard(std::int64_t entries)
      : macs(sample_macs(static_cast<std::size_t>(entries))), shard(std::size_t{1} << 30) {
    for (const Mac& mac : macs)
      shard.insert(mac, small_item());
  }
  std::vector<Mac> macs;
  HotShard shard;
};

void find_hot(benchmark::State& state) {
  auto& full = kept<FullShard>(kHotEntries);
  io::SeededRandom random(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(full.shard.find(full.macs[random.next() % full.macs.size()]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_hot)->Name("hot_tier/find_hit");

void miss_hot(benchmark::State& state) {
  auto& full = kept<FullShard>(kHotEntries);
  const std::vector<Mac> absent = sample_macs(1 << 14, kHotEntries);
  io::SeededRandom random(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(full.shard.find(absent[random.next() % absent.size()]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(miss_hot)->Name("hot_tier/find_miss");

/// Into a full shard, keys that come again and again, so that the ghost queue has its part: the
/// entry is made, and the one that it evicts is destroyed and zeroed.
void insert_and_evict(benchmark::State& state) {
  constexpr std::size_t kRoom = 10'000;
  const std::vector<Mac> macs = sample_macs(4 * kRoom);
  HotShard shard(kRoom * kHotValueBytes);
  const std::string value = sample_text(kHotValueBytes);
  std::size_t next = 0;
  const auto insert = [&] {
    shard.insert(macs[next], {Entry::make(value), 0, {}});
    next = next + 1 == macs.size() ? 0 : next + 1;
  };
  while (shard.evictions() == 0)
    insert();
  for (auto _ : state)
    insert();
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("1 KiB values");
}
BENCHMARK(insert_and_evict)->Name("hot_tier/insert_evict");

/// A cache beside a slow source: what is not there is put. It has room for about an eighth.
void serve_zipf(benchmark::State& state) {
  constexpr std::size_t kKeys = 80'000;
  const std::vector<Mac> macs = sample_macs(kKeys);
  const std::vector<std::uint32_t> draws = zipf_draws(kKeys, 0.99, 1 << 18);
  HotShard shard(kKeys / 8 * kHotValueBytes);
  const std::string value = sample_text(kHotValueBytes);
  std::uint64_t hits = 0;
  std::size_t next = 0;
  for (auto _ : state) {
    const Mac& mac = macs[draws[next++ % draws.size()]];
    if (shard.find(mac) != nullptr) {
      ++hits;
    } else {
      shard.insert(mac, {Entry::make(value), 0, {}});
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["hit_ratio"] = static_cast<double>(hits) / static_cast<double>(state.iterations());
  state.SetLabel("Zipf 0.99, 1 KiB values");
}
BENCHMARK(serve_zipf)->Name("hot_tier/zipf_mix");

}  // namespace
}  // namespace kachel::micro
