// Keys as evenly spread numbers.
#pragma once

#include <cstdint>

#include "bench/policies/request.h"

namespace kachel::policies {

/// SplitMix64's finalizer: one to one.
constexpr std::uint64_t spread(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace kachel::policies
