// What can go wrong in the simulator's world, and what the engine must make of it.
//
// THE DEVICE. Files and directories live in a MemoryStorage. A change (a write, a change of
// size, a creation, a removal, a rename) is visible at once and durable only once its file, or
// its directory, has been synced.
//
// CRASHES. They come at any point: before any operation on the storage, between any two, and
// inside a write.
//   * kill -9: everything handed to the kernel stays, a write under way up to any page of 4096
//     bytes; what the index had not flushed is gone.
//   * power cut: of the unsynced changes each one, independently, is lost, kept, or torn: at
//     512 bytes (a disk's sector) or 4096 (a page). So later writes may be there without
//     earlier ones, files may be longer than their bytes, and directory entries come, go and
//     come back as if never synced. An index flush under way has happened whole or not at all.
//   * a crash may come while a start recovers from the one before.
// Nothing acknowledged may be missing beyond its mode's window, nothing erased come back, and
// nothing may be called damaged: a crash is no damage.
//
// ERRORS. Reads, writes, syncs, creations, removals and renames fail with EIO or ENOSPC, once
// or for a while; writes also halfway. Reads complete short. The disk fills up for real. Index
// flushes and lookups fail. A put that finds no place counts as dropped, with whatever it
// replaced; an erase that cannot be made durable says so. After a failed sync nothing more is
// promised. It has written all, some or none of the bytes, and the kernel counts the others as
// written: they can be read, and no later sync writes them. Once the process knows of it, they
// may leave the page cache; a kill is then like a power cut for what was not durable.
//
// TIME. I/Os are slow, up to seconds, and overtake each other. The wall clock jumps, both ways:
// what had expired stays expired (to within the minute that the superblock lags behind).
//
// DAMAGE, while the store is down: flipped bits in records, footers, headers; segments lost;
// segments of other stores; an index older than the segments or lost. Only the records hit may
// be missing, and nothing else changes. In unsealed segments a record whose header is hit can't
// be told from one that was never written: then an older value may be back, of that key alone.
//
// LIES. Writes reported and not done (lost), or done elsewhere (misdirected). Whatever they hit
// may be missing or old. But no value is ever served that was not set for its key.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "io/faulty_storage.h"

namespace kachel::sim {

enum class FaultClass : std::uint8_t {
  kKill,
  kKillInWrite,
  kPowerCut,
  kTornPowerCut,
  kCrashInRecovery,
  kReadError,
  kWriteError,
  kSyncError,
  kEviction,
  kNoSpace,
  kNameError,
  kShortRead,
  kShortWrite,
  kSlowIo,
  kClockJump,
  kIndexFlushError,
  kIndexReadError,
  kIndexLost,
  kIndexOld,
  kBitFlip,
  kSegmentLost,
  kForeignSegment,
  kLostWrite,
  kMisdirectedWrite,
  kCount,
};
std::string_view name_of(FaultClass fault);

/// How often each was injected.
struct FaultCounts {
  std::array<std::uint64_t, static_cast<std::size_t>(FaultClass::kCount)> counts{};
  void note(FaultClass fault, std::uint64_t times = 1) {
    counts[static_cast<std::size_t>(fault)] += times;
  }
  void add(const FaultCounts& other) {
    for (std::size_t i = 0; i < counts.size(); ++i)
      counts[i] += other.counts[i];
  }
};

}  // namespace kachel::sim
