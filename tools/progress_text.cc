#include "tools/progress_text.h"

#include <algorithm>
#include <fmt/format.h>

#include "io/units.h"

namespace kachel::tools {
namespace {
constexpr std::size_t kBarCells = 24;
}  // namespace

std::int64_t ms_since(std::chrono::steady_clock::time_point begin) {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin).count();
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

std::uint64_t bytes_per_second(std::uint64_t bytes, std::int64_t ms) {
  return ms <= 0 ? 0
                 : static_cast<std::uint64_t>(static_cast<double>(bytes) * 1000 /
                                              static_cast<double>(ms));
}

std::string progress_text(std::uint64_t done_bytes, std::uint64_t all_bytes, std::uint64_t rate) {
  const double share = share_of(done_bytes, all_bytes);
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarCells));
  const std::uint64_t left = all_bytes - std::min(done_bytes, all_bytes);
  const std::string time_left =
      rate == 0 ? "?" : format_duration_ms(static_cast<std::int64_t>(left / rate * 1000));
  return fmt::format("[{}{}] {:5.1f} %  {}/s  {} left", std::string(full, '#'),
                     std::string(kBarCells - full, '.'), share * 100, format_size(rate), time_left);
}

}  // namespace kachel::tools
