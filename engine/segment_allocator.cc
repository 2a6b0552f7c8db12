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
// On a full disk erases, and what reclaim has to say, make do with so much.
constexpr std::uint64_t kLeastBytes = 128 * 1024;
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
  // On a full disk entries make room for what is asked for, not for what might be. While a spare
  // is being made, the segment that went last may have been enough.
  const bool needed = disk_full_ && !refilling_ && (spares_.empty() || core_.no_room);
  const std::uint64_t refused = needed ? segment_bytes_ : 0;
  return std::max(refused, wanted > usable ? wanted - usable : 0);
}

Result<std::uint64_t> SegmentAllocator::next_number() {
  const std::uint64_t id = next_id_++;
  auto kept = identity_.keep_ahead(core_.queue.last_sequence(), id, core_.clock.now_ms());
  if (!kept) return kept.error();
  return id;
}

/// Of `capacity`, or of less when the disk has no more: at least `least`.
Result<SegmentAllocator::Spare> SegmentAllocator::make(io::Storage& storage, io::OpenMode mode,
                                                       std::uint64_t id, std::uint64_t capacity,
                                                       std::uint64_t least) {
  const std::string path = segment_path(id);
  auto file = storage.open(path, mode);
  if (!file) return file.error();
  auto reserved = (*file)->reserve(capacity);
  while (!reserved && reserved.error().code == ErrorCode::kNoSpace && capacity / 2 >= least) {
    capacity = capacity / 2 / kRoundTo * kRoundTo;
    reserved = (*file)->reserve(capacity);
  }
  if (reserved) reserved = storage.sync_directory("segments");
  if (!reserved) {
    (void)storage.remove(path);  // best effort: an empty file is removed at the next start
    return reserved.error();
  }
  return Spare{id, capacity, std::move(*file)};
}

Result<SegmentPointer> SegmentAllocator::take(std::uint64_t record_bytes, bool essential,
                                              std::uint32_t bucket, bool survivors,
                                              std::uint64_t first_sequence,
                                              Dictionary::Pointer dictionary) {
  format::SegmentHeader header;
  if (dictionary) {
    header.dictionary_id = dictionary->id();
    header.dictionary_copy_bytes =
        static_cast<std::uint32_t>(format::copy_bytes(dictionary->stored()));
  }
  const std::uint64_t needed =
      (format::records_begin(header) + record_bytes + kRoundTo - 1) / kRoundTo * kRoundTo;
  const bool ordinary = needed <= segment_bytes_;
  std::optional<Spare> spare;
  const bool has_spare = spares_.size() > (essential ? 0u : 1u);
  if (has_spare && needed <= spares_.front().capacity) {
    spare = std::move(spares_.front());
    spares_.pop_front();
  } else {
    const std::uint64_t capacity = ordinary ? segment_bytes_ : needed;
    if (!essential && used_bytes() + capacity > usable_bytes()) {
      return Error{ErrorCode::kNoSpace, "the capacity is used up"};
    }
    auto id = next_number();
    if (!id) return id.error();
    auto made = make(core_.env.storage, io::OpenMode::kCreate, *id, capacity,
                     essential ? std::max(needed, kLeastBytes) : capacity);
    if (!made) {
      note_refusal(made.error());
      if (!essential && disk_full_) core_.no_room = true;
      return made.error();
    }
    spare = std::move(*made);
  }
  header.store_id = core_.store_id;
  header.segment_id = spare->id;
  header.created_ms = core_.clock.now_ms();
  header.first_sequence = first_sequence;
  header.bucket = bucket;
  header.flags = survivors ? format::kSegmentFlagSurvivors : 0;
  header.capacity_bytes = spare->capacity;
  auto segment = std::make_shared<Segment>(header, std::move(spare->file));
  segment->dictionary = std::move(dictionary);
  return segment;
}

void SegmentAllocator::note_refusal(const Error& error) {
  bump(core_.counters.io_errors);
  if (error.code == ErrorCode::kNoSpace) disk_full_ = true;
}

void SegmentAllocator::refill() {
  if (refilling_ || spares_.size() >= kSpares) return;
  if (used_bytes() + segment_bytes_ > usable_bytes()) return;
  auto id = next_number();
  if (!id) return;
  refilling_ = true;
  core_.env.pool.run([this, number = *id, storage = &core_.env.storage, loop = &core_.env.log_loop,
                      capacity = segment_bytes_,
                      least = spares_.empty() ? kLeastBytes : segment_bytes_] {
    auto made = std::make_shared<Result<Spare>>(
        make(*storage, io::OpenMode::kCreate, number, capacity, least));
    loop->post([this, made] {
      refilling_ = false;
      if (!*made) {  // tried again by the log's tick
        note_refusal(made->error());
        if (disk_full_ && spares_.empty()) core_.no_room = true;  // what is left is for erases
        return;
      }
      disk_full_ = (*made)->capacity < segment_bytes_;
      if (!disk_full_) core_.no_room = false;
      spares_.push_back(std::move(**made));
      refill();
    });
  });
}

void SegmentAllocator::adopt(const std::vector<std::uint64_t>& ids) {
  for (const std::uint64_t id : ids) {
    auto spare = make(core_.env.storage, io::OpenMode::kReadWrite, id, segment_bytes_, kLeastBytes);
    if (spare) spares_.push_back(std::move(*spare));
  }
}

void SegmentAllocator::discard_spare() {
  if (spares_.empty()) return;
  Spare& spare = spares_.front();
  spare.file.reset();
  (void)core_.env.storage.remove(segment_path(spare.id));  // else removed at the next start
  spares_.pop_front();
}

void SegmentAllocator::discard_spares() {
  if (disk_full_) spares_.clear();
  while (!spares_.empty())
    discard_spare();
}

}  // namespace kachel
