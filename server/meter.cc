#include "server/meter.h"

#include <algorithm>
#include <bit>

namespace kachel::server {

std::size_t LatencyBuckets::index_of(std::uint64_t ns) {
  if (ns < (std::uint64_t{1} << kFirstOctave)) return 0;
  const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
  const std::size_t half = (ns >> (octave - 1)) & 1;
  return std::min<std::size_t>(1 + 2 * (octave - kFirstOctave) + half, kCount - 1);
}

std::uint64_t LatencyBuckets::upper_ns(std::size_t bucket) {
  const std::uint64_t start = std::uint64_t{1} << (kFirstOctave + bucket / 2);
  return bucket % 2 == 0 ? start : start + start / 2;
}

std::uint64_t Latencies::quantile_ns(double quantile) const {
  const double rank = quantile * static_cast<double>(count);
  double below = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const auto here = static_cast<double>(buckets[i]);
    if (here == 0 || below + here < rank) {
      below += here;
      continue;
    }
    const auto low = static_cast<double>(i == 0 ? 0 : LatencyBuckets::upper_ns(i - 1));
    if (i + 1 == buckets.size()) return static_cast<std::uint64_t>(low);
    const auto high = static_cast<double>(LatencyBuckets::upper_ns(i));
    return static_cast<std::uint64_t>(low + (high - low) * (rank - below) / here);
  }
  return 0;
}

void LatencyHistogram::add_to(Latencies& total) const {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const std::uint64_t here = buckets_[i].load(std::memory_order_relaxed);
    total.buckets[i] += here;
    total.count += here;
  }
  total.sum_ns += sum_ns_.load(std::memory_order_relaxed);
}

Meter::~Meter() {
  for (const auto& model : models_)
    delete model.load();
}

ModelNumbers& Meter::model(ModelSlot slot) {
  std::atomic<ModelNumbers*>& place = models_[slot];
  if (ModelNumbers* const numbers = place.load(std::memory_order_relaxed)) return *numbers;
  auto made = std::make_unique<ModelNumbers>();
  place.store(made.get(), std::memory_order_release);
  return *made.release();
}

void Meter::add_to(ModelTotals& total, ModelSlot slot) const {
  const ModelNumbers* const numbers = models_[slot].load(std::memory_order_acquire);
  if (numbers == nullptr) return;
  const auto read = [](const auto& number) { return number.load(std::memory_order_relaxed); };
  for (std::size_t tier = 0; tier < total.hits.size(); ++tier)
    total.hits[tier] += read(numbers->hits[tier]);
  total.misses += read(numbers->misses);
  total.sets += read(numbers->sets);
  total.tokens_in_saved += read(numbers->tokens_in_saved);
  total.tokens_out_saved += read(numbers->tokens_out_saved);
  total.usd_saved_micro += read(numbers->usd_saved_micro);
  total.tokens_in_set += read(numbers->tokens_in_set);
  total.tokens_out_set += read(numbers->tokens_out_set);
  total.usd_set_micro += read(numbers->usd_set_micro);
}

}  // namespace kachel::server
