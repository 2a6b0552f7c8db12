#include "server/resp_parser.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace kachel::server {
namespace {

// "*1048576\r\n" and "$536870912\r\n" fit easily; more is no length.
constexpr std::size_t kMaxHeaderBytes = 64;
// What one request may leave allocated for the next.
constexpr std::size_t kKeptArguments = 1024;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

/// Appends the unquoted form of the argument at `at` to `out` and moves `at` behind it.
/// False when its quotes are unbalanced or something but a space follows them.
bool take_argument(std::string_view line, std::size_t& at, ZeroizingString& out) {
  char quote = 0;
  while (at < line.size()) {
    const char c = line[at];
    if (quote == 0) {
      if (is_space(c)) return true;
      ++at;
      if (c == '"' || c == '\'') {
        quote = c;
      } else {
        out.push_back(c);
      }
      continue;
    }
    if (c == quote) {
      ++at;
      return at == line.size() || is_space(line[at]);
    }
    if (quote == '"' && c == '\\' && at + 3 < line.size() && line[at + 1] == 'x' &&
        hex_digit(line[at + 2]) >= 0 && hex_digit(line[at + 3]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(line[at + 2]) * 16 + hex_digit(line[at + 3])));
      at += 4;
    } else if (quote == '"' && c == '\\' && at + 1 < line.size()) {
      out.push_back(escaped(line[at + 1]));
      at += 2;
    } else if (quote == '\'' && c == '\\' && at + 1 < line.size() && line[at + 1] == '\'') {
      out.push_back('\'');
      at += 2;
    } else {
      out.push_back(c);
      ++at;
    }
  }
  return quote == 0;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

RequestParser::Status RequestParser::parse(std::string_view input) {
  while (true) {
    switch (state_) {
      case State::kDone:
        return Status::kRequest;
      case State::kError:
        return Status::kError;
      case State::kStart:
        if (input.empty()) return Status::kNeedMore;
        state_ = input[0] == '*' ? State::kCount : State::kInline;
        break;
      default:
        if (const Status status = advance(input); status != Status::kRequest) return status;
    }
  }
}

RequestParser::Status RequestParser::advance(std::string_view input) {
  switch (state_) {
    case State::kCount:
      return parse_count(input);
    case State::kBulkHeader:
      return parse_bulk_header(input);
    case State::kBulk:
      return parse_bulk(input);
    default:
      return parse_inline(input);
  }
}

// A line without its end; position_ moves behind it. Nothing when it is not whole yet.
std::optional<std::string_view> RequestParser::take_line(std::string_view input,
                                                         std::size_t max_bytes) {
  const std::size_t from = std::max(position_, searched_);
  const std::size_t limit = std::min(input.size(), position_ + max_bytes + 2);
  const std::size_t end = input.substr(0, limit).find('\n', from);
  if (end == std::string_view::npos) {
    searched_ = limit;
    return std::nullopt;
  }
  std::string_view line = input.substr(position_, end - position_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  position_ = searched_ = end + 1;
  return line;
}

RequestParser::Status RequestParser::need_line(std::string_view input, std::size_t max_bytes,
                                               const char* message) {
  if (input.size() - position_ >= max_bytes + 2) return fail(message);
  return Status::kNeedMore;
}

RequestParser::Status RequestParser::fail(std::string message) {
  state_ = State::kError;
  error_ = "Protocol error: " + std::move(message);
  return Status::kError;
}

RequestParser::Status RequestParser::parse_count(std::string_view input) {
  const auto line = take_line(input, kMaxHeaderBytes);
  if (!line) return need_line(input, kMaxHeaderBytes, "too big mbulk count string");
  const auto count = parse_integer(line->substr(1));
  if (!count || *count > static_cast<std::int64_t>(limits_.max_arguments)) {
    return fail("invalid multibulk length");
  }
  remaining_ = *count > 0 ? static_cast<std::size_t>(*count) : 0;
  state_ = remaining_ > 0 ? State::kBulkHeader : State::kDone;
  return Status::kRequest;
}

RequestParser::Status RequestParser::parse_bulk_header(std::string_view input) {
  if (position_ < input.size() && input[position_] != '$') {
    return fail(std::string("expected '$', got '") + input[position_] + "'");
  }
  const auto line = take_line(input, kMaxHeaderBytes);
  if (!line) return need_line(input, kMaxHeaderBytes, "too big bulk count string");
  const auto length = parse_integer(line->substr(1));
  if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > limits_.max_bulk_bytes) {
    return fail("invalid bulk length");
  }
  bulk_bytes_ = static_cast<std::size_t>(*length);
  if (position_ + bulk_bytes_ + 2 > limits_.max_request_bytes) return fail("too big request");
  wanted_ = position_ + bulk_bytes_ + 2;
  state_ = State::kBulk;
  return Status::kRequest;
}

RequestParser::Status RequestParser::parse_bulk(std::string_view input) {
  if (input.size() < wanted_) return Status::kNeedMore;
  if (input.substr(position_ + bulk_bytes_, 2) != "\r\n") return fail("expected CRLF after bulk");
  ranges_.push_back({position_, bulk_bytes_});
  position_ = searched_ = wanted_;
  wanted_ = 0;
  state_ = --remaining_ > 0 ? State::kBulkHeader : State::kDone;
  return Status::kRequest;
}

RequestParser::Status RequestParser::parse_inline(std::string_view input) {
  const auto line = take_line(input, limits_.max_inline_bytes);
  if (!line) return need_line(input, limits_.max_inline_bytes, "too big inline request");
  inline_ = true;
  if (!split_inline(*line)) return fail("unbalanced quotes in request");
  state_ = State::kDone;
  return Status::kRequest;
}

bool RequestParser::split_inline(std::string_view line) {
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at]))
      ++at;
    if (at == line.size()) return true;
    const std::size_t begin = inline_text_.size();
    if (!take_argument(line, at, inline_text_)) return false;
    ranges_.push_back({begin, inline_text_.size() - begin});
  }
}

std::span<const std::string_view> RequestParser::arguments(std::string_view input) {
  const std::string_view source = inline_ ? std::string_view(inline_text_) : input;
  views_.resize(ranges_.size());
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    views_[i] = source.substr(ranges_[i].offset, ranges_[i].length);
  }
  return views_;
}

void RequestParser::next() {
  if (ranges_.size() > kKeptArguments) {
    ranges_ = {};
    views_ = {};
  }
  ranges_.clear();
  if (inline_) inline_text_ = {};
  inline_ = false;
  position_ = searched_ = wanted_ = remaining_ = 0;
  state_ = State::kStart;
}

}  // namespace kachel::server
