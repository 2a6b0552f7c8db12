// The log's unit: records one by one, a segment walked without its footer, and the footer.
#include <benchmark/benchmark.h>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/micro/samples.h"
#include "engine/format/footer.h"
#include "engine/format/record.h"
#include "engine/format/scanner.h"
#include "io/memory_storage.h"

namespace kachel::micro {
namespace {

constexpr std::size_t kPayloadBytes = 1024;
constexpr std::uint64_t kSegmentRecords = 4000;  // of a segment of 4 MiB

format::RecordMeta sample_meta(std::string_view key) {
  format::RecordMeta meta;
  meta.key = key;
  meta.model = "a-model";
  meta.created_ms = 1'700'000'000'000;
  meta.raw_bytes = kPayloadBytes;
  meta.tokens_in = 300;
  meta.tokens_out = 80;
  return meta;
}

void encode_one(benchmark::State& state) {
  const std::string key = sample_key(1);
  const std::string payload = sample_text(kPayloadBytes);
  for (auto _ : state) {
    format::EncodedRecord record = format::encode_record(sample_meta(key), bytes_of(payload));
    record.finish({{}, 1, 4096}, 7);
    benchmark::DoNotOptimize(record.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("1 KiB, checksums included");
}
BENCHMARK(encode_one)->Name("record/encode");

void decode_one(benchmark::State& state) {
  const std::string key = sample_key(1);
  const std::string payload = sample_text(kPayloadBytes);
  format::EncodedRecord record = format::encode_record(sample_meta(key), bytes_of(payload));
  const format::Place place{{}, 1, 4096};
  record.finish(place, 7);
  for (auto _ : state)
    benchmark::DoNotOptimize(format::decode_record(record.bytes(), place).has_value());
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("1 KiB, checksums included");
}
BENCHMARK(decode_one)->Name("record/decode");

/// A segment in memory, as long as the scanner's reads take it to be.
struct SegmentSample {
  explicit SegmentSample(std::int64_t records)
      : file(storage.open("segment", io::OpenMode::kCreate).value()) {
    header.segment_id = 1;
    header.first_sequence = 1;
    bytes = format::encode_segment_header(header);
    const std::string payload = sample_text(kPayloadBytes);
    for (std::uint64_t i = 1; i <= static_cast<std::uint64_t>(records); ++i)
      add(i, payload);
    iovec part{bytes.data(), bytes.size()};
    file->write_at(0, {&part, 1}).value();
  }

  void add(std::uint64_t sequence, std::string_view payload) {
    const std::string key = sample_key(sequence);
    format::RecordMeta meta = sample_meta(key);
    format::EncodedRecord record = format::encode_record(meta, bytes_of(payload));
    const std::size_t offset = bytes.size();
    record.finish({header.store_id, header.segment_id, offset}, sequence);
    bytes.insert(bytes.end(), record.bytes().begin(), record.bytes().end());
    meta.sequence = meta.version = sequence;
    summaries.push_back(format::summarize(meta, offset, record.size(), {}));
  }

  io::MemoryStorage storage;
  std::unique_ptr<io::File> file;
  format::SegmentHeader header;
  std::vector<std::byte> bytes;
  std::vector<format::RecordSummary> summaries;
};

void scan_records(benchmark::State& state) {
  const auto& segment = kept<SegmentSample>(kSegmentRecords);
  std::uint64_t found = 0;
  while (state.KeepRunningBatch(kSegmentRecords)) {
    const auto scan = format::scan_segment(
        *segment.file, segment.header.store_id, segment.header.segment_id,
        format::kSegmentHeaderBytes, [&](const format::DecodedRecord&, std::uint64_t) { ++found; });
    if (scan.value().records != kSegmentRecords) throw std::logic_error("a record is not found");
  }
  benchmark::DoNotOptimize(found);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(segment.bytes.size() / kSegmentRecords));
  state.SetLabel("per record of 1 KiB, from memory");
}
BENCHMARK(scan_records)->Name("record/scan");

void build_footer(benchmark::State& state) {
  const auto& segment = kept<SegmentSample>(kSegmentRecords);
  while (state.KeepRunningBatch(kSegmentRecords)) {
    benchmark::DoNotOptimize(
        format::encode_footer({}, segment.header, segment.bytes.size(), segment.summaries));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("per record");
}
BENCHMARK(build_footer)->Name("footer/encode");

void read_footer(benchmark::State& state) {
  const auto& segment = kept<SegmentSample>(kSegmentRecords);
  const auto footer =
      format::encode_footer({}, segment.header, segment.bytes.size(), segment.summaries);
  const std::span table(footer.bytes.data(), footer.trailer.table_bytes);
  while (state.KeepRunningBatch(kSegmentRecords)) {
    const auto rows = format::decode_table(table, segment.header, footer.trailer);
    if (rows.value().size() != kSegmentRecords) throw std::logic_error("a record is missing");
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("per record");
}
BENCHMARK(read_footer)->Name("footer/decode");

}  // namespace
}  // namespace kachel::micro
