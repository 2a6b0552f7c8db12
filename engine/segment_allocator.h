// New segments, made ahead of need on the blocking pool, so that an append neither waits for
// the file system nor finds the disk full: a spare has its blocks. Log thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/core.h"
#include "engine/identity.h"

namespace kachel {

class SegmentAllocator {
 public:
  SegmentAllocator(Core& core, Identity& identity, std::uint64_t next_id);

  /// A segment with room for a record of `record_bytes`, its header not yet written, with the
  /// dictionary if one is given. Takes a
  /// spare, or makes one on the spot. `essential` (erases and survivors) may use the last
  /// spare and go past the capacity. kNoSpace when there is no room.
  Result<SegmentPointer> take(std::uint64_t record_bytes, bool essential, std::uint32_t bucket,
                              bool survivors, std::uint64_t first_sequence,
                              Dictionary::Pointer dictionary);
  /// Takes over spares that a former run has left; before anything else.
  void adopt(const std::vector<std::uint64_t>& ids);
  /// Makes spares in the background until there are kSpares.
  void refill();
  /// Waits for nothing: true when no background work is under way.
  bool idle() const { return !refilling_; }
  /// Removes the spares' files; at close. On a full disk they stay for the next start.
  void discard_spares();
  /// Removes one, if there is one: the disk is full, and something else needs the room more.
  void discard_spare();

  std::uint64_t segment_bytes() const { return segment_bytes_; }
  std::uint64_t next_id() const { return next_id_; }
  /// Bytes of segments and spares together, as counted against the capacity.
  std::uint64_t used_bytes() const;
  /// What the capacity leaves for segments, after the index.
  std::uint64_t usable_bytes() const;
  /// How much more than is free should be, for spares and what is being written; 0: enough.
  /// A disk that is full below the capacity is short of a segment.
  std::uint64_t shortage_bytes() const;
  /// How many bytes the index has on disk; refreshed by the owner now and then.
  void set_index_bytes(std::uint64_t bytes) { index_bytes_ = bytes; }

  static constexpr std::size_t kSpares = 2;

 private:
  struct Spare {
    std::uint64_t id = 0;
    std::uint64_t capacity = 0;
    std::unique_ptr<io::File> file;
  };
  static Result<Spare> make(io::Storage& storage, io::OpenMode mode, std::uint64_t id,
                            std::uint64_t capacity, std::uint64_t least);
  Result<std::uint64_t> next_number();
  void note_refusal(const Error& error);

  Core& core_;
  Identity& identity_;
  std::uint64_t next_id_;
  std::uint64_t segment_bytes_;
  std::uint64_t index_bytes_ = 0;
  std::deque<Spare> spares_;
  bool refilling_ = false;
  bool disk_full_ = false;  // it refused the last new segment
};

/// The size of ordinary segments: as asked, or from the capacity. Pure.
std::uint64_t choose_segment_bytes(const Options& options);

}  // namespace kachel
