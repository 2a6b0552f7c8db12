// What the benchmarks share. All of it is the same in every run: it comes from fixed seeds.
//
// A benchmark's function is called several times until it has run for long enough, so what takes
// long to make is kept between the calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mac.h"

namespace kachel::micro {

/// Made-up words as they follow each other in an answer: at level 3 zstd makes 16 KiB of them
/// about 2.5 times smaller, and 1 KiB 1.8 times. Texts of other seeds are of the same words.
std::string sample_text(std::size_t bytes, std::uint64_t seed = 1);
std::vector<std::string> sample_texts(std::size_t count, std::size_t bytes);

/// "completion:" and 16 digits.
std::string sample_key(std::uint64_t number);
std::vector<Mac> sample_macs(std::size_t count, std::uint64_t first = 0);

/// Numbers below `items`, the lower the more frequent: number n in proportion to 1 / (n + 1)^skew.
std::vector<std::uint32_t> zipf_draws(std::size_t items, double skew, std::size_t draws);

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// Runs `task` in end_samples().
void at_end(std::function<void()> task);
/// Before main() returns: stores have threads, which must not outlive it.
void end_samples();

/// T(argument), kept until another argument is asked for, or the end.
template <typename T>
T& kept(std::int64_t argument) {
  static std::unique_ptr<T> sample;
  static std::int64_t argument_of_sample = 0;
  if (!sample || argument_of_sample != argument) {
    static const bool ends = (at_end([] { sample.reset(); }), true);
    static_cast<void>(ends);
    sample.reset();
    sample = std::make_unique<T>(argument);
    argument_of_sample = argument;
  }
  return *sample;
}

}  // namespace kachel::micro
