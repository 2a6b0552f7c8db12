// What a value says about itself: the model that made it and the tokens it took, where it has the
// shape that OpenAI's API gave such answers and most clients keep.
//
// Known shapes, as the clients store them (sources in docs/metrics.md):
//   raw         {"model": "..", .., "usage": {"prompt_tokens": 1, "completion_tokens": 2, ..}}
//   Anthropic   the same with "input_tokens" and "output_tokens"
//   LiteLLM     {"timestamp": .., "response": "<one of the above, as a string>"}: JSON from its
//               asynchronous client, Python's repr() of the same from the other
//   LangChain   serialized generations: "response_metadata" with "model_name" and "token_usage"
//               ("tokenUsage" in JavaScript), "usage_metadata" with "input_tokens"
//
// A tolerant scan, not a parser of JSON: strings are skipped, not decoded, so that text which
// merely quotes such an answer is not taken for one. Bounded by kMaxAttributedBytes, and by
// kMaxDepth of nesting. A value that does not begin like JSON, or names no tokens, costs one look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/entry.h"

namespace kachel::server {

inline constexpr std::size_t kMaxAttributedBytes = std::size_t{1} << 20;

struct Attribution {
  std::string model;  // empty: it names none
  std::uint64_t tokens_in = 0;
  std::uint64_t tokens_out = 0;
  bool is_completion = false;  // it counts tokens of an answer
};

/// Nothing when the value has no usage in it.
std::optional<Attribution> attribution_of(std::string_view value);

/// Fills in what `metadata` leaves open. What it says stands.
void attribute(std::string_view value, Metadata& metadata);

}  // namespace kachel::server
