#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "bench/policies/engine_policy.h"
#include "bench/policies/prices.h"
#include "bench/policies/workloads.h"
#include "io/random.h"

namespace kachel::policies {
namespace {

/// The standard library's distributions differ from one library to the next: these do not.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_.next() % limit; }
  /// Above 0, up to 1.
  double unit() { return (static_cast<double>(random_.next() >> 11) + 1) * 0x1p-53; }
  double log_normal(double median, double sigma) {
    const double radius = std::sqrt(-2 * std::log(unit()));
    return median * std::exp(sigma * radius * std::cos(2 * std::numbers::pi * unit()));
  }

 private:
  io::SeededRandom random_;
};

class ZipfMaker {
 public:
  explicit ZipfMaker(const ZipfOptions& options) : options_(options), draws_(options.seed) {
    double sum = 0;
    for (std::uint64_t rank = 0; rank < options.keys; ++rank) {
      sum += std::pow(static_cast<double>(rank + 1), -options.skew);
      cumulated_.push_back(sum);
      by_rank_.push_back(make_entry());
    }
    // So that what a key is has nothing to do with how popular it is.
    for (std::size_t i = by_rank_.size(); i > 1; --i)
      std::swap(by_rank_[i - 1], by_rank_[draws_.below(i)]);
  }

  Request next(std::uint64_t index) {
    if (index % options_.drift_every == options_.drift_every - 1) drift();
    Request& entry = by_rank_[draw_rank()];
    Request request = entry;
    if (draws_.below(options_.refresh_every) == 0) {
      request.key = next_key_++;
      entry = request;
      request.replaces = entry_before_;
    }
    request.time_us = static_cast<std::int64_t>(index) * 1000;
    return request;
  }

 private:
  std::size_t draw_rank() {
    const double at = draws_.unit() * cumulated_.back();
    const auto found = std::lower_bound(cumulated_.begin(), cumulated_.end(), at);
    const auto rank = static_cast<std::size_t>(found - cumulated_.begin());
    entry_before_ = by_rank_[rank].key;
    return rank;
  }

  void drift() {
    const std::size_t popular = draws_.below(std::max<std::uint64_t>(options_.keys / 10, 1));
    std::swap(by_rank_[popular], by_rank_[draws_.below(options_.keys)]);
  }

  Request make_entry() {
    Request entry;
    entry.key = next_key_++;
    if (draws_.below(100) < options_.embedding_percent) {
      constexpr std::uint64_t kEmbeddingBytes = 6144;  // 1536 floats
      entry.value_bytes = kEmbeddingBytes;
      entry.cost_micro_usd = kEmbeddingModel.micro_usd(tokens(200, 0.8), 0);
    } else {
      const bool is_large = draws_.below(50) == 0;
      const std::uint64_t tokens_out = tokens(300, 0.8) * (is_large ? 20 : 1);
      const Price price =
          options_.pricing == Pricing::kMixed ? mixed_price_of(entry.key) : kLargeModel;
      entry.value_bytes = completion_bytes(tokens_out);
      entry.cost_micro_usd = price.micro_usd(tokens(1000, 1.0), tokens_out);
    }
    entry.bytes = hot_bytes_of(entry.value_bytes);
    return entry;
  }

  std::uint64_t tokens(double median, double sigma) {
    return static_cast<std::uint64_t>(std::ceil(draws_.log_normal(median, sigma)));
  }

  ZipfOptions options_;
  Draws draws_;
  std::vector<double> cumulated_;
  std::vector<Request> by_rank_;
  Key next_key_ = 0;
  Key entry_before_ = kNoKey;
};

}  // namespace

Workload zipf_with_drift(const ZipfOptions& options) {
  Workload workload;
  workload.name = options.name;
  workload.about = "completions by drifting popularity";
  if (options.embedding_percent > 0) workload.about += ", among cheap embeddings";
  ZipfMaker maker(options);
  workload.requests.reserve(options.requests);
  for (std::uint64_t i = 0; i < options.requests; ++i)
    workload.requests.push_back(maker.next(i));
  return workload;
}

std::vector<Workload> make_workloads(const WorkloadOptions& options) {
  std::vector<Workload> workloads;
  if (options.folder && !options.quick) {
    workloads.push_back(agent_completions(*options.folder, Pricing::kOne));
    workloads.push_back(agent_completions(*options.folder, Pricing::kMixed));
    workloads.push_back(conversation_completions(*options.folder));
    workloads.push_back(conversation_blocks(*options.folder));
  }
  std::vector<ZipfOptions> zipfs(5);
  zipfs[0].name = "zipf-0.7";
  zipfs[0].skew = 0.7;
  zipfs[1].name = "zipf-0.9";
  zipfs[2].name = "zipf-1.1";
  zipfs[2].skew = 1.1;
  zipfs[3].name = "zipf-0.9-one-price";
  zipfs[3].pricing = Pricing::kOne;
  zipfs[4].name = "zipf-0.9-kinds";
  zipfs[4].embedding_percent = 50;
  for (ZipfOptions& zipf : zipfs) {
    constexpr std::uint64_t kQuickShare = 20;
    zipf.seed = options.seed;
    zipf.keys /= options.quick ? kQuickShare : 1;
    zipf.requests /= options.quick ? kQuickShare : 1;
    workloads.push_back(zipf_with_drift(zipf));
  }
  return workloads;
}

}  // namespace kachel::policies
