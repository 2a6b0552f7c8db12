// The scan of a segment without a footer: records, damage and emptiness in any order. It ends,
// visits exactly what decodes at its place and not more, reads nothing twice over without bound,
// and its figures add up.
//
// Input: pieces, each a byte that says what it is, then its own bytes.
#include <utility>

#include "engine/format/bytes.h"
#include "engine/format/scanner.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/engine/format_testing.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};
constexpr std::uint64_t kSegment = 7;
constexpr std::size_t kMaxPieces = 64;
constexpr std::size_t kMaxFileBytes = std::size_t{3} << 20;
constexpr std::size_t kLargeBytes = std::size_t{1} << 20;  // as the scanner's window

/// A file that counts what is asked of it.
class CountingFile final : public MemoryFile {
 public:
  using MemoryFile::MemoryFile;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    ++reads_;
    read_bytes_ += out.size();
    return MemoryFile::read_at(offset, out);
  }
  std::size_t reads() const { return reads_; }
  std::size_t read_bytes() const { return read_bytes_; }

 private:
  mutable std::size_t reads_ = 0;
  mutable std::size_t read_bytes_ = 0;
};

class SegmentMaker {
 public:
  explicit SegmentMaker(Input& input) : input_(input) {}

  Bytes make() {
    for (std::size_t i = 0; i < kMaxPieces && !input_.empty(); ++i)
      add_piece();
    bytes_.shrink_to_fit();
    return std::move(bytes_);
  }

 private:
  void add_piece() {
    switch (input_.u8() % 16) {
      case 0:
        return add(input_.bytes(input_.u8()));
      case 1:
        return grow(input_.u8() * kRecordAlignment);
      case 2:
        return add_record({});
      case 3:  // damage in what is there already
        if (bytes_.size() > kSegmentHeaderBytes) {
          const std::size_t at = input_.below(bytes_.size() - kSegmentHeaderBytes);
          bytes_[kSegmentHeaderBytes + at] ^= static_cast<std::byte>(input_.u8() | 1);
        }
        return;
      case 4: {  // what is there already once more, in the wrong place
        const std::size_t from = input_.below(bytes_.size());
        return add(Bytes(bytes_.begin() + static_cast<std::ptrdiff_t>(from), bytes_.end()));
      }
      case 5:
        return align();
      case 6:  // up to the end of the scanner's window, or past it; slow, so once at most
        if (!std::exchange(has_large_, true))
          add_record(Bytes(kLargeBytes - input_.u16(), std::byte{0x5a}));
        return;
      default:
        return add_record({});
    }
  }

  void align() { bytes_.resize(align_up(bytes_.size(), kRecordAlignment)); }
  void grow(std::size_t count) {
    if (bytes_.size() + count <= kMaxFileBytes) bytes_.resize(bytes_.size() + count);
  }
  void add(std::span<const std::byte> bytes) {
    if (bytes_.size() + bytes.size() > kMaxFileBytes) return;
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  void add_record(const Bytes& large) {
    align();
    RecordMeta meta;
    meta.type = RecordType::kPut;
    meta.key = input_.text(32);
    const auto payload = large.empty() ? input_.bytes(input_.u8()) : std::span(large);
    meta.raw_bytes = payload.size();
    EncodedRecord record = encode_record(meta, payload);
    record.finish({kStore, kSegment, bytes_.size()}, ++sequence_);
    add(record.bytes());
  }

  Input& input_;
  Bytes bytes_ = Bytes(kSegmentHeaderBytes);
  std::uint64_t sequence_ = 0;
  bool has_large_ = false;
};

struct Seen {
  std::uint64_t records = 0;
  std::uint64_t end = kSegmentHeaderBytes;
};

/// What was visited decodes at its place; not looked at again where that would take long.
void check_record(std::span<const std::byte> bytes, const DecodedRecord& record,
                  std::uint64_t offset) {
  if (record.size >= kLargeBytes / 2) return;
  const Bytes own = exact_copy(bytes.subspan(static_cast<std::size_t>(offset), record.size));
  const auto decoded = decode_record(own, {kStore, kSegment, offset});
  KACHEL_CHECK(
      decoded && decoded->meta.key == record.meta.key && is_same(decoded->payload, record.payload),
      "what was visited is not what is there");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  CountingFile file(SegmentMaker(input).make());
  const Bytes& bytes = file.bytes();
  Seen seen;
  const auto scan = scan_segment(
      file, kStore, kSegment, kSegmentHeaderBytes,
      [&](const DecodedRecord& record, std::uint64_t offset) {
        KACHEL_CHECK(offset >= seen.end && offset % kRecordAlignment == 0, "records overlap");
        KACHEL_CHECK(offset + record.size <= bytes.size(), "a record is not inside the file");
        check_record(bytes, record, offset);
        seen.end = offset + record.size;
        ++seen.records;
      });
  KACHEL_CHECK(scan.has_value(), "damage is not an error");
  KACHEL_CHECK(scan->records == seen.records && scan->data_end == seen.end, "figures");
  KACHEL_CHECK(scan->damaged_bytes + scan->tail_bytes <= bytes.size() - kSegmentHeaderBytes,
               "more damage than bytes");
  KACHEL_CHECK((scan->damaged_bytes == 0) == (scan->damaged_ranges == 0), "damage without bytes");
  KACHEL_CHECK(file.read_bytes() <= bytes.size(), "bytes are read twice");
  return 0;
}
