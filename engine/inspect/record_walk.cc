#include "engine/inspect/record_walk.h"

#include <algorithm>

#include "engine/codec.h"
#include "engine/format/bytes.h"
#include "engine/format/file_window.h"
#include "engine/format/record_rules.h"

namespace kachel::inspect {
namespace {

class Walker {
 public:
  Walker(const StoreView& store, const SegmentView& segment, const Walk& walk)
      : store_(store),
        segment_(segment),
        walk_(walk),
        window_(*segment.file, segment.data_end, walk.ahead),
        at_(std::max(walk.from, segment.data_begin)) {
    if (walk.ahead != nullptr) walk.ahead->open(*segment.file, at_, segment.data_end);
  }
  ~Walker() {
    if (walk_.ahead != nullptr) walk_.ahead->close();
  }
  Walker(const Walker&) = delete;
  Walker& operator=(const Walker&) = delete;

  Result<Walked> run() {
    walked_.end = at_;
    if (segment_.trailer) {
      if (auto listed = by_table(); !listed) return listed.error();
    }
    if (auto rest = search(segment_.data_end); !rest) return rest.error();
    end_stray(true);
    return walked_;
  }

 private:
  /// As far as the table goes, or can be trusted.
  Result<void> by_table() {
    TableReader table(segment_);
    if (auto whole = table.check(); !whole) return bad_table(whole.error());
    while (true) {
      const auto entry = table.next();
      if (!entry) return bad_table(entry.error());
      if (!*entry) break;
      if ((*entry)->offset < at_) continue;  // walked before
      if (auto gap = search((*entry)->offset); !gap) return gap;
      end_stray(false);
      if (auto seen = expect(**entry); !seen) return seen;
    }
    walked_.has_whole_table = true;
    return {};
  }

  Result<void> bad_table(const Error& error) {
    if (error.code != ErrorCode::kCorrupt) return error;
    walk_.on_finding({FindingCode::kFooter, segment_.path, segment_.trailer->table_offset,
                      segment_.trailer->table_bytes, error.message});
    return {};
  }

  /// A record that the table says is here.
  Result<void> expect(const format::RecordSummary& entry) {
    auto size = try_record(&entry);
    if (!size) return size.error();
    if (*size == 0) {
      walk_.on_finding({FindingCode::kRecord, segment_.path, at_, entry.size,
                        fault_.empty() ? "there is no record here" : fault_});
    }
    return advance(entry.size);
  }

  /// Whatever lies before `end`: zeros, records that no table lists, and bytes that are neither.
  Result<void> search(std::uint64_t end) {
    while (at_ < end) {
      const auto bytes = window_.at(at_, std::min<std::uint64_t>(end - at_, format::kWindowBytes));
      if (!bytes) return bytes.error();
      std::size_t zeros = 0;
      while (zeros < bytes->size() && (*bytes)[zeros] == std::byte{0})
        ++zeros;
      if (zeros < bytes->size()) zeros -= zeros % format::kRecordAlignment;
      if (zeros > 0) {
        if (auto done = advance(zeros); !done) return done;
        continue;
      }
      auto size = try_record(nullptr);
      if (!size) return size.error();
      if (*size == 0) {
        if (stray_end_ == 0) stray_begin_ = at_;
        *size = std::min<std::uint64_t>(format::kRecordAlignment, end - at_);
        stray_end_ = at_ + *size;
      }
      if (auto done = advance(*size); !done) return done;
    }
    return {};
  }

  Result<void> advance(std::uint64_t bytes) {
    at_ += bytes;
    walk_.on_bytes(bytes);
    return walk_.go_on();
  }

  /// The size of the record here; 0 and `fault_` when there is none that is whole.
  Result<std::uint64_t> try_record(const format::RecordSummary* listed) {
    fault_.clear();
    const auto head = window_.at(at_, format::kRecordFixedBytes);
    if (!head) return head.error();
    const auto extent = format::peek_record(*head);
    if (!extent) return none(extent.error().message);
    if (extent->size > segment_.data_end - at_) return none("it reaches beyond the end");
    if (listed != nullptr && listed->size != extent->size) {
      return none("it is not as long as the table says");
    }
    if (extent->size > kLargestInMemory + format::kMaxMetaBytes) return try_large(*extent, listed);
    const auto bytes = window_.at(at_, extent->size);
    if (!bytes) return bytes.error();
    const format::Place place{store_.store_id(), segment_.id, at_};
    const auto record = format::decode_record(*bytes, place);
    if (record) {
      accept(*record, extent->size, record->payload.size(), listed);
      return std::uint64_t{extent->size};
    }
    // With a header that is whole it is a record all the same, and its bounds are known.
    if (!format::decode_record_meta(*bytes, place)) return none(record.error().message);
    end_stray(false);
    walk_.on_finding(
        {FindingCode::kPayload, segment_.path, at_, extent->size, record.error().message});
    walked_.end = at_ + extent->size;
    return std::uint64_t{extent->size};
  }

  Result<std::uint64_t> none(std::string why) {
    fault_ = std::move(why);
    return std::uint64_t{0};
  }

  Result<std::uint64_t> try_large(const format::RecordExtent& extent,
                                  const format::RecordSummary* listed) {
    const auto front = window_.at(at_, extent.meta_end);
    if (!front) return front.error();
    const auto record = format::decode_record_meta(*front, {store_.store_id(), segment_.id, at_});
    if (!record) return none(record.error().message);
    const auto payload_bytes =
        format::load<std::uint32_t>(front->data() + format::kPayloadLengthOffset);
    accept(*record, extent.size, payload_bytes, listed);
    const auto read = read_value(store_, segment_, at_,
                                 [&](std::span<const std::byte>) { return walk_.go_on(); });
    if (!read && read.error().code != ErrorCode::kCorrupt) return read.error();
    if (!read) {
      walk_.on_finding(
          {FindingCode::kPayload, segment_.path, at_, extent.size, read.error().message});
    }
    return std::uint64_t{extent.size};
  }

  void accept(const format::DecodedRecord& record, std::uint64_t size, std::uint64_t payload_bytes,
              const format::RecordSummary* listed) {
    end_stray(false);
    ++walked_.records;
    walked_.end = at_ + size;
    if (record.payload.size() == payload_bytes) check_value(record, size);
    walk_.on_record({record.meta, record.payload, at_, size, payload_bytes, listed});
  }

  void check_value(const format::DecodedRecord& record, std::uint64_t size) {
    if (!walk_.check_values || record.meta.codec == format::Codec::kRaw) return;
    const bool wants_dictionary = record.meta.codec == format::Codec::kZstdDictionary;
    if (wants_dictionary && !segment_.dictionary) return;  // reported once, of the segment
    Result<void> read;
    if (record.meta.raw_bytes > kLargestInMemory) {
      read = read_value(store_, segment_, at_,
                        [](std::span<const std::byte>) { return Result<void>(); });
    } else {
      value_.resize(record.meta.raw_bytes);
      read = decompress(record.meta.codec, record.payload, value_, segment_.dictionary.get());
    }
    if (read) return;
    walk_.on_finding({FindingCode::kValue, segment_.path, at_, size, read.error().message});
  }

  /// A record follows, or nothing does.
  void end_stray(bool is_end) {
    if (stray_end_ == 0) return;
    const std::uint64_t length = stray_end_ - stray_begin_;
    if (is_end && !segment_.trailer) {
      walked_.tail_bytes = length;  // whether that is damage others tell
    } else {
      walk_.on_finding({FindingCode::kStrayBytes, segment_.path, stray_begin_, length,
                        std::to_string(length) + " bytes that are neither a record nor zero"});
    }
    stray_begin_ = stray_end_ = 0;
  }

  const StoreView& store_;
  const SegmentView& segment_;
  const Walk& walk_;
  format::FileWindow window_;
  ZeroizingBytes value_;
  std::uint64_t at_;
  std::uint64_t stray_begin_ = 0;
  std::uint64_t stray_end_ = 0;  // 0: none
  std::string fault_;
  Walked walked_;
};

}  // namespace

Result<Walked> walk_records(const StoreView& store, const SegmentView& segment, const Walk& walk) {
  return Walker(store, segment, walk).run();
}

}  // namespace kachel::inspect
