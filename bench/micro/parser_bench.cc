// RESP: requests as clients send them, whole and in pieces, and the reply to a GET.
#include <algorithm>
#include <benchmark/benchmark.h>
#include <stdexcept>
#include <string>

#include "bench/micro/samples.h"
#include "server/output_chain.h"
#include "server/resp_parser.h"
#include "server/resp_writer.h"

namespace kachel::micro {
namespace {

using server::RequestParser;

constexpr std::size_t kPipeline = 16;
constexpr std::size_t kPacketBytes = 1448;  // of an Ethernet frame's 1500, with TCP timestamps

void add_bulk(std::string& request, std::string_view text) {
  request.append("$").append(std::to_string(text.size())).append("\r\n");
  request.append(text).append("\r\n");
}

std::string get_request(std::uint64_t number) {
  std::string request = "*2\r\n";
  add_bulk(request, "GET");
  add_bulk(request, sample_key(number));
  return request;
}

std::string set_request(std::size_t value_bytes) {
  std::string request = "*3\r\n";
  add_bulk(request, "SET");
  add_bulk(request, sample_key(1));
  add_bulk(request, sample_text(value_bytes));
  return request;
}

/// The one request at the start of `input`, which is dealt with.
void take_request(RequestParser& parser, std::string_view& input) {
  if (parser.parse(input) != RequestParser::Status::kRequest) {
    throw std::logic_error("the parser has not found the request");
  }
  benchmark::DoNotOptimize(parser.arguments(input).data());
  input.remove_prefix(parser.length());
  parser.next();
}

void parse_pipeline(benchmark::State& state) {
  std::string requests;
  for (std::uint64_t i = 0; i < kPipeline; ++i)
    requests += get_request(i);
  RequestParser parser({});
  while (state.KeepRunningBatch(kPipeline)) {
    std::string_view input = requests;
    while (!input.empty())
      take_request(parser, input);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(get_request(0).size()));
  state.SetLabel("per GET of a pipeline of 16");
}
BENCHMARK(parse_pipeline)->Name("parser/get_pipeline");

void parse_set(benchmark::State& state) {
  const std::string request = set_request(static_cast<std::size_t>(state.range(0)));
  RequestParser parser({});
  for (auto _ : state) {
    std::string_view input = request;
    take_request(parser, input);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(request.size()));
}
BENCHMARK(parse_set)->Name("parser/set")->Arg(1024)->Arg(64 * 1024);

/// The parser is asked again after each piece that has come.
void parse_in_pieces(benchmark::State& state) {
  const std::string request = set_request(static_cast<std::size_t>(state.range(0)));
  const auto piece = static_cast<std::size_t>(state.range(1));
  RequestParser parser({});
  for (auto _ : state) {
    std::string_view input;
    for (std::size_t bytes = piece; bytes < request.size(); bytes += piece) {
      input = std::string_view(request).substr(0, bytes);
      benchmark::DoNotOptimize(parser.parse(input));
    }
    input = request;
    take_request(parser, input);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(request.size()));
}
BENCHMARK(parse_in_pieces)
    ->Name("parser/set_in_pieces")
    ->ArgNames({"value", "piece"})
    ->Args({1024, 1})
    ->Args({64 * 1024, kPacketBytes});

/// Up to the gather write, which takes the reply as a whole.
void write_reply(benchmark::State& state) {
  const Entry::Pointer entry = Entry::make(sample_text(static_cast<std::size_t>(state.range(0))));
  server::ChunkPool pool;
  server::OutputChain out(&pool);
  iovec parts[16];
  for (auto _ : state) {
    server::ReplyWriter(out, server::Protocol::kResp3).value(entry);
    benchmark::DoNotOptimize(out.gather(parts));
    benchmark::DoNotOptimize(parts);
    out.consume(out.bytes());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(write_reply)->Name("writer/value")->Arg(1024)->Arg(64 * 1024);

}  // namespace
}  // namespace kachel::micro
