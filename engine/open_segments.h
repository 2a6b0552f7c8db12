// The segments that take appends: one a lifetime bucket, survivors apart. Chooses a place for
// each record of a batch and writes the batch, one gather write a segment. Log thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/core.h"
#include "engine/segment_allocator.h"

namespace kachel {

class OpenSegments {
 public:
  /// Past this many, a bucket shares the open segment of the nearest longer lifetime.
  static constexpr std::size_t kMaxOpen = 12;

  OpenSegments(Core& core, SegmentAllocator& allocator) : core_(core), allocator_(allocator) {}

  /// Gives the record its place and queues its bytes for write(); `append` must stay where it
  /// is until then. kNoSpace, kIo when there is none to be had.
  Result<SegmentPointer> place(Append& append);

  struct Outcome {
    SegmentPointer segment;
    Result<void> result;
  };
  /// Writes what place() queued. A segment whose write failed takes no more appends, and its
  /// records of this batch have no place any longer.
  std::vector<Outcome> write();

  /// Closes segments that have been open for their bucket's limit.
  void close_aged(std::int64_t now_ms);
  /// Closes those with a dictionary that no new values are compressed with.
  void close_outdated();
  /// Closes this one, if it is open.
  void close(std::uint64_t id);
  /// Closes all.
  void close_all();
  /// Segments closed since the last call: they wait for their footers.
  std::vector<SegmentPointer> take_closed() { return std::exchange(closed_, {}); }

  std::vector<SegmentPointer> open() const;

 private:
  /// Survivors, bucket, the id of the dictionary.
  using Slot = std::tuple<bool, std::uint32_t, std::uint64_t>;
  struct Batch {
    SegmentPointer segment;
    // Not yet written: they go first.
    std::vector<std::byte> header;
    ZeroizingBytes dictionary;
    std::vector<iovec> parts;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
  };

  Result<SegmentPointer> choose(const Append& append);
  Dictionary::Pointer dictionary_for(const Append& append) const;
  SegmentPointer stand_in(const Slot& slot, const Append& append) const;
  Batch& batch_of(const SegmentPointer& segment);

  Core& core_;
  SegmentAllocator& allocator_;
  std::map<Slot, SegmentPointer> open_;
  std::vector<Batch> batches_;
  std::vector<SegmentPointer> closed_;
};

}  // namespace kachel
