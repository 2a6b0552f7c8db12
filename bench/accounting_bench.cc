// What counting costs: a hit of the hot tier with and without, side by side in one run; and a value
// looked into for its model when it is set.
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/kachel.h"
#include "io/manual_loop.h"
#include "io/random.h"
#include "server/accounting_worker.h"
#include "server/attribution.h"
#include "server/server_state.h"

namespace kachel::server {
namespace {

constexpr std::uint64_t kEntries = 50'000;
constexpr std::size_t kValueBytes = 1024;
constexpr unsigned kModels = 8;

std::string key_of(std::uint64_t number) {
  return "completion:" + std::to_string(number);
}

/// A store whose entries are all hot.
class HotStore {
 public:
  HotStore() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kachel-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
    Options options;
    options.memory_bytes = 512 * kMiB;
    options.durability = Durability::kRelaxed;
    auto opened = LocalStore::open(directory_, options);
    if (!opened) std::abort();
    store_ = std::move(*opened);
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      PutOptions put;
      put.metadata.model = "a-model-" + std::to_string(i % kModels);
      put.metadata.tokens_in = 300;
      put.metadata.tokens_out = 80;
      if (!store_->put(key_of(i), std::string(kValueBytes, 'v'), put)) std::abort();
    }
    worker_ = store_->store().attach(loop_);
    state_.counters.push_back(std::make_unique<WorkerCounters>());
  }
  ~HotStore() {
    worker_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  HotStore(const HotStore&) = delete;
  HotStore& operator=(const HotStore&) = delete;

  Worker& worker() { return *worker_; }
  std::shared_ptr<Ledger> ledger() {
    return std::make_shared<Ledger>(state_.counters[0]->meter, state_.models, state_.policy);
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<LocalStore> store_;
  io::ManualClock clock_;
  io::ManualLoop loop_{clock_};
  std::unique_ptr<Worker> worker_;
  ServerState state_;
};

void get_hot(benchmark::State& state, Worker& worker) {
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; i < kEntries; ++i)
    keys.push_back(key_of(i));
  io::SeededRandom random(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(worker.get_hot({}, keys[random.next() % kEntries]).has_value());
}

void HotHitUncounted(benchmark::State& state) {
  HotStore store;
  get_hot(state, store.worker());
}
BENCHMARK(HotHitUncounted);

void HotHitCounted(benchmark::State& state) {
  HotStore store;
  AccountingWorker worker(store.worker(), store.ledger());
  get_hot(state, worker);
}
BENCHMARK(HotHitCounted);

void attribution(benchmark::State& state, const std::string& value) {
  for (auto _ : state)
    benchmark::DoNotOptimize(attribution_of(value).has_value());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(value.size()));
}

void AttributePlainText(benchmark::State& state) {
  attribution(state, std::string(4096, 'x'));
}
BENCHMARK(AttributePlainText);

void AttributeOtherJson(benchmark::State& state) {
  std::string value = "{";
  while (value.size() < 4096)
    value += R"("some key": "some words of a value that is none of ours", "n": [1, 2, 3],)";
  attribution(state, value + R"("end": 1})");
}
BENCHMARK(AttributeOtherJson);

std::string answer(std::string_view newline) {
  std::string value = R"({"id":"c","model":"gpt-4o","choices":[{"message":{"content":")";
  while (value.size() < 4096)
    value.append("words of an answer, some of them on a new line").append(newline);
  return value + R"("}}],"usage":{"prompt_tokens":19,"completion_tokens":1000}})";
}

void AttributeAnswer(benchmark::State& state) {
  attribution(state, answer("\\n"));
}
BENCHMARK(AttributeAnswer);

void AttributeAnswerOfLiteLlm(benchmark::State& state) {
  std::string value = R"({"timestamp":1.5,"response":")";
  for (const char c : answer("\\n")) {
    if (c == '"' || c == '\\') value.push_back('\\');
    value.push_back(c);
  }
  attribution(state, value + "\"}");
}
BENCHMARK(AttributeAnswerOfLiteLlm);

}  // namespace
}  // namespace kachel::server

BENCHMARK_MAIN();
