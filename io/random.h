// Randomness as an interface: the system's for production, a seed's for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kachel::io {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;
};

/// The operating system's generator (libsodium's randombytes_buf). Thread-safe.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override;
};

/// SplitMix64 from a seed: repeatable, not secret. Not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> bytes) override;
  std::uint64_t next();

 private:
  std::uint64_t state_;
};

}  // namespace kachel::io
