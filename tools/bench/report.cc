#include "tools/bench/report.h"

#include <fmt/format.h>

namespace kachel::bench {
namespace {

// A thread that is busier may keep operations waiting.
constexpr double kTooBusy = 0.85;

void warn_of_lateness(const Stats& stats, std::vector<std::string>& warnings) {
  if (stats.late_by_generator > 0) {
    warnings.push_back(fmt::format(
        "{} operations began more than 1 ms late although a connection had room: this generator "
        "or its host was too slow, give it more --threads or a lower rate",
        count_text(stats.late_by_generator)));
  }
  if (stats.not_sent > 0) {
    warnings.push_back(
        fmt::format("{} operations were due and never sent, because all connections were waiting "
                    "for answers: the server is over its limit, and latencies would grow with "
                    "time",
                    count_text(stats.not_sent)));
  }
  if (stats.unanswered > 0) {
    warnings.push_back(
        fmt::format("{} operations were not answered", count_text(stats.unanswered)));
  }
}

}  // namespace

std::string_view phase_name(PhaseKind kind) {
  switch (kind) {
    case PhaseKind::kLoad:
      return "load";
    case PhaseKind::kRun:
      return "run";
    case PhaseKind::kCold:
      return "cold";
    case PhaseKind::kRestart:
      return "restart";
  }
  return "";
}

bool OwnCost::may_be_bottleneck() const {
  return busiest_thread > kTooBusy;
}

double PhaseResult::operations_per_s() const {
  return seconds <= 0 ? 0 : static_cast<double>(stats.operations()) / seconds;
}

std::string latency_text(std::uint64_t ns) {
  const auto value = static_cast<double>(ns);
  if (value < 1e3) return fmt::format("{} ns", ns);
  if (value < 1e4) return fmt::format("{:.2f} us", value / 1e3);
  if (value < 1e5) return fmt::format("{:.1f} us", value / 1e3);
  if (value < 1e6) return fmt::format("{:.0f} us", value / 1e3);
  if (value < 1e7) return fmt::format("{:.2f} ms", value / 1e6);
  if (value < 1e8) return fmt::format("{:.1f} ms", value / 1e6);
  if (value < 1e9) return fmt::format("{:.0f} ms", value / 1e6);
  return fmt::format("{:.2f} s", value / 1e9);
}

std::string count_text(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (std::size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) text += ',';
    text += digits[at];
  }
  return text;
}

std::vector<std::string> warnings_of(const PhaseResult& result) {
  std::vector<std::string> warnings;
  const Stats& stats = result.stats;
  if (result.failure) warnings.push_back(fmt::format("cut off: {}", result.failure->message));
  if (stats.mismatches > 0) {
    warnings.push_back(fmt::format("{} values were not what was written, the first one of key {}",
                                   count_text(stats.mismatches), stats.first_mismatch));
  }
  for (const auto& [word, count] : stats.errors)
    warnings.push_back(fmt::format("{} replies were errors: {}", count_text(count), word));
  if (!stats.first_error.empty()) {
    warnings.push_back(fmt::format("the first error: {}", stats.first_error));
  }
  warn_of_lateness(stats, warnings);
  if (result.own.may_be_bottleneck()) {
    warnings.push_back(
        fmt::format("a thread of this generator was busy or waited for a CPU {:.0f} % of an "
                    "interval: it may be "
                    "what limits the figures; give it more --threads, or a host of its own",
                    result.own.busiest_thread * 100));
  }
  return warnings;
}

}  // namespace kachel::bench
