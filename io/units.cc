#include "io/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>

namespace kachel {

namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t factor;
};

constexpr std::uint64_t kKi = 1024;
constexpr std::array<Unit, 14> kSizeUnits = {{{"", 1},
                                              {"b", 1},
                                              {"k", 1'000},
                                              {"m", 1'000'000},
                                              {"g", 1'000'000'000},
                                              {"t", 1'000'000'000'000},
                                              {"kb", kKi},
                                              {"mb", kKi* kKi},
                                              {"gb", kKi* kKi* kKi},
                                              {"tb", kKi* kKi* kKi* kKi},
                                              {"kib", kKi},
                                              {"mib", kKi* kKi},
                                              {"gib", kKi* kKi* kKi},
                                              {"tib", kKi* kKi* kKi* kKi}}};

constexpr std::uint64_t kDayMs = 86'400'000;
constexpr std::array<Unit, 5> kDurationUnits = {
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", kDayMs}}};

constexpr std::string_view kSizeHelp =
    "write a whole number and a unit, such as 64KiB, 256MiB or 10GiB";
constexpr std::string_view kDurationHelp =
    "write a whole number and a unit, such as 50ms, 90s, 5m, 24h or 30d";

Error refuse(std::string_view text, std::string_view why, std::string_view help) {
  std::string message = "\"" + std::string(text) + "\" ";
  message += why;
  message += "; ";
  message += help;
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

std::optional<std::uint64_t> factor_of(std::string_view unit, std::span<const Unit> units) {
  std::string lower(unit);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const Unit& known : units) {
    if (known.name == lower) return known.factor;
  }
  return std::nullopt;
}

Result<std::uint64_t> parse(std::string_view text, std::span<const Unit> units, std::uint64_t max,
                            std::string_view help) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc::result_out_of_range) return refuse(text, "is too large", help);
  if (parsed.ec != std::errc()) return refuse(text, "does not start with a number", help);
  std::string_view unit = text.substr(static_cast<std::size_t>(parsed.ptr - text.data()));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto factor = factor_of(unit, units);
  if (!factor && unit.empty()) {
    if (number == 0) return std::uint64_t{0};
    return refuse(text, "has no unit", help);
  }
  if (!factor) return refuse(text, "has an unknown unit", help);
  if (number > max / *factor) return refuse(text, "is too large", help);
  return number * *factor;
}

std::string format_rounded(double number, std::string_view unit) {
  std::array<char, 32> digits{};
  // One decimal, and none where it would be zero.
  const bool whole = std::abs(number - std::round(number)) < 0.05;
  std::snprintf(digits.data(), digits.size(), whole ? "%.0f " : "%.1f ", number);
  return digits.data() + std::string(unit);
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse(text, kSizeUnits, std::numeric_limits<std::uint64_t>::max(), kSizeHelp);
}

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto ms = parse(text, kDurationUnits, kMax, kDurationHelp);
  if (!ms) return ms.error();
  return static_cast<std::int64_t>(*ms);
}

Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = code == std::errc{} && end == text.data() + text.size();
  if (whole && value >= low && value <= high) return value;
  return invalid("write a whole number from " + std::to_string(low) + " to " +
                 std::to_string(high));
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kNames = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (number >= 1024 && unit + 1 < kNames.size()) {
    number /= 1024;
    ++unit;
  }
  return format_rounded(number, kNames[unit]);
}

std::string format_duration_ms(std::int64_t ms) {
  const double size = std::abs(static_cast<double>(ms));
  // Days only from two on: people set 24 h and 36 h.
  std::size_t unit = 0;
  constexpr std::array<double, 5> kFrom = {0, 1'000, 60'000, 3'600'000, 2.0 * kDayMs};
  while (unit + 1 < kFrom.size() && size >= kFrom[unit + 1])
    ++unit;
  return format_rounded(static_cast<double>(ms) / static_cast<double>(kDurationUnits[unit].factor),
                        kDurationUnits[unit].name);
}

}  // namespace kachel
