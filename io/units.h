// Sizes and durations as people write them, in flags, configuration and reports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/error.h"

namespace kachel {

/// Bytes. A whole number and a unit, letter case ignored, as in Redis' configuration:
/// B or none; K, M, G, T are powers of 1000; KB, MB, GB, TB and KiB, MiB, GiB, TiB are
/// powers of 1024. kInvalidArgument says what to write instead.
Result<std::uint64_t> parse_size(std::string_view text);

/// Milliseconds. A whole number and a unit: ms, s, m, h, d. The unit may be left out of 0
/// only.
Result<std::int64_t> parse_duration_ms(std::string_view text);

/// Digits only. kInvalidArgument says what to write instead.
Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t low, std::uint64_t high);

/// "512 B", "12.3 MiB": for people, rounded.
std::string format_size(std::uint64_t bytes);

/// "250 ms", "1.5 s", "24 h", "30 d": for people, rounded to one decimal.
std::string format_duration_ms(std::int64_t ms);

}  // namespace kachel
