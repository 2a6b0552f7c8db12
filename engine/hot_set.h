// What is known of the hot tier's manifest, and how far refilling from it has come. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace kachel {

inline constexpr const char* kHotDirectory = "hot";
inline constexpr const char* kHotManifestPath = "hot/manifest";

inline constexpr std::int64_t kNsPerMs = 1'000'000;

/// Of the hot tier's refilling after a start.
struct WarmProgress {
  std::uint64_t entries = 0;         // that the hot tier had, about
  std::uint64_t entries_done = 0;    // of those: back, or found to be gone
  std::uint64_t entries_warmed = 0;  // of those: back
  std::uint64_t bytes_read = 0;
  std::int64_t elapsed_ms = 0;
  std::int64_t left_ms = 0;  // as things go
};

/// "63 %, 4 s left"
std::string describe(const WarmProgress& progress);

struct HotSet {
  WarmProgress progress(std::int64_t monotonic_ns) const;

  /// Which save must have ended for a manifest that knows of all that has happened by now.
  std::uint64_t save_needed() const { return saves_begun + 1; }
  /// Whether it has, or there is none on the disk that could know less.
  bool is_saved(std::uint64_t needed) const { return !is_on_disk || saves_ended >= needed; }

  std::atomic<bool> is_on_disk{true};  // or may be
  std::atomic<bool> wants_save{false};
  std::atomic<std::uint64_t> saves_begun{0};
  std::atomic<std::uint64_t> saves_ended{0};  // well: the number of the last
  std::atomic<std::uint64_t> saves_failed{0};
  std::atomic<std::uint64_t> saved_entries{0};

  std::atomic<bool> is_warming{false};
  std::atomic<std::uint64_t> entries_named{0};   // by the manifest
  std::atomic<std::uint64_t> entries_done{0};    // of those: back, or found to be gone
  std::atomic<std::uint64_t> entries_warmed{0};  // of those: back in the hot tier
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::int64_t> warming_began_ns{0};  // of the monotonic clock
  std::atomic<std::int64_t> warming_ended_ns{0};
};

}  // namespace kachel
