// Values of a stated compressibility: random bytes and runs of one byte take turns. How many are
// random is found by trying what zstd makes of it, because its overhead depends on the size.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <zstd.h>

#include "io/units.h"
#include "tools/bench/random.h"
#include "tools/bench/values.h"

namespace kachel::bench {
namespace {

constexpr int kLevel = 3;
constexpr std::uint64_t kMinBlock = 32;
constexpr std::uint64_t kMaxBlock = 512;
constexpr double kTolerance = 0.05;
constexpr std::uint64_t kSamples = 16;
constexpr char kFiller = ' ';

class GeneratedValues final : public ValueSource {
 public:
  GeneratedValues(const GeneratedOptions& options, std::uint64_t random_per_block)
      : options_(options), block_(block_bytes(options)), random_(random_per_block) {}

  static std::uint64_t block_bytes(const GeneratedOptions& options) {
    return std::clamp(options.size.low / 4, kMinBlock, kMaxBlock);
  }

  std::string_view value(std::uint64_t key, std::vector<char>& scratch) const override {
    const std::uint64_t drawn = mix64(key ^ mix64(options_.seed));
    const std::uint64_t spread = options_.size.high - options_.size.low + 1;
    const std::size_t size = options_.size.low + scale(mix64(drawn), spread);
    // Room for the last word to be written whole.
    if (scratch.size() < size + sizeof(std::uint64_t)) scratch.resize(size + sizeof(std::uint64_t));
    Random random(drawn);
    fill(scratch.data(), size, random);
    return {scratch.data(), size};
  }

  std::string text() const override {
    const Range& size = options_.size;
    const std::string sizes = size.low == size.high ? format_size(size.low)
                                                    : fmt::format("{} to {}", format_size(size.low),
                                                                  format_size(size.high));
    return fmt::format("generated, {} each, zstd makes them {:.2f}x smaller", sizes, measured());
  }

  /// Of some keys' values together.
  double measured() const {
    std::vector<char> scratch;
    double bytes = 0;
    double compressed = 0;
    for (std::uint64_t key = 0; key < kSamples; ++key) {
      const std::string_view sample = value(key, scratch);
      bytes += static_cast<double>(sample.size());
      compressed += static_cast<double>(sample.size()) / measured_compressibility(sample);
    }
    return compressed == 0 ? 1 : bytes / compressed;
  }

 private:
  void fill(char* to, std::size_t size, Random& random) const {
    for (std::size_t begin = 0; begin < size; begin += block_) {
      const std::size_t end = std::min<std::size_t>(begin + block_, size);
      const std::size_t random_end = std::min<std::size_t>(begin + random_, end);
      for (std::size_t at = begin; at < random_end; at += sizeof(std::uint64_t)) {
        const std::uint64_t word = random.next();
        std::memcpy(to + at, &word, sizeof(word));
      }
      std::memset(to + random_end, kFiller, end - random_end);
    }
  }

  const GeneratedOptions options_;
  const std::uint64_t block_;   // bytes, of which
  const std::uint64_t random_;  // are random
};

}  // namespace

double measured_compressibility(std::string_view value) {
  std::vector<char> out(ZSTD_compressBound(value.size()));
  const std::size_t bytes =
      ZSTD_compress(out.data(), out.size(), value.data(), value.size(), kLevel);
  if (ZSTD_isError(bytes) != 0 || bytes == 0) return 1;
  // What would be larger is stored as it is.
  return std::max(1.0, static_cast<double>(value.size()) / static_cast<double>(bytes));
}

Result<std::unique_ptr<ValueSource>> generated_values(const GeneratedOptions& options) {
  const std::uint64_t block = GeneratedValues::block_bytes(options);
  if (options.compressibility <= 1) {
    return std::unique_ptr<ValueSource>(std::make_unique<GeneratedValues>(options, block));
  }
  // The more is random, the less it compresses: the smallest share that still does not compress
  // better than is wanted.
  std::uint64_t low = 0;
  std::uint64_t high = block;
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (GeneratedValues(options, middle).measured() > options.compressibility) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  auto found = std::make_unique<GeneratedValues>(options, low);
  if (low > 0) {
    auto other = std::make_unique<GeneratedValues>(options, low - 1);
    if (other->measured() - options.compressibility < options.compressibility - found->measured()) {
      found = std::move(other);
    }
  }
  const double off = found->measured() / options.compressibility - 1;
  if (std::abs(off) <= kTolerance) return std::unique_ptr<ValueSource>(std::move(found));
  return invalid(
      fmt::format("values of {} cannot be made to compress {}x: {:.2f}x is nearest; choose that, "
                  "or larger ones",
                  format_size(options.size.low), options.compressibility, found->measured()));
}

}  // namespace kachel::bench
