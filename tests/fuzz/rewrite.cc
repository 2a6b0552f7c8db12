// rewrite_segment(): see damage.h. Keys and payloads of records stay what they were, so that
// what a store returns afterwards can still be judged.
#include <stdexcept>

#include "engine/codec.h"
#include "engine/format/bytes.h"
#include "engine/segment.h"
#include "tests/fuzz/damage.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr std::size_t kMaxRecords = 64;
constexpr std::size_t kMaxEdits = 4;

struct Piece {
  RecordMeta meta;  // views into the file as it was
  std::span<const std::byte> payload;
};

std::vector<Piece> pieces_of(const Bytes& bytes, const StoreId& store, std::uint64_t id) {
  std::vector<Piece> pieces;
  const std::span<const std::byte> all(bytes);
  for (std::size_t at = kSegmentHeaderBytes; at < all.size();) {
    const auto record = decode_record(all.subspan(at), {store, id, at});
    if (record) {
      pieces.push_back({record->meta, record->payload});
      if ((record->meta.flags & kFlagVersioned) == 0) pieces.back().meta.version = 0;
    }
    at += record ? record->size : kRecordAlignment;
  }
  return pieces;
}

std::int64_t bend_time(std::int64_t ms, Input& input) {
  return static_cast<std::int64_t>(bend(static_cast<std::uint64_t>(ms), input) & INT64_MAX);
}

void bend_record(RecordMeta& meta, Input& input) {
  switch (input.u8() % 10) {
    case 0:
      meta.sequence = bend(meta.sequence, input);
      break;
    case 1:
      meta.version = bend(meta.version, input);
      break;
    case 2:
      meta.created_ms = bend_time(meta.created_ms, input);
      break;
    case 3:
      meta.expires_at_ms = bend_time(meta.expires_at_ms, input);
      break;
    case 4:
      meta.erase_by_ms = bend_time(meta.erase_by_ms, input);
      break;
    case 5:
      meta.space = {input.u8() % 2u, input.flag() ? kAllDatabases : std::uint8_t{1}};
      break;
    case 6:
      meta.covers = bend(meta.covers, input);
      break;
    case 7:
      meta.first_void = bend(meta.first_void, input);
      meta.last_void = bend(meta.last_void, input);
      break;
    case 8:
      meta.durable_through = bend(meta.durable_through, input);
      meta.written_through = bend(meta.written_through, input);
      break;
    default:
      meta.flags ^= kFlagMoved;
      break;
  }
}

void edit(std::vector<Piece>& pieces, Input& input) {
  if (pieces.empty()) return;
  const std::size_t at = input.u8() % pieces.size();
  switch (input.u8() % 4) {
    case 0:
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    case 1:
      if (pieces.size() < kMaxRecords) pieces.push_back(pieces[at]);
      return;
    default:
      return bend_record(pieces[at].meta, input);
  }
}

void bend_summary(RecordSummary& summary, Input& input) {
  switch (input.u8() % 8) {
    case 0:
      summary.sequence = bend(summary.sequence, input);
      return;
    case 1:
      summary.version = bend(summary.version, input);
      return;
    case 2:
      summary.offset += input.u8() * kRecordAlignment;
      return;
    case 3:
      summary.size = static_cast<std::uint32_t>(bend(summary.size, input)) / 8 * 8;
      return;
    case 4:
      summary.mac.bytes[0] ^= std::byte{input.u8()};
      return;
    case 5:
      summary.covers = bend(summary.covers, input);
      return;
    case 6:
      summary.type = static_cast<RecordType>(1 + input.u8() % 6);
      return;
    default:
      summary.raw_bytes = bend(summary.raw_bytes, input) % (kMaxPayloadBytes + 1);
      return;
  }
}

/// Builds the file; what no writer can encode is left out.
class Assembly {
 public:
  Assembly(StoreImage& image, const Signature& signature, const SegmentHeader& header)
      : image_(image), signature_(signature), header_(header) {
    bytes_ = encode_segment_header(header);
  }

  void add(const Piece& piece) {
    const std::uint64_t offset = bytes_.size();
    EncodedRecord record;
    try {
      record = encode_record(piece.meta, piece.payload);
      record.finish({header_.store_id, header_.segment_id, offset}, piece.meta.sequence);
    } catch (const std::logic_error&) {
      return;
    }
    bytes_.insert(bytes_.end(), record.bytes().begin(), record.bytes().end());
    summaries_.push_back(summarize(piece.meta, offset, record.size(), signature_.mac_key));
    note_put(piece);
  }

  void add_footer(Input& input) {
    if (!summaries_.empty() && input.flag()) {
      bend_summary(summaries_[input.u8() % summaries_.size()], input);
    }
    const auto footer = encode_footer(header_.store_id, header_, bytes_.size(), summaries_);
    bytes_.insert(bytes_.end(), footer.bytes.begin(), footer.bytes.end());
  }

  Bytes take() { return std::move(bytes_); }

 private:
  void note_put(const Piece& piece) {
    if (piece.meta.type != RecordType::kPut) return;
    std::string value(piece.meta.raw_bytes, '\0');
    const auto out = std::as_writable_bytes(std::span(value));
    if (!decompress(piece.meta.codec, piece.payload, out)) return;
    image_.put[{piece.meta.space, std::string(piece.meta.key)}].insert(value);
  }

  StoreImage& image_;
  const Signature& signature_;
  const SegmentHeader header_;
  Bytes bytes_;
  std::vector<RecordSummary> summaries_;
};

void bend_header(SegmentHeader& header, Input& input) {
  switch (input.u8() % 8) {
    case 0:
      header.first_sequence = bend(header.first_sequence, input);
      return;
    case 1:
      header.created_ms = bend_time(header.created_ms, input);
      return;
    case 2:
      header.capacity_bytes = bend(header.capacity_bytes, input);
      return;
    case 3:
      header.bucket = input.u8();
      return;
    case 4:
      header.flags ^= kSegmentFlagSurvivors;
      return;
    default:
      return;
  }
}

}  // namespace

void rewrite_segment(StoreImage& image, const Signature& signature, const std::string& path,
                     Input& input) {
  const auto found = image.files.find(path);
  const auto id = parse_segment_name(path.substr(path.find('/') + 1));
  if (found == image.files.end() || !id) return;
  const Bytes old = found->second;
  std::vector<Piece> pieces = pieces_of(old, signature.store_id, *id);
  auto header = decode_segment_header(old, signature.store_id, *id);
  if (!header) return;
  bend_header(*header, input);
  for (std::size_t edits = input.u8() % (kMaxEdits + 1); edits > 0; --edits)
    edit(pieces, input);
  Assembly assembly(image, signature, *header);
  for (const Piece& piece : pieces)
    assembly.add(piece);
  if (input.u8() % 4 != 0) assembly.add_footer(input);
  found->second = assembly.take();
}

}  // namespace kachel::fuzz
