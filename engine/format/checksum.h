// XXH3-64, the only checksum of the format. docs/format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

struct XXH3_state_s;

namespace kachel::format {

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed);
/// Of `first` followed by `second`.
std::uint64_t checksum(std::span<const std::byte> first, std::span<const std::byte> second,
                       std::uint64_t seed);

/// Of bytes that come in pieces.
class StreamingChecksum {
 public:
  explicit StreamingChecksum(std::uint64_t seed);
  void update(std::span<const std::byte> bytes);
  std::uint64_t value() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace kachel::format
