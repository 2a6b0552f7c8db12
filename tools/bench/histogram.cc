#include "tools/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kachel::bench {

// Values below 2^kBits have a slot each. Of a value with more bits, the kBits highest count; they
// begin with a 1, so that each further bit needs kHalf slots more.
std::size_t Histogram::slot_of(std::uint64_t value) {
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = bits > kBits ? bits - kBits : 0;
  return static_cast<std::size_t>(shift * kHalf + (value >> shift));
}

std::uint64_t Histogram::highest_of(std::size_t slot) {
  if (slot < 2 * kHalf) return slot;
  const std::size_t shift = slot / kHalf - 1;
  const std::uint64_t lowest = (slot - shift * kHalf) << shift;
  return lowest + (std::uint64_t{1} << shift) - 1;
}

Histogram::Histogram() : counts_(slot_of(kMaxNs) + 1) {}

void Histogram::add(const Histogram& other) {
  if (other.count_ == 0) return;
  const std::size_t used = slot_of(other.max_ns_) + 1;
  for (std::size_t slot = 0; slot < used; ++slot)
    counts_[slot] += other.counts_[slot];
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

void Histogram::clear() {
  if (count_ == 0) return;
  std::fill_n(counts_.begin(), slot_of(max_ns_) + 1, 0);
  count_ = sum_ns_ = max_ns_ = 0;
}

double Histogram::mean_ns() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_ns_) / static_cast<double>(count_);
}

std::uint64_t Histogram::percentile_ns(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
    seen += counts_[slot];
    if (seen >= rank) return std::min(highest_of(slot), max_ns_);
  }
  return max_ns_;
}

}  // namespace kachel::bench
