// How far something is, as people read it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kachel::tools {

std::int64_t ms_since(std::chrono::steady_clock::time_point begin);
/// 0 to 1.
double share_of(std::uint64_t part, std::uint64_t whole);
std::uint64_t bytes_per_second(std::uint64_t bytes, std::int64_t ms);

/// "[####....]  33.3 %  120 MiB/s  4 s left"
std::string progress_text(std::uint64_t done_bytes, std::uint64_t all_bytes, std::uint64_t rate);

}  // namespace kachel::tools
