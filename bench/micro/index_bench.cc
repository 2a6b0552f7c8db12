// The index: RocksDB's, as the store opens it, and beside it the ordered map that tests use, which
// is the floor for what finds rows in order.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/micro/samples.h"
#include "engine/memory_index.h"
#include "engine/rocksdb_index.h"
#include "io/random.h"
#include "tests/contract/temp_directory.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kBatchRows = 256;
constexpr std::size_t kFlushRows = 50'000;
constexpr std::size_t kListRows = 100;
constexpr std::uint64_t kIndexBytes = 512 * std::uint64_t{1024} * 1024;

/// In place: of rows that are moved g++ 12 warns without reason.
void set_change(IndexChange& change, const Mac& mac, std::uint64_t number) {
  change.key = {{}, mac};
  Row& row = change.row.emplace();
  row.segment_id = 1 + number / 4000;
  row.offset = 4096 + number % 4000 * 1024;
  row.size = 1024;
  row.sequence = row.version = number + 1;
  row.raw_bytes = 2048;
  row.tags.push_back(7);
}

void flush_and_wait(Index& index) {
  std::promise<void> flushed;
  index.flush({}, {}, [&](Result<void> result) {
    if (!result) throw std::runtime_error(result.error().message);
    flushed.set_value();
  });
  flushed.get_future().wait();
}

enum class Flushes { kNone, kRegular };

/// Rows of these keys, as the log applies them.
void fill_index(Index& index, std::span<const Mac> macs, Flushes flushes) {
  std::size_t unflushed = 0;
  for (std::size_t first = 0; first < macs.size(); first += kBatchRows) {
    std::vector<IndexChange> batch(std::min(kBatchRows, macs.size() - first));
    for (std::size_t i = 0; i < batch.size(); ++i)
      set_change(batch[i], macs[first + i], first + i);
    index.apply(batch).value();
    unflushed += batch.size();
    if (flushes == Flushes::kNone || unflushed < kFlushRows) continue;
    flush_and_wait(index);
    unflushed = 0;
  }
}

struct RocksDbSample {
  explicit RocksDbSample(std::int64_t rows) : macs(sample_macs(static_cast<std::size_t>(rows))) {
    RocksDbIndexOptions options;
    options.path = (directory.path() / "index").string();
    options.memory_bytes = kIndexBytes;
    index = open_rocksdb_index(options).value();
    fill_index(*index, macs, Flushes::kRegular);
    flush_and_wait(*index);
    index->start_housekeeping();
    std::promise<void> settled;
    index->when_settled([&] { settled.set_value(); });
    settled.get_future().wait();
    for (const Mac& mac : macs)  // from here on the blocks are in memory
      index->find({{}, mac}, Where::kAnywhere);
  }
  io::TempDirectory directory;
  std::vector<Mac> macs;
  std::unique_ptr<Index> index;
};

struct MemorySample {
  explicit MemorySample(std::int64_t rows)
      : macs(sample_macs(static_cast<std::size_t>(rows))),
        index(std::make_unique<MemoryIndex>(std::make_shared<MemoryIndexImage>())) {
    fill_index(*index, macs, Flushes::kRegular);
  }
  std::vector<Mac> macs;
  std::unique_ptr<Index> index;
};

/// Rows since the last flush, with no others below them.
struct UnflushedSample {
  explicit UnflushedSample(std::int64_t rows) : macs(sample_macs(static_cast<std::size_t>(rows))) {
    RocksDbIndexOptions options;
    options.path = (directory.path() / "index").string();
    options.memory_bytes = kIndexBytes;
    index = open_rocksdb_index(options).value();
    fill_index(*index, macs, Flushes::kNone);
  }
  io::TempDirectory directory;
  std::vector<Mac> macs;
  std::unique_ptr<Index> index;
};

void find_rows(benchmark::State& state, const Index& index, const std::vector<Mac>& macs,
               Where where, LookupStatus expected) {
  io::SeededRandom random(1);
  std::int64_t answered = 0;
  for (auto _ : state) {
    const Lookup lookup = index.find({{}, macs[random.next() % macs.size()]}, where);
    if (lookup.status == expected) ++answered;
  }
  state.SetItemsProcessed(state.iterations());
  // The rest would take a read of the disk.
  state.counters["answered"] =
      static_cast<double>(answered) / static_cast<double>(state.iterations());
}

void find_present(benchmark::State& state, Where where) {
  const auto& sample = kept<RocksDbSample>(state.range(0));
  find_rows(state, *sample.index, sample.macs, where, LookupStatus::kFound);
}

void find_absent(benchmark::State& state, Where where) {
  const auto& sample = kept<RocksDbSample>(state.range(0));
  const auto absent = sample_macs(1 << 14, sample.macs.size());
  find_rows(state, *sample.index, absent, where, LookupStatus::kAbsent);
}

void list_rows(benchmark::State& state) {
  const auto& sample = kept<RocksDbSample>(state.range(0));
  io::SeededRandom random(1);
  while (state.KeepRunningBatch(kListRows)) {
    const Mac& from = sample.macs[random.next() % sample.macs.size()];
    benchmark::DoNotOptimize(sample.index->list({}, from, kListRows).value().size());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("per row, 100 at a time");
}

// Those of one size follow each other: they share the index that it takes.
#define KACHEL_INDEX_BENCHMARKS(rows)                         \
  BENCHMARK_CAPTURE(find_present, memory, Where::kMemory)     \
      ->Name("index/find_present/memory")                     \
      ->Arg(rows);                                            \
  BENCHMARK_CAPTURE(find_present, anywhere, Where::kAnywhere) \
      ->Name("index/find_present/anywhere")                   \
      ->Arg(rows);                                            \
  BENCHMARK_CAPTURE(find_absent, memory, Where::kMemory)      \
      ->Name("index/find_absent/memory")                      \
      ->Arg(rows);                                            \
  BENCHMARK_CAPTURE(find_absent, anywhere, Where::kAnywhere)  \
      ->Name("index/find_absent/anywhere")                    \
      ->Arg(rows);                                            \
  BENCHMARK(list_rows)->Name("index/list")->Arg(rows)
KACHEL_INDEX_BENCHMARKS(100'000);
KACHEL_INDEX_BENCHMARKS(1'000'000);
#undef KACHEL_INDEX_BENCHMARKS

void find_present_unflushed(benchmark::State& state) {
  const auto& sample = kept<UnflushedSample>(state.range(0));
  find_rows(state, *sample.index, sample.macs, Where::kMemory, LookupStatus::kFound);
}
BENCHMARK(find_present_unflushed)->Name("index/find_present/unflushed")->Arg(100'000);

/// As each new key is looked up when its put is applied.
void find_absent_unflushed(benchmark::State& state) {
  const auto& sample = kept<UnflushedSample>(state.range(0));
  const auto absent = sample_macs(1 << 14, sample.macs.size());
  find_rows(state, *sample.index, absent, Where::kMemory, LookupStatus::kAbsent);
}
BENCHMARK(find_absent_unflushed)->Name("index/find_absent/unflushed")->Arg(100'000);

void find_in_map(benchmark::State& state) {
  const auto& sample = kept<MemorySample>(state.range(0));
  find_rows(state, *sample.index, sample.macs, Where::kMemory, LookupStatus::kFound);
}
BENCHMARK(find_in_map)->Name("index/find_present/std_map")->Arg(100'000);

/// New rows for known keys. The flushes that this leads to are not timed.
void apply_rows(benchmark::State& state) {
  const auto& sample = kept<RocksDbSample>(state.range(0));
  io::SeededRandom random(1);
  std::vector<IndexChange> batch(kBatchRows);
  std::uint64_t number = sample.macs.size();
  std::size_t unflushed = 0;
  while (state.KeepRunningBatch(kBatchRows)) {
    state.PauseTiming();
    for (IndexChange& change : batch)
      set_change(change, sample.macs[random.next() % sample.macs.size()], number++);
    if ((unflushed += kBatchRows) >= kFlushRows) {
      flush_and_wait(*sample.index);
      unflushed = 0;
    }
    state.ResumeTiming();
    sample.index->apply(batch).value();
  }
  flush_and_wait(*sample.index);
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("per row, 256 at a time");
}
BENCHMARK(apply_rows)->Name("index/apply")->Arg(100'000);

}  // namespace
}  // namespace kachel::micro
