#include "tools/bench/key_source.h"

#include <charconv>
#include <fmt/format.h>

namespace kachel::bench {
namespace {
constexpr double kUsualSkew = 0.99;
constexpr double kMaxSkew = 10;
}  // namespace

Result<KeyDistribution> KeyDistribution::parse(std::string_view text) {
  if (text == "uniform") return KeyDistribution{};
  if (text == "sequential") return KeyDistribution{KeyOrder::kSequential, 0};
  if (text == "zipf") return KeyDistribution{KeyOrder::kZipf, kUsualSkew};
  if (text.starts_with("zipf:")) {
    const std::string_view number = text.substr(5);
    double skew = 0;
    const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), skew);
    if (code == std::errc{} && end == number.data() + number.size() && skew > 0 &&
        skew <= kMaxSkew) {
      return KeyDistribution{KeyOrder::kZipf, skew};
    }
  }
  return invalid(
      fmt::format("\"{}\" is no distribution of keys: write uniform, sequential, zipf or "
                  "zipf:SKEW, with a skew "
                  "above 0 and up to {}",
                  text, kMaxSkew));
}

KeySource::KeySource(const KeyDistribution& distribution, std::uint64_t count, std::uint64_t part,
                     std::uint64_t parts)
    : order_(distribution.order), count_(count), at_(part % count), step_(parts % count) {
  if (order_ == KeyOrder::kZipf) zipf_.emplace(count, distribution.skew);
}

std::uint64_t KeySource::next(Random& random) {
  switch (order_) {
    case KeyOrder::kUniform:
      return random.below(count_);
    case KeyOrder::kZipf:
      return scattered(zipf_->sample(random), count_);
    case KeyOrder::kSequential:
      break;
  }
  const std::uint64_t key = at_;
  at_ = (at_ + step_) % count_;
  return key;
}

}  // namespace kachel::bench
