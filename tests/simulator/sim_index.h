// An index in memory with the manners of RocksDB on a disk: flushes take time and may fail, a
// crash leaves the rows of the last completed one or of the one under way, lookups sometimes
// need the disk. For the simulator: everything happens on the loop, by seed.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/memory_index.h"
#include "io/loop.h"
#include "tests/simulator/choices.h"
#include "tests/simulator/faults.h"

namespace kachel::sim {

/// The index's disk and its moods; outlives the index.
struct IndexDisk {
  MemoryIndexImage durable;
  std::optional<MemoryIndexImage> pending;  // of a flush under way

  // Moods, each out of a hundred.
  std::size_t flush_error_percent = 0;
  std::size_t read_error_percent = 0;
  std::size_t needs_disk_percent = 0;
  std::uint64_t flush_at_rows = 0;  // asks to be flushed from so many on; 0: never
  std::uint64_t fake_bytes = 0;     // claimed on disk, to make space short
  std::int64_t flush_max_ms = 30;

  bool is_running = false;              // false during a start: flushes complete at once
  std::function<void()> on_flush{};     // before rows become durable
  std::function<void()> after_flush{};  // of RocksDB
  FaultCounts* faults = nullptr;
};

IndexFactory sim_index_factory(std::shared_ptr<IndexDisk> disk, io::Loop& loop, Choices& choices);
/// The moods that are not of flushes, of an index that has a disk of its own.
IndexFactory moody(IndexFactory factory, std::shared_ptr<IndexDisk> disk, Choices& choices);

}  // namespace kachel::sim
