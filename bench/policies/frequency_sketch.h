// How often keys were asked for of late, about: a count-min sketch of four rows that is halved
// after each ten accesses per counter that an entry might have (TinyLFU, Einziger et al. '17).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bench/policies/request.h"

namespace kachel::policies {

class FrequencySketch {
 public:
  /// For about so many entries.
  explicit FrequencySketch(std::uint64_t entries);

  void count(Key key);
  unsigned estimate(Key key) const;

 private:
  static constexpr unsigned kRows = 4;
  static constexpr std::uint8_t kMost = 15;

  std::size_t slot(Key key, unsigned row) const;
  void halve();

  std::size_t width_;
  std::array<std::vector<std::uint8_t>, kRows> rows_;
  std::uint64_t counted_ = 0;
};

}  // namespace kachel::policies
