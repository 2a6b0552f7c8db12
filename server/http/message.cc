#include "server/http/message.h"

#include <boost/json.hpp>
#include <charconv>

namespace kachel::server::http {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::optional<char> parse_hex(std::string_view digits) {
  unsigned value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + 2) return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

Reply problem_reply(const Problem& problem, std::string_view request_id) {
  Reply reply;
  reply.status = problem.status;
  reply.content_type = kProblemJson;
  const std::string_view title = boost::beast::http::obsolete_reason(problem.status);
  reply.body = std::string_view(boost::json::serialize(boost::json::object{
      {"type", "urn:kachel:problem:" + std::string(problem.code)},
      {"title", title},
      {"status", static_cast<unsigned>(problem.status)},
      {"detail", problem.detail},
      {"request_id", request_id},
  }));
  return reply;
}

Problem problem_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return {Status::bad_request, "invalid-request", error.message};
    case ErrorCode::kNotFound:
      return {Status::not_found, "not-found", error.message};
    case ErrorCode::kNoSpace:
      return {Status::insufficient_storage, "no-space", error.message};
    default:
      return {Status::internal_server_error, "failed", error.message};
  }
}

std::optional<ZeroizingString> percent_decode(std::string_view text, bool plus_is_space) {
  ZeroizingString decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded.push_back(plus_is_space && text[at] == '+' ? ' ' : text[at]);
      continue;
    }
    const auto byte = parse_hex(text.substr(at + 1, 2));
    if (!byte) return std::nullopt;
    decoded.push_back(*byte);
    at += 2;
  }
  return decoded;
}

ZeroizingString percent_encode(std::string_view text) {
  ZeroizingString encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kHexDigits[byte >> 4]);
    encoded.push_back(kHexDigits[byte & 15]);
  }
  return encoded;
}

std::optional<std::vector<Parameter>> parse_query(std::string_view query) {
  std::vector<Parameter> parameters;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value || parameters.size() == kMaxParameters) return std::nullopt;
    parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return parameters;
}

}  // namespace kachel::server::http
