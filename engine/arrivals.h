// Segments whose bytes are still on their way: a copy of a store is opened once it has an index and
// the beginning and end of each segment, and serves what has come, hot entries first, while the
// copying goes on beside it (`kachel clone --connect`).
//
// The file of such a segment has its whole length from the start, and zeros where nothing has come:
// a record there fails its checksum, and is a miss. A mark in the directory arriving/, of the
// segment's own name, says so; whoever copies takes it away once the segment is whole and synced.
//
// Log thread only; the directory is the blocking pool's to read.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/core.h"

namespace kachel {

inline constexpr const char* kArrivingDirectory = "arriving";

/// "arriving/0000000000001234.seg"
std::string arriving_path(std::uint64_t segment_id);
/// The marks that are there; other names in the directory mean nothing.
Result<std::set<std::uint64_t>> list_arriving(io::Storage& storage);

class Arrivals {
 public:
  explicit Arrivals(Core& core) : core_(core) {}

  /// Follows what the start has found.
  void start();
  /// `done` once no look is under way.
  void stop(io::Task done);

 private:
  void schedule_tick();
  void look();
  void drop_marks_of_gone(const std::set<std::uint64_t>& marks);
  void on_found(const Result<std::set<std::uint64_t>>& marks);

  Core& core_;
  io::Loop::TimerId tick_timer_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
