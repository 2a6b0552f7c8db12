// What a value says about itself. Whatever the bytes: it ends, in time that grows with them; what
// is found is within its bounds; and the same answer comes of the answer wrapped as LiteLLM does
// it.
#include <string>

#include "io/zeroizing.h"
#include "server/attribution.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using server::Attribution;
using server::attribution_of;

std::string wrapped(std::string_view value) {
  std::string text = R"({"timestamp": 1.5, "response": ")";
  for (const char c : value) {
    if (c == '"' || c == '\\') text.push_back('\\');
    text.push_back(c);
  }
  return text + "\"}";
}

void check(const Attribution& found) {
  KACHEL_CHECK(found.model.size() <= kMaxModelBytes, "the model's name is too long");
  for (const char c : found.model)
    KACHEL_CHECK(static_cast<unsigned char>(c) >= ' ', "the model's name has control characters");
  KACHEL_CHECK(found.tokens_in <= 1'000'000'000 && found.tokens_out <= 1'000'000'000,
               "more tokens than there can be");
}

}  // namespace
}  // namespace kachel::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel;
  using namespace kachel::fuzz;
  const Bytes bytes = exact_copy(std::as_bytes(std::span(data, size)));
  const std::string_view value = as_text(bytes);
  const auto found = server::attribution_of(value);
  Metadata metadata;
  server::attribute(value, metadata);
  if (!found) {
    KACHEL_CHECK(metadata.model.empty() && metadata.tokens_in == 0, "filled in from nothing");
    return 0;
  }
  check(*found);
  KACHEL_CHECK(metadata.model == found->model && metadata.tokens_out == found->tokens_out,
               "not filled in as it was found");
  // Where nothing in the value is an escape that the wrapping would undo.
  const bool is_object = value.starts_with('{') && value.find("response") == std::string_view::npos;
  if (!is_object || size > server::kMaxAttributedBytes / 4) return 0;
  const auto again = server::attribution_of(wrapped(value));
  KACHEL_CHECK(again && again->model == found->model && again->tokens_in == found->tokens_in &&
                   again->tokens_out == found->tokens_out,
               "wrapped, it says something else");
  return 0;
}
