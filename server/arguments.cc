#include "server/arguments.h"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "server/resp_parser.h"
#include "server/session.h"

namespace kachel::server {
namespace {

constexpr std::int64_t kMaxMs = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kLeaseTokenDigits = 16;
constexpr std::int64_t kMinMs = std::numeric_limits<std::int64_t>::min();

std::optional<std::int64_t> invalid_time(Session& session) {
  session.reply().error(
      fmt::format("ERR invalid expire time in '{}' command", session.spec().name));
  return std::nullopt;
}

bool in_seconds(TimeForm form) {
  return form == TimeForm::kSeconds || form == TimeForm::kSecondsAt;
}

bool relative(TimeForm form) {
  return form == TimeForm::kSeconds || form == TimeForm::kMilliseconds;
}

TimeForm form_of(std::string_view text, TimeForm extra) {
  static constexpr std::array<std::pair<std::string_view, TimeForm>, 4> kForms{{
      {"EX", TimeForm::kSeconds},
      {"PX", TimeForm::kMilliseconds},
      {"EXAT", TimeForm::kSecondsAt},
      {"PXAT", TimeForm::kMillisecondsAt},
  }};
  for (const auto& [name, form] : kForms) {
    if (equals_ignoring_case(text, name)) return form;
  }
  if (extra == TimeForm::kKeep && equals_ignoring_case(text, "KEEPTTL")) return extra;
  if (extra == TimeForm::kPersist && equals_ignoring_case(text, "PERSIST")) return extra;
  return TimeForm::kNone;
}

}  // namespace

OptionMatch take_expiry(Arguments arguments, std::size_t& at, TimeForm extra,
                        ExpiryOption& option) {
  const TimeForm form = form_of(arguments[at], extra);
  if (form == TimeForm::kNone) return OptionMatch::kOther;
  if (option.form != TimeForm::kNone && option.form != form) return OptionMatch::kBad;
  option.form = form;
  if (form == TimeForm::kKeep || form == TimeForm::kPersist) return OptionMatch::kTaken;
  if (at + 1 == arguments.size()) return OptionMatch::kBad;
  option.amount = arguments[++at];
  return OptionMatch::kTaken;
}

std::optional<std::int64_t> resolve_expiry(Session& session, const ExpiryOption& option) {
  switch (option.form) {
    case TimeForm::kNone:
    case TimeForm::kKeep:
    case TimeForm::kPersist:
      return 0;
    default:
      return resolve_time(session, option.form, option.amount);
  }
}

std::optional<std::int64_t> resolve_time(Session& session, TimeForm form, std::string_view amount) {
  const auto number = integer_argument(session, amount);
  if (!number) return std::nullopt;
  std::int64_t ms = *number;
  if (ms <= 0 || (in_seconds(form) && ms > kMaxMs / 1000)) return invalid_time(session);
  if (in_seconds(form)) ms *= 1000;
  if (!relative(form)) return ms;
  const std::int64_t now = session.store().now_ms();
  if (ms > kMaxMs - now) return invalid_time(session);
  return ms + now;
}

std::optional<std::int64_t> resolve_time_or_past(Session& session, TimeForm form,
                                                 std::string_view amount) {
  const auto number = integer_argument(session, amount);
  if (!number) return std::nullopt;
  std::int64_t ms = *number;
  if (in_seconds(form)) {
    if (ms > kMaxMs / 1000 || ms < kMinMs / 1000) return invalid_time(session);
    ms *= 1000;
  }
  if (relative(form)) {
    const std::int64_t now = session.store().now_ms();
    if (ms > kMaxMs - now) return invalid_time(session);
    ms += now;
  }
  return ms > 0 ? ms : 1;
}

std::optional<std::int64_t> integer_argument(Session& session, std::string_view text) {
  const auto number = parse_integer(text);
  if (!number) session.reply().error(kNotAnInteger);
  return number;
}

std::string lease_token_text(LeaseToken token) {
  return fmt::format("{:0{}x}", token, kLeaseTokenDigits);
}

std::optional<LeaseToken> parse_lease_token(std::string_view text) {
  LeaseToken token = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token, 16);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || text.size() != kLeaseTokenDigits) return std::nullopt;
  return token;
}

}  // namespace kachel::server
