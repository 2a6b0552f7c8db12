// Reading command arguments the way Redis does, with its error texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/store.h"
#include "server/command.h"

namespace kachel::server {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

enum class TimeForm : std::uint8_t {
  kNone,
  kSeconds,         // EX
  kMilliseconds,    // PX
  kSecondsAt,       // EXAT
  kMillisecondsAt,  // PXAT
  kKeep,            // KEEPTTL
  kPersist,         // PERSIST
};

struct ExpiryOption {
  TimeForm form = TimeForm::kNone;
  std::string_view amount;  // not yet parsed; empty for kKeep and kPersist
};

enum class OptionMatch : std::uint8_t { kOther, kTaken, kBad };
/// Looks at arguments[at] for EX, PX, EXAT, PXAT and `extra` (KEEPTTL for kKeep, PERSIST for
/// kPersist). kTaken leaves `at` on its last argument. kBad: it contradicts an earlier one.
OptionMatch take_expiry(Arguments arguments, std::size_t& at, TimeForm extra, ExpiryOption& option);

/// The moment, ms since the epoch; nothing once an error has been replied ("invalid expire
/// time", or no integer). As SET does it: zero and less are invalid. 0 without a time.
std::optional<std::int64_t> resolve_expiry(Session& session, const ExpiryOption& option);
/// The same for a given form and text.
std::optional<std::int64_t> resolve_time(Session& session, TimeForm form, std::string_view amount);
/// As EXPIRE does it: the past is allowed; never 0 (which would mean: never).
std::optional<std::int64_t> resolve_time_or_past(Session& session, TimeForm form,
                                                 std::string_view amount);

/// An integer, or nothing once the error has been replied.
std::optional<std::int64_t> integer_argument(Session& session, std::string_view text);

/// As KACHEL.LEASE writes a token and KACHEL.SET reads it: 16 hexadecimal digits.
std::string lease_token_text(LeaseToken token);
std::optional<LeaseToken> parse_lease_token(std::string_view text);

/// As Redis' KEYS patterns: * ? [a-z] [^x] \x. Linear in text times pattern at worst.
bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace kachel::server
