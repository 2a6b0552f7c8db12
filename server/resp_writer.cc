#include "server/resp_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace kachel::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

/// `type`, the number, a line end: formatted on the stack, appended once.
template <typename Number>
void append_number(OutputChain& out, char type, Number value) {
  char text[32];
  text[0] = type;
  char* end = std::to_chars(text + 1, text + sizeof(text) - 2, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(std::string_view(text, static_cast<std::size_t>(end - text)));
}

std::string format_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[64];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return {text, result.ptr};
}

}  // namespace

void ReplyWriter::header(char type, std::uint64_t number) {
  append_number(*out_, type, number);
}

void ReplyWriter::simple(std::string_view text) {
  out_->append('+');
  out_->append(text);
  out_->append(kLineEnd);
}

void ReplyWriter::error(std::string_view text) {
  out_->append('-');
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(kLineEnd), text.size());
    out_->append(text.substr(0, end));
    if (end < text.size()) out_->append(' ');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out_->append(kLineEnd);
}

void ReplyWriter::error(const Error& error) {
  this->error("ERR " + error.message);
}

void ReplyWriter::integer(std::int64_t value) {
  append_number(*out_, ':', value);
}

void ReplyWriter::integer_unsigned(std::uint64_t value) {
  header(':', value);
}

void ReplyWriter::bulk(std::string_view text) {
  header('$', text.size());
  out_->append(text);
  out_->append(kLineEnd);
}

void ReplyWriter::value(const Entry::Pointer& entry) {
  header('$', entry->value().size());
  out_->append_value(entry);
  out_->append(kLineEnd);
}

void ReplyWriter::null() {
  out_->append(resp3() ? "_\r\n" : "$-1\r\n");
}

void ReplyWriter::null_array() {
  out_->append(resp3() ? "_\r\n" : "*-1\r\n");
}

void ReplyWriter::boolean(bool value) {
  if (!resp3()) return integer(value ? 1 : 0);
  out_->append(value ? "#t\r\n" : "#f\r\n");
}

void ReplyWriter::real(double value) {
  const std::string text = format_real(value);
  if (!resp3()) return bulk(text);
  out_->append(',');
  out_->append(text);
  out_->append(kLineEnd);
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  if (!resp3()) return bulk(text);
  header('=', text.size() + format.size() + 1);
  out_->append(format);
  out_->append(':');
  out_->append(text);
  out_->append(kLineEnd);
}

void ReplyWriter::map(std::size_t pairs) {
  if (resp3()) return header('%', pairs);
  header('*', pairs * 2);
}

}  // namespace kachel::server
