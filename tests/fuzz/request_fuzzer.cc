// The parser of requests: however its input is split, it finds the same requests, or the same
// error at the same place, and never looks outside.
//
// Input: a seed for the pieces, a byte of limits, then what the client sends.
#include <optional>

#include "io/random.h"
#include "server/input_buffer.h"
#include "server/resp_parser.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using server::InputBuffer;
using server::ParserLimits;
using server::RequestParser;

struct Parsed {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  std::size_t rest = 0;  // bytes not understood (yet)
  friend bool operator==(const Parsed&, const Parsed&) = default;
};

ParserLimits limits_of(std::uint8_t choice) {
  ParserLimits limits;
  if ((choice & 1) != 0) limits.max_arguments = 4;
  if ((choice & 2) != 0) limits.max_bulk_bytes = 20;
  if ((choice & 4) != 0) limits.max_inline_bytes = 40;
  if ((choice & 8) != 0) limits.max_request_bytes = 60;
  return limits;
}

/// Takes all requests there are; false once no more can follow.
bool take_requests(RequestParser& parser, InputBuffer& buffer, Parsed& parsed) {
  while (true) {
    const std::string_view view = buffer.view();
    const RequestParser::Status status = parser.parse(view);
    KACHEL_CHECK(parser.parse(view) == status, "the same input gives another answer");
    if (status == RequestParser::Status::kError) {
      parsed.error = parser.error();
      KACHEL_CHECK(!parsed.error.empty(), "an error says nothing");
      return false;
    }
    if (status == RequestParser::Status::kNeedMore) {
      KACHEL_CHECK(parser.wanted() == 0 || parser.wanted() > view.size(),
                   "waits for bytes that are there");
      return true;
    }
    const auto arguments = parser.arguments(view);
    parsed.requests.emplace_back(arguments.begin(), arguments.end());
    KACHEL_CHECK(parser.length() > 0 && parser.length() <= view.size(),
                 "a request is not inside its input");
    buffer.consume(parser.length());
    parser.next();
  }
}

/// In pieces, or with no seed all at once.
Parsed parse(const ParserLimits& limits, std::string_view text, std::optional<std::uint8_t> seed) {
  io::SeededRandom random(seed.value_or(0));
  RequestParser parser(limits);
  InputBuffer buffer;
  Parsed parsed;
  bool going_on = true;
  while (going_on && !text.empty()) {
    const std::size_t most = (random.next() & 3) == 0 ? text.size() : 5;
    const std::size_t piece = seed ? 1 + random.next() % most : text.size();
    buffer.append(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    going_on = take_requests(parser, buffer, parsed);
  }
  parsed.rest = buffer.size() + text.size();
  return parsed;
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t seed = input.u8();
  const auto limits = limits_of(input.u8());
  const Bytes text = exact_copy(input.rest());
  const Parsed whole = parse(limits, as_text(text), std::nullopt);
  const Parsed pieces = parse(limits, as_text(text), seed);
  KACHEL_CHECK(whole == pieces, "the result depends on how the input is split");
  return 0;
}
