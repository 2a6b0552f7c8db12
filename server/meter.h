// What one worker has measured: how long operations took, and what each model's entries were asked
// for and saved. Written by its worker alone, read by any thread; nothing is shared between
// workers, so that counting costs a load and a store.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/entry.h"
#include "server/model_registry.h"

namespace kachel::server {

/// Adds to a number of which the calling thread is the only writer.
template <typename Number>
void add_own(std::atomic<Number>& number, Number amount) {
  number.store(number.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

enum class Operation : std::uint8_t {
  kGetHot,
  kGetWriteBuffer,
  kGetFlash,
  kGetMiss,
  kSet,
  kErase,
  kExpire,
  kLook,  // existence, expiry, size
};
inline constexpr std::size_t kOperations = 8;

/// Two buckets an octave from 256 ns to 17 s, one below, one above: a quantile read off is wrong by
/// a quarter at most.
class LatencyBuckets {
 public:
  static constexpr unsigned kFirstOctave = 8;
  static constexpr unsigned kOctaves = 26;
  static constexpr std::size_t kCount = 2 * kOctaves + 2;

  static std::size_t index_of(std::uint64_t ns);
  /// Exclusive; of the last there is none.
  static std::uint64_t upper_ns(std::size_t bucket);
};

struct Latencies {
  std::array<std::uint64_t, LatencyBuckets::kCount> buckets{};
  std::uint64_t count = 0;
  std::uint64_t sum_ns = 0;

  /// In its bucket as if all there were spread evenly; 0 when there are none.
  std::uint64_t quantile_ns(double quantile) const;
};

class LatencyHistogram {
 public:
  /// One that took so long and stands for `times`.
  void add(std::uint64_t ns, std::uint64_t times = 1) {
    add_own(buckets_[LatencyBuckets::index_of(ns)], times);
    add_own(sum_ns_, ns * times);
  }
  void add_to(Latencies& total) const;

 private:
  std::array<std::atomic<std::uint64_t>, LatencyBuckets::kCount> buckets_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

/// Of the entries of one model (of one tenant). Money in millionths of a US dollar.
template <template <typename> typename Cell>
struct ModelNumbersOf {
  std::array<Cell<std::uint64_t>, 3> hits{};  // by Tier
  Cell<std::uint64_t> misses{};               // under the unknown model: a miss does not know
  Cell<std::uint64_t> sets{};                 // stored
  Cell<std::uint64_t> tokens_in_saved{};      // of entries served
  Cell<std::uint64_t> tokens_out_saved{};
  Cell<double> usd_saved_micro{};
  Cell<std::uint64_t> tokens_in_set{};  // of entries stored: what was computed
  Cell<std::uint64_t> tokens_out_set{};
  Cell<double> usd_set_micro{};
};
template <typename Number>
using Plain = Number;
using ModelNumbers = ModelNumbersOf<std::atomic>;
using ModelTotals = ModelNumbersOf<Plain>;

class Meter {
 public:
  Meter() = default;
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  LatencyHistogram& latency(Operation operation) {
    return latencies_[static_cast<std::size_t>(operation)];
  }
  /// The worker only. Stays where it is.
  ModelNumbers& model(ModelSlot slot);

  // Clients that waited before a write because the write buffers were filling up.
  std::atomic<std::uint64_t> throttled{0};
  std::atomic<std::uint64_t> throttled_now{0};

  // Any thread.
  void add_to(Latencies& total, Operation operation) const {
    latencies_[static_cast<std::size_t>(operation)].add_to(total);
  }
  void add_to(ModelTotals& total, ModelSlot slot) const;

 private:
  std::array<LatencyHistogram, kOperations> latencies_;
  // Made by the worker when its first entry comes up; owned.
  std::array<std::atomic<ModelNumbers*>, kMaxModelSlots> models_{};
};

}  // namespace kachel::server
