#include "bench/policies/frequency_sketch.h"

#include <algorithm>
#include <bit>

#include "bench/policies/spread.h"

namespace kachel::policies {
namespace {
constexpr std::uint64_t kCountedPerSlot = 10;
}  // namespace

FrequencySketch::FrequencySketch(std::uint64_t entries)
    : width_(std::bit_ceil(std::max<std::uint64_t>(entries, 16))) {
  for (std::vector<std::uint8_t>& row : rows_)
    row.resize(width_);
}

std::size_t FrequencySketch::slot(Key key, unsigned row) const {
  return spread(spread(key) + row) & (width_ - 1);
}

void FrequencySketch::count(Key key) {
  for (unsigned row = 0; row < kRows; ++row) {
    std::uint8_t& counter = rows_[row][slot(key, row)];
    counter = std::min<std::uint8_t>(static_cast<std::uint8_t>(counter + 1), kMost);
  }
  if (++counted_ >= kCountedPerSlot * width_) halve();
}

unsigned FrequencySketch::estimate(Key key) const {
  unsigned lowest = kMost;
  for (unsigned row = 0; row < kRows; ++row)
    lowest = std::min<unsigned>(lowest, rows_[row][slot(key, row)]);
  return lowest;
}

void FrequencySketch::halve() {
  for (std::vector<std::uint8_t>& row : rows_)
    for (std::uint8_t& counter : row)
      counter = static_cast<std::uint8_t>(counter / 2);
  counted_ /= 2;
}

}  // namespace kachel::policies
