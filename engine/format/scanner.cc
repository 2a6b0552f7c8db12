#include "engine/format/scanner.h"

#include <algorithm>

#include "engine/format/bytes.h"
#include "engine/format/file_window.h"

namespace kachel::format {
namespace {

// Damage since the last good record. What it counts as depends on whether another follows.
class Damage {
 public:
  /// Bytes that are no record; neighbours form one range, zeros between them included.
  void add_junk(std::uint64_t begin, std::uint64_t end) {
    if (junk_end_ == 0) junk_begin_ = begin;
    junk_end_ = end;
  }
  /// A record whose header is whole and whose payload is not: a range of its own.
  void add_record(std::uint64_t size) {
    close_junk();
    ++ranges_;
    bytes_ += size;
  }
  void commit_to(ScanResult& result) {
    close_junk();
    result.damaged_ranges += ranges_;
    result.damaged_bytes += bytes_;
    *this = {};
  }
  std::uint64_t take_bytes() {
    close_junk();
    return bytes_;
  }

 private:
  void close_junk() {
    if (junk_end_ == 0) return;
    ++ranges_;
    bytes_ += junk_end_ - junk_begin_;
    junk_begin_ = junk_end_ = 0;
  }

  std::uint64_t junk_begin_ = 0;
  std::uint64_t junk_end_ = 0;  // 0: none
  std::uint64_t ranges_ = 0;
  std::uint64_t bytes_ = 0;
};

enum class Finding : std::uint8_t { kNoRecord, kDamagedRecord, kRecord };

class Scan {
 public:
  using Visit = std::function<void(const DecodedRecord&, std::uint64_t)>;

  Scan(FileWindow& window, const StoreId& store_id, std::uint64_t segment_id, const Visit& visit)
      : window_(window), store_id_(store_id), segment_id_(segment_id), visit_(visit) {}

  Result<ScanResult> run(std::uint64_t from) {
    std::uint64_t offset = from;
    result_.data_end = from;
    while (offset < window_.end()) {
      const auto step = advance(offset);
      if (!step) return step.error();
      offset += *step;
    }
    result_.tail_bytes = damage_.take_bytes();
    return result_;
  }

 private:
  // Looks at one place; returns how far to go on.
  Result<std::uint64_t> advance(std::uint64_t offset) {
    const auto head = window_.at(offset, kRecordFixedBytes);
    if (!head) return head.error();
    const auto word = head->first(std::min(head->size(), kRecordAlignment));
    if (all_zero(word)) return kRecordAlignment;
    std::uint64_t size = 0;
    if (head->size() == kRecordFixedBytes && load<std::uint32_t>(head->data()) == kRecordMagic) {
      const auto found = inspect(offset, size);
      if (!found) return found.error();
      if (*found == Finding::kDamagedRecord) damage_.add_record(size);
      if (*found != Finding::kNoRecord) return size;
    }
    damage_.add_junk(offset, offset + word.size());
    return kRecordAlignment;
  }

  // Memory is spent on a payload only after its header has proved true.
  Result<Finding> inspect(std::uint64_t offset, std::uint64_t& size) {
    const auto head = window_.at(offset, kRecordFixedBytes);
    if (!head) return head.error();
    const auto extent = peek_record(*head);
    if (!extent) return Finding::kNoRecord;
    const Place place{store_id_, segment_id_, offset};
    if (extent->size > kWindowBytes) {
      const auto front = window_.at(offset, extent->meta_end);
      if (!front) return front.error();
      if (!decode_record_meta(*front, place)) return Finding::kNoRecord;
    }
    if (extent->size > window_.end() - offset) return Finding::kNoRecord;  // torn
    const auto bytes = window_.at(offset, extent->size);
    if (!bytes) return bytes.error();
    size = extent->size;
    if (const auto record = decode_record(*bytes, place)) {
      accept(*record, offset);
      return Finding::kRecord;
    }
    return decode_record_meta(*bytes, place) ? Finding::kDamagedRecord : Finding::kNoRecord;
  }

  void accept(const DecodedRecord& record, std::uint64_t offset) {
    damage_.commit_to(result_);
    ++result_.records;
    result_.data_end = offset + record.size;
    visit_(record, offset);
  }

  FileWindow& window_;
  const StoreId& store_id_;
  const std::uint64_t segment_id_;
  const Visit& visit_;
  ScanResult result_;
  Damage damage_;
};

}  // namespace

Result<ScanResult> scan_segment(
    const io::File& file, const StoreId& store_id, std::uint64_t segment_id, std::uint64_t from,
    const std::function<void(const DecodedRecord&, std::uint64_t offset)>& visit) {
  const auto size = file.size();
  if (!size) return size.error();
  FileWindow window(file, *size);
  return Scan(window, store_id, segment_id, visit).run(from);
}

}  // namespace kachel::format
