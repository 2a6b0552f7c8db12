// Values on their way into a record and out of it: zstd, checksums, and the MAC of the key.
#include <benchmark/benchmark.h>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/micro/samples.h"
#include "engine/codec.h"
#include "engine/format/checksum.h"
#include "engine/mac.h"

namespace kachel::micro {
namespace {

// As Options has them.
constexpr int kLevel = 1;
constexpr int kDictionaryLevel = 3;
constexpr std::size_t kTexts = 64;
constexpr std::size_t kDictionaryBytes = 64 * 1024;  // as a store with large segments has it

enum class How : std::int64_t { kPlain, kFastWithDictionary, kDenseWithDictionary };

/// Trained as the engine does: on a thousand values of some 1 KiB.
struct TrainedDictionary {
  explicit TrainedDictionary(std::int64_t samples) {
    std::string text;
    std::vector<std::size_t> sizes;
    format::SegmentDictionary stored;
    stored.id = 1;
    for (std::int64_t i = 0; i < samples; ++i) {
      text += sample_text(1024, 1'000'000 + static_cast<std::uint64_t>(i));
      sizes.push_back(1024);
      stored.samples.push_back({{}, static_cast<std::uint64_t>(i + 1)});
    }
    stored.content = train_dictionary(bytes_of(text), sizes, kDictionaryBytes).value();
    dictionary = Dictionary::make(std::move(stored), kDictionaryLevel, 86'400'000).value();
  }
  Dictionary::Pointer dictionary;
};

const Dictionary* dictionary_for(How how) {
  if (how == How::kPlain) return nullptr;
  return kept<TrainedDictionary>(1000).dictionary.get();
}

Compressed compress_by(How how, std::string_view text) {
  const Dictionary* dictionary = dictionary_for(how);
  if (dictionary == nullptr) return compress(bytes_of(text), kLevel);
  const Effort effort = how == How::kDenseWithDictionary ? Effort::kDense : Effort::kFast;
  return compress(bytes_of(text), *dictionary, effort);
}

const char* label_of(How how) {
  switch (how) {
    case How::kPlain:
      return "no dictionary";
    case How::kFastWithDictionary:
      return "dictionary, fast";
    case How::kDenseWithDictionary:
      return "dictionary, dense";
  }
  return "";
}

void compress_text(benchmark::State& state) {
  const auto how = static_cast<How>(state.range(1));
  const auto texts = sample_texts(kTexts, static_cast<std::size_t>(state.range(0)));
  compress_by(how, texts[0]);  // the dictionary's tables are made when it is first used
  std::size_t next = 0;
  std::size_t stored = 0;
  for (auto _ : state)
    stored += compress_by(how, texts[next++ % kTexts]).bytes.size();
  const auto bytes = state.iterations() * state.range(0);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(bytes);
  state.counters["ratio"] = static_cast<double>(bytes) / static_cast<double>(stored);
  state.SetLabel(label_of(how));
}

void decompress_text(benchmark::State& state) {
  const auto how = static_cast<How>(state.range(1));
  const auto texts = sample_texts(kTexts, static_cast<std::size_t>(state.range(0)));
  std::vector<std::vector<std::byte>> frames;
  format::Codec codec = format::Codec::kRaw;
  for (const std::string& text : texts) {
    const Compressed stored = compress_by(how, text);
    frames.emplace_back(stored.bytes.begin(), stored.bytes.end());
    codec = stored.codec;
  }
  const Dictionary* dictionary = dictionary_for(how);
  std::vector<std::byte> out(texts[0].size());
  std::size_t next = 0;
  for (auto _ : state) {
    if (!decompress(codec, frames[next++ % kTexts], out, dictionary)) {
      throw std::runtime_error("a frame does not decompress");
    }
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
  state.SetLabel(label_of(how));
}

BENCHMARK(compress_text)->Name("codec/compress")->ArgsProduct({{1024, 4096, 16 * 1024}, {0, 1, 2}});
// The effort makes no difference to who reads.
BENCHMARK(decompress_text)
    ->Name("codec/decompress")
    ->ArgsProduct({{1024, 4096, 16 * 1024}, {0, 1}});

void checksum_text(benchmark::State& state) {
  const std::string text = sample_text(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(format::checksum(bytes_of(text), 7));
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum_text)->Name("codec/checksum")->Arg(40)->Arg(1024)->Arg(64 * 1024);

void mac_of_key(benchmark::State& state) {
  const std::string key = sample_key(1) + std::string(33, 'f');  // with a hash of the prompt
  for (auto _ : state)
    benchmark::DoNotOptimize(key_mac({}, {}, key));
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("60 bytes");
}
BENCHMARK(mac_of_key)->Name("codec/key_mac");

}  // namespace
}  // namespace kachel::micro
