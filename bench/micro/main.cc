// The parts of Kachel, one by one: parser, hot tier, codec, records, index, ring, recovery, log.
// Compare runs on one machine, side by side; the figures of a shared machine are ratios, not
// promises. `--benchmark_filter=^codec/` runs the benchmarks of one part.
#include <benchmark/benchmark.h>
#include <cstdio>
#include <exception>

#include "bench/micro/samples.h"

int main(int count, char** arguments) try {
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
#ifndef __OPTIMIZE__
  std::fputs("micro_bench: built without optimization: the figures say nothing\n", stderr);
#endif
  const std::size_t ran = benchmark::RunSpecifiedBenchmarks();
  kachel::micro::end_samples();
  benchmark::Shutdown();
  if (ran != 0) return 0;
  std::fputs("micro_bench: no benchmark has run: see --benchmark_list_tests\n", stderr);
  return 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "micro_bench: %s\n", error.what());
  return 1;
}
