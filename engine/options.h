// What an embedding program decides about a store. Plain data; validated by Store::open.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kachel {

enum class Durability : std::uint8_t {
  kRelaxed,  // acknowledged in the write buffer: kill -9 loses <= 50 ms, power <= 1 s
  kGroup,    // acknowledged once the kernel has it: kill -9 loses nothing, power <= 1 s
  kStrict,   // acknowledged after fdatasync: nothing is lost
};

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// Of compression with dictionaries trained on a tenant's own values.
struct DictionaryOptions {
  bool enabled = true;
  /// At most; no more than a 128th of a segment either, which has it twice.
  std::uint64_t max_bytes = 64 * 1024;
  std::size_t min_samples = 400;
  std::size_t max_samples = 1000;
  /// zstd level of values on their way in (1..19). With a dictionary the lowest is neither the
  /// fastest nor close to the others in size.
  int level = 3;
  /// From one look for something to train on to the next.
  std::chrono::milliseconds look_every{1000};
  /// With a shorter `erase_within` there are none: too few values would be compressed with each for
  /// what it takes in their segments, and to train it.
  std::chrono::milliseconds least_erase_within = std::chrono::minutes(10);
};

struct Options {
  /// Bounds the hot tier, the index's caches, write buffers and reads in flight together.
  std::uint64_t memory_bytes = 256 * kMiB;
  /// Bounds the bytes in segments/ and index/.
  std::uint64_t capacity_bytes = 10 * 1024 * kMiB;
  Durability durability = Durability::kGroup;
  /// 0: chosen from the capacity (a 64th of it, between 4 MiB and 64 MiB).
  std::uint64_t segment_bytes = 0;
  std::uint64_t max_key_bytes = 64 * 1024;
  std::uint64_t max_value_bytes = 64 * kMiB;
  /// zstd level of values on their way in without a dictionary (1..19). Completions of up to 16 KiB
  /// become no smaller by 3, which takes half as long again.
  int compression_level = 1;
  DictionaryOptions dictionaries;
  /// What reclaim reads and writes a second while nothing presses: neither a deadline nor want of
  /// room.
  std::uint64_t reclaim_bytes_per_s = 64 * kMiB;
  /// Longest time acknowledged bytes stay unsynced in `relaxed` and `group`.
  std::chrono::milliseconds sync_interval{1000};
  /// Longest time acknowledged bytes stay in the write buffer in `relaxed`.
  std::chrono::milliseconds relaxed_interval{50};
  /// Longest time the bytes of what has died (erased, superseded, expired) stay on the device.
  std::chrono::milliseconds erase_within{std::chrono::hours(24)};
  /// What a start reads a second at most to refill the hot tier with what it had; less while others
  /// read. 0: it is not refilled, and nothing is kept of what it had.
  std::uint64_t warm_bytes_per_s = 512 * kMiB;
  /// From one note of what the hot tier has to the next; half of erase_within when that is sooner.
  std::chrono::milliseconds hot_save_interval = std::chrono::minutes(1);
  /// Create the store when the directory has none.
  bool create_if_missing = true;
};

inline constexpr std::chrono::seconds kMinEraseWithin{10};
inline constexpr std::chrono::days kMaxEraseWithin{36500};
inline constexpr std::uint64_t kMinMemoryBytes = 16 * kMiB;
inline constexpr std::uint64_t kMinCapacityBytes = 64 * kMiB;

}  // namespace kachel
