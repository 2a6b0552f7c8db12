// Incremental parser of Redis requests (RESP arrays of bulk strings, and inline commands).
//
// Sans-I/O: the caller owns a contiguous input that grows between calls and may move; the
// parser keeps offsets only, remembers how far it got (each byte is looked at once), copies
// no argument of a RESP array, and allocates in proportion to the bytes that have arrived,
// never by a length that was merely announced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/zeroizing.h"

namespace kachel::server {

struct ParserLimits {
  std::size_t max_arguments = 1024 * 1024;
  std::size_t max_bulk_bytes = std::size_t{64} << 20;
  std::size_t max_inline_bytes = 64 * 1024;
  std::size_t max_request_bytes = std::size_t{160} << 20;
};

class RequestParser {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,  // not a whole request yet
    kRequest,   // arguments() are there; no arguments: an empty line, to be skipped
    kError,     // error() says why; the connection can't be used any more
  };

  explicit RequestParser(const ParserLimits& limits) : limits_(limits) {}

  /// `input` begins with the first byte of the request and has at least the bytes of the
  /// call before. Once a request is whole, the same answer until next().
  Status parse(std::string_view input);
  /// Of the whole request at the start of `input`; valid until next() or until input moves.
  std::span<const std::string_view> arguments(std::string_view input);
  /// Bytes of the whole request.
  std::size_t length() const { return position_; }
  /// Length that input must reach before parsing goes on, as far as is known; 0: unknown.
  std::size_t wanted() const { return wanted_; }
  const std::string& error() const { return error_; }
  /// The request has been dealt with: input begins behind it from now on.
  void next();

 private:
  enum class State : std::uint8_t { kStart, kInline, kCount, kBulkHeader, kBulk, kDone, kError };
  struct Range {
    std::size_t offset;
    std::size_t length;
  };

  std::optional<std::string_view> take_line(std::string_view input, std::size_t max_bytes);
  Status need_line(std::string_view input, std::size_t max_bytes, const char* message);
  Status fail(std::string message);
  Status parse_count(std::string_view input);
  Status parse_bulk_header(std::string_view input);
  Status parse_bulk(std::string_view input);
  Status parse_inline(std::string_view input);
  Status advance(std::string_view input);
  bool split_inline(std::string_view line);

  ParserLimits limits_;
  State state_ = State::kStart;
  bool inline_ = false;
  std::size_t position_ = 0;  // everything before it has been understood
  std::size_t searched_ = 0;  // no line end in [position_, searched_)
  std::size_t wanted_ = 0;
  std::size_t remaining_ = 0;  // arguments still to come
  std::size_t bulk_bytes_ = 0;
  std::vector<Range> ranges_;  // into the input, or into inline_text_
  std::vector<std::string_view> views_;
  ZeroizingString inline_text_;  // unquoted arguments
  std::string error_;
};

/// A whole decimal number as Redis writes it: no leading zeros, spaces or plus sign.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace kachel::server
