// XXH3-64, the only checksum of the format. docs/format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kachel::format {

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed);
/// Of `first` followed by `second`.
std::uint64_t checksum(std::span<const std::byte> first, std::span<const std::byte> second,
                       std::uint64_t seed);

}  // namespace kachel::format
