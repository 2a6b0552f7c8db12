// A value of 4 KiB looked into for its model when it is set.
#include <benchmark/benchmark.h>
#include <string>

#include "server/attribution.h"

namespace kachel::micro {
namespace {

void attribution(benchmark::State& state, const std::string& value) {
  for (auto _ : state)
    benchmark::DoNotOptimize(server::attribution_of(value).has_value());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(value.size()));
}

void attribute_plain_text(benchmark::State& state) {
  attribution(state, std::string(4096, 'x'));
}
BENCHMARK(attribute_plain_text)->Name("attribution/plain_text");

void attribute_other_json(benchmark::State& state) {
  std::string value = "{";
  while (value.size() < 4096)
    value += R"("some key": "some words of a value that is none of ours", "n": [1, 2, 3],)";
  attribution(state, value + R"("end": 1})");
}
BENCHMARK(attribute_other_json)->Name("attribution/other_json");

std::string answer(std::string_view newline) {
  std::string value = R"({"id":"c","model":"gpt-4o","choices":[{"message":{"content":")";
  while (value.size() < 4096)
    value.append("words of an answer, some of them on a new line").append(newline);
  return value + R"("}}],"usage":{"prompt_tokens":19,"completion_tokens":1000}})";
}

void attribute_answer(benchmark::State& state) {
  attribution(state, answer("\\n"));
}
BENCHMARK(attribute_answer)->Name("attribution/answer");

void attribute_litellm(benchmark::State& state) {
  std::string value = R"({"timestamp":1.5,"response":")";
  for (const char c : answer("\\n")) {
    if (c == '"' || c == '\\') value.push_back('\\');
    value.push_back(c);
  }
  attribution(state, value + "\"}");
}
BENCHMARK(attribute_litellm)->Name("attribution/answer_of_litellm");

}  // namespace
}  // namespace kachel::micro
