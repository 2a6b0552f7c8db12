#include "io/random.h"

#include <algorithm>
#include <cstring>
#include <sodium.h>

#include "io/check.h"

namespace kachel::io {

void SystemRandom::fill(std::span<std::byte> bytes) {
  static const bool ready = sodium_init() >= 0;  // thread-safe, once
  KACHEL_CHECK(ready, "libsodium could not be initialised");
  randombytes_buf(bytes.data(), bytes.size());
}

std::uint64_t SeededRandom::next() {
  // SplitMix64, as published by Sebastiano Vigna (public domain).
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31);
}

void SeededRandom::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t word = next();
    const std::size_t count = std::min(bytes.size(), sizeof word);
    std::memcpy(bytes.data(), &word, count);
    bytes = bytes.subspan(count);
  }
}

}  // namespace kachel::io
