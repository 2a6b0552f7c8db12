// HTTP requests and answers as the handlers see them, without a socket. What is derived from keys,
// values and subjects is in memory that is zeroed.
#pragma once

#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/entry.h"
#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel::server::http {

using Verb = boost::beast::http::verb;
using Status = boost::beast::http::status;

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kProblemJson = "application/problem+json";
inline constexpr std::string_view kBytes = "application/octet-stream";

/// One answer. The body is `entry`'s value when there is one, else `body`.
struct Reply {
  Status status = Status::ok;
  std::string_view content_type = kJson;  // static; empty: there is no body
  ZeroizingString body;
  Entry::Pointer entry;
  std::vector<std::pair<std::string_view, ZeroizingString>> headers;  // names are static

  std::string_view content() const { return entry ? entry->value() : std::string_view(body); }
};

/// What went wrong, as problem details (RFC 9457). `code` is for programs, `detail` says what to
/// do; neither names a key, a value or a subject.
struct Problem {
  Status status;
  std::string_view code;
  std::string detail;
};
Reply problem_reply(const Problem& problem, std::string_view request_id);
/// An error of the engine.
Problem problem_of(const Error& error);

using Parameter = std::pair<ZeroizingString, ZeroizingString>;
inline constexpr std::size_t kMaxParameters = 64;

/// Undoes %XX; nothing where that is no such thing.
std::optional<ZeroizingString> percent_decode(std::string_view text, bool plus_is_space = false);
/// Everything but letters, digits and "-._~" as %XX.
ZeroizingString percent_encode(std::string_view text);
/// Of "a=1&b=2", without the question mark; nothing when it is malformed or too many.
std::optional<std::vector<Parameter>> parse_query(std::string_view query);

}  // namespace kachel::server::http
