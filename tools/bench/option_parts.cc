// The options that have a grammar of their own.
#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

#include "io/units.h"
#include "tools/bench/options.h"

namespace kachel::bench {
namespace {

constexpr std::uint64_t kMaxValueBytes = std::uint64_t{512} << 20U;
constexpr double kMaxRate = 1e9;
constexpr std::uint64_t kMaxSteps = 1000;

/// The parts between separators.
std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + separator.size());
  }
}

template <typename Parse>
Result<Range> parse_range(std::string_view text, Parse parse) {
  const auto parts = split(text, "..");
  if (parts.size() > 2) return invalid(fmt::format("\"{}\": write LOW..HIGH", text));
  const auto low = parse(parts.front());
  if (!low) return low.error();
  const auto high = parse(parts.back());
  if (!high) return high.error();
  const Range range{static_cast<std::uint64_t>(*low), static_cast<std::uint64_t>(*high)};
  if (range.low > range.high) {
    return invalid(fmt::format("\"{}\": the first must not be above the second", text));
  }
  return range;
}

Result<double> parse_rate(std::string_view text) {
  double rate = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (code != std::errc{} || end != text.data() + text.size() || !(rate > 0 && rate <= kMaxRate)) {
    return invalid(fmt::format("\"{}\" is no rate: write operations a second, as 20000", text));
  }
  return rate;
}

Result<std::vector<double>> parse_steps(std::string_view text) {
  const auto parts = split(text, ":");
  if (parts.size() != 3) {
    return invalid(fmt::format("\"{}\": write FROM:TO:STEPS, as 10000:50000:5", text));
  }
  const auto from = parse_rate(parts[0]);
  if (!from) return from.error();
  const auto to = parse_rate(parts[1]);
  if (!to) return to.error();
  const auto steps = parse_count(parts[2], 2, kMaxSteps);
  if (!steps) return steps.error();
  std::vector<double> rates;
  for (std::uint64_t step = 0; step < *steps; ++step) {
    rates.push_back(*from +
                    (*to - *from) * static_cast<double>(step) / static_cast<double>(*steps - 1));
  }
  return rates;
}

}  // namespace

Result<Range> parse_size_range(std::string_view text) {
  auto range = parse_range(text, parse_size);
  if (range && range->high > kMaxValueBytes) {
    return invalid(fmt::format("\"{}\": values of at most 512 MiB", text));
  }
  return range;
}

Result<Range> parse_duration_range(std::string_view text) {
  auto range = parse_range(text, parse_duration_ms);
  if (range && range->low == 0) {
    return invalid(fmt::format("\"{}\": a time to live is at least 1ms", text));
  }
  return range;
}

Result<std::vector<double>> parse_rates(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_steps(text);
  std::vector<double> rates;
  for (const std::string_view part : split(text, ",")) {
    const auto rate = parse_rate(part);
    if (!rate) return rate.error();
    rates.push_back(*rate);
  }
  return rates;
}

Result<std::vector<PhaseKind>> parse_phases(std::string_view text) {
  static constexpr std::array kKinds = {PhaseKind::kLoad, PhaseKind::kRun, PhaseKind::kCold,
                                        PhaseKind::kRestart};
  std::vector<PhaseKind> phases;
  for (const std::string_view part : split(text, ",")) {
    const auto* const kind = std::find_if(kKinds.begin(), kKinds.end(), [&](PhaseKind candidate) {
      return phase_name(candidate) == part;
    });
    if (kind == kKinds.end()) {
      return invalid(
          fmt::format("\"{}\" is no phase: write load, run, cold or restart, as load,run", part));
    }
    if (*kind == PhaseKind::kRestart &&
        std::find(phases.begin(), phases.end(), PhaseKind::kRun) == phases.end()) {
      return invalid("the phase restart needs a run before it, whose hit ratio is to come back");
    }
    phases.push_back(*kind);
  }
  return phases;
}

}  // namespace kachel::bench
