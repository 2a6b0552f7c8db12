// A number for all that was added, in this order: equal for equals, and only for them as far as
// 64 bits can tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/memory_index.h"

namespace kachel::sim {

class Digest {
 public:
  void add(std::span<const std::byte> bytes);
  void add(std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }
  void add(const MemoryIndexImage& index);
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace kachel::sim
