// Latencies, exact to three significant digits, in constant time and memory: buckets double in
// width, and each is divided into as many equal parts (as HdrHistogram does it; its C library is
// not in Debian 12).
#pragma once

#include <cstdint>
#include <vector>

namespace kachel::bench {

class Histogram {
 public:
  Histogram();

  /// Beyond kMaxNs is counted as kMaxNs; negative as 0.
  void record(std::int64_t ns) {
    const std::uint64_t value = bounded(ns);
    ++counts_[slot_of(value)];
    ++count_;
    sum_ns_ += value;
    if (value > max_ns_) max_ns_ = value;
  }
  void add(const Histogram& other);
  void clear();

  std::uint64_t count() const { return count_; }
  std::uint64_t max_ns() const { return max_ns_; }
  double mean_ns() const;
  /// The value that `share` (0 to 1) of all are not above: as HdrHistogram, the highest value that
  /// is counted in the same place, at most 0.1 % more than the exact one. 0 without values.
  std::uint64_t percentile_ns(double share) const;

  static constexpr std::uint64_t kMaxNs = (std::uint64_t{1} << 42U) - 1;  // 73 minutes

 private:
  static constexpr unsigned kBits = 11;  // 2048 parts: the upper half of a bucket has 1024
  static constexpr std::uint64_t kHalf = std::uint64_t{1} << (kBits - 1);

  static std::uint64_t bounded(std::int64_t ns) {
    if (ns < 0) return 0;
    const auto value = static_cast<std::uint64_t>(ns);
    return value < kMaxNs ? value : kMaxNs;
  }
  static std::size_t slot_of(std::uint64_t value);
  static std::uint64_t highest_of(std::size_t slot);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace kachel::bench
