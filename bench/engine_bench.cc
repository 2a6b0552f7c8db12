// The parts of the engine that every request passes, one by one. Compare runs on one machine,
// side by side; the figures of a shared machine are ratios, not promises.
#include <benchmark/benchmark.h>
#include <string>

#include "engine/codec.h"
#include "engine/format/record.h"
#include "engine/hot_tier.h"
#include "engine/mac.h"
#include "io/random.h"

namespace kachel {
namespace {

std::string sample_text(std::size_t bytes) {
  static constexpr std::string_view kWords[] = {"the ",  "cache ", "model ", "answers ",
                                                "with ", "heat ",  "keeps ", "it "};
  io::SeededRandom random(1);
  std::string text;
  while (text.size() < bytes)
    text += kWords[random.next() % std::size(kWords)];
  text.resize(bytes);
  return text;
}

void KeyMac(benchmark::State& state) {
  const MacKey key{};
  const std::string text = "completion:0fb75bece3600fb75bece3600fb75bece3600fb75bece360";
  for (auto _ : state)
    benchmark::DoNotOptimize(key_mac(key, {}, text));
}
BENCHMARK(KeyMac);

void Compress(benchmark::State& state) {
  const std::string text = sample_text(static_cast<std::size_t>(state.range(0)));
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  for (auto _ : state)
    benchmark::DoNotOptimize(compress(bytes, 3).bytes.size());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Compress)->Arg(1024)->Arg(16 * 1024);

void Decompress(benchmark::State& state) {
  const std::string text = sample_text(static_cast<std::size_t>(state.range(0)));
  const Compressed stored = compress(std::as_bytes(std::span(text.data(), text.size())), 3);
  const std::vector<std::byte> frame(stored.bytes.begin(), stored.bytes.end());
  std::vector<std::byte> out(text.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(decompress(stored.codec, frame, out).has_value());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Decompress)->Arg(1024)->Arg(16 * 1024);

void DecodeRecord(benchmark::State& state) {
  const std::string payload = sample_text(1024);
  format::RecordMeta meta;
  meta.key = "completion:0fb75bece360";
  meta.model = "a-model";
  meta.raw_bytes = payload.size();
  format::EncodedRecord record =
      format::encode_record(meta, std::as_bytes(std::span(payload.data(), payload.size())));
  const format::Place place{{}, 1, 4096};
  record.finish(place, 7);
  for (auto _ : state) {
    benchmark::DoNotOptimize(format::decode_record(record.bytes(), place).has_value());
  }
}
BENCHMARK(DecodeRecord);

void HotTierFind(benchmark::State& state) {
  constexpr std::uint64_t kEntries = 100'000;
  HotShard shard(std::size_t{1} << 30);
  std::vector<Mac> macs;
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    macs.push_back(key_mac({}, {}, std::to_string(i)));
    shard.insert(macs.back(), {Entry::make("value"), 0, {}});
  }
  io::SeededRandom random(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(shard.find(macs[random.next() % kEntries]));
}
BENCHMARK(HotTierFind);

}  // namespace
}  // namespace kachel

BENCHMARK_MAIN();
