#include "engine/segment_allocator.h"

#include <algorithm>

namespace kachel {
namespace {
constexpr std::uint64_t kMinSegmentBytes = 4 * kMiB;
constexpr std::uint64_t kMaxSegmentBytes = 64 * kMiB;
// What a footer may need on top of the records: a hundredth covers records of 2.6 KB and up,
// small ones are counted when a segment is closed early (the file may grow past it: the
// capacity is a plan, not a wall).
constexpr std::uint64_t kRoundTo = 4096;
}  // namespace

std::uint64_t choose_segment_bytes(const Options& options) {
  const std::uint64_t wanted =
      options.segment_bytes != 0
          ? options.segment_bytes
          : std::clamp(options.capacity_bytes / 64, kMinSegmentBytes, kMaxSegmentBytes);
  return (wanted + kRoundTo - 1) / kRoundTo * kRoundTo;
}

SegmentAllocator::SegmentAllocator(Core& core, Identity& identity, std::uint64_t next_id)
    : core_(core),
      identity_(identity),
      next_id_(next_id),
      segment_bytes_(choose_segment_bytes(core.options)) {}

std::uint64_t SegmentAllocator::used_bytes() const {
  std::uint64_t bytes = core_.segments.total_bytes();
  for (const Spare& spare : spares_)
    bytes += spare.capacity;
  return bytes;
}

std::uint64_t SegmentAllocator::usable_bytes() const {
  const std::uint64_t capacity = core_.options.capacity_bytes;
  return capacity > index_bytes_ ? capacity - index_bytes_ : 0;
}

std::uint64_t SegmentAllocator::shortage_bytes() const {
  // Room for the missing spares and one segment more, so that reclaim runs ahead of need.
  const std::size_t missing = spares_.size() < kSpares ? kSpares - spares_.size() : 0;
  const std::uint64_t wanted = used_bytes() + (missing + 1) * segment_bytes_;
  const std::uint64_t usable = usable_bytes();
  return wanted > usable ? wanted - usable : 0;
}

Result<std::uint64_t> SegmentAllocator::next_number() {
  const std::uint64_t id = next_id_++;
  auto kept = identity_.keep_ahead(core_.queue.last_sequence(), id, core_.clock.now_ms());
  if (!kept) return kept.error();
  return id;
}

Result<SegmentAllocator::Spare> SegmentAllocator::make(io::Storage& storage, std::uint64_t id,
                                                       std::uint64_t capacity) {
  const std::string path = segment_path(id);
  auto file = storage.open(path, io::OpenMode::kCreate);
  if (!file) return file.error();
  auto reserved = (*file)->reserve(capacity);
  if (reserved) reserved = storage.sync_directory("segments");
  if (!reserved) {
    (void)storage.remove(path);  // best effort: an empty file is removed at the next start
    return reserved.error();
  }
  return Spare{id, capacity, std::move(*file)};
}

Result<SegmentPointer> SegmentAllocator::take(std::uint64_t record_bytes, bool essential,
                                              std::uint32_t bucket, bool survivors,
                                              std::uint64_t first_sequence) {
  const std::uint64_t needed =
      (format::kSegmentHeaderBytes + record_bytes + kRoundTo - 1) / kRoundTo * kRoundTo;
  const bool ordinary = needed <= segment_bytes_;
  std::optional<Spare> spare;
  if (ordinary && spares_.size() > (essential ? 0u : 1u)) {
    spare = std::move(spares_.front());
    spares_.pop_front();
  } else {
    const std::uint64_t capacity = ordinary ? segment_bytes_ : needed;
    if (!essential && used_bytes() + capacity > usable_bytes()) {
      return Error{ErrorCode::kNoSpace, "the capacity is used up"};
    }
    auto id = next_number();
    if (!id) return id.error();
    auto made = make(core_.env.storage, *id, capacity);
    if (!made) return made.error();
    spare = std::move(*made);
  }
  format::SegmentHeader header;
  header.store_id = core_.store_id;
  header.segment_id = spare->id;
  header.created_ms = core_.clock.now_ms();
  header.first_sequence = first_sequence;
  header.bucket = bucket;
  header.flags = survivors ? format::kSegmentFlagSurvivors : 0;
  header.capacity_bytes = spare->capacity;
  return std::make_shared<Segment>(header, std::move(spare->file));
}

void SegmentAllocator::refill() {
  if (refilling_ || spares_.size() >= kSpares) return;
  if (used_bytes() + segment_bytes_ > usable_bytes()) return;
  auto id = next_number();
  if (!id) return;
  refilling_ = true;
  core_.env.pool.run([this, number = *id, storage = &core_.env.storage, loop = &core_.env.log_loop,
                      capacity = segment_bytes_] {
    auto made = std::make_shared<Result<Spare>>(make(*storage, number, capacity));
    loop->post([this, made] {
      refilling_ = false;
      if (!*made) {
        bump(core_.counters.io_errors);
        return;  // tried again with the next append
      }
      spares_.push_back(std::move(**made));
      refill();
    });
  });
}

void SegmentAllocator::discard_spares() {
  for (Spare& spare : spares_) {
    spare.file.reset();
    (void)core_.env.storage.remove(segment_path(spare.id));  // else removed at the next start
  }
  spares_.clear();
}

}  // namespace kachel
