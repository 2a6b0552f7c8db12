#include "engine/format/footer.h"
#include "engine/format/segment_dictionary.h"
#include "engine/format/structure.h"
#include "engine/lifetime_bucket.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELSG");
constexpr std::size_t kSegmentIdOffset = 32;
constexpr std::size_t kCreatedOffset = 40;
constexpr std::size_t kFirstSequenceOffset = 48;
constexpr std::size_t kBucketOffset = 56;
constexpr std::size_t kFlagsOffset = 60;
constexpr std::size_t kCapacityOffset = 64;
constexpr std::size_t kDictionaryIdOffset = 72;
constexpr std::size_t kDictionaryBytesOffset = 80;
constexpr std::size_t kEndOffset = 84;
static_assert(kEndOffset < kSegmentHeaderBytes - kChecksumBytes);

Error error(ErrorCode code, std::uint64_t segment_id, const std::string& what) {
  return {code, "header of segment " + std::to_string(segment_id) + ": " + what};
}

bool is_dictionary(const SegmentHeader& header) {
  if (header.dictionary_id != 0 && header.dictionary_copy_bytes == 0) return false;
  return header.dictionary_copy_bytes <= kMaxCopyBytes &&
         header.dictionary_copy_bytes % kSegmentHeaderBytes == 0;
}

}  // namespace

std::vector<std::byte> encode_segment_header(const SegmentHeader& header) {
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  std::byte* to = bytes.data();
  begin_structure(bytes, kMagic, header.store_id);
  store(to + kSegmentIdOffset, header.segment_id);
  store(to + kCreatedOffset, header.created_ms);
  store(to + kFirstSequenceOffset, header.first_sequence);
  store(to + kBucketOffset, header.bucket);
  store(to + kFlagsOffset, header.flags);
  store(to + kCapacityOffset, header.capacity_bytes);
  store(to + kDictionaryIdOffset, header.dictionary_id);
  store(to + kDictionaryBytesOffset, header.dictionary_copy_bytes);
  seal_structure(bytes, checksum_seed({header.store_id, header.segment_id, 0}));
  return bytes;
}

Result<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes,
                                            const StoreId& store_id, std::uint64_t segment_id) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return error(ErrorCode::kCorrupt, segment_id, "cut off");
  }
  bytes = bytes.first(kSegmentHeaderBytes);
  if (!has_magic(bytes, kMagic)) {
    return error(ErrorCode::kCorrupt, segment_id, "this is no Kachel segment");
  }
  const std::byte* from = bytes.data();
  SegmentHeader header;
  header.store_id = load<StoreId>(from + kStoreIdOffset);
  header.segment_id = load<std::uint64_t>(from + kSegmentIdOffset);
  header.created_ms = load<std::int64_t>(from + kCreatedOffset);
  header.first_sequence = load<std::uint64_t>(from + kFirstSequenceOffset);
  header.bucket = load<std::uint32_t>(from + kBucketOffset);
  header.flags = load<std::uint32_t>(from + kFlagsOffset);
  header.capacity_bytes = load<std::uint64_t>(from + kCapacityOffset);
  header.dictionary_id = load<std::uint64_t>(from + kDictionaryIdOffset);
  header.dictionary_copy_bytes = load<std::uint32_t>(from + kDictionaryBytesOffset);

  // By its own word first, to tell damage from a whole header in the wrong place.
  if (!is_sealed(bytes, checksum_seed({header.store_id, header.segment_id, 0}))) {
    return error(ErrorCode::kCorrupt, segment_id, "the checksum does not fit");
  }
  if (header.store_id != store_id) {
    return error(ErrorCode::kForeign, segment_id, "it belongs to another store");
  }
  if (header.segment_id != segment_id || segment_id == 0) {
    return error(ErrorCode::kCorrupt, segment_id,
                 "it is that of segment " + std::to_string(header.segment_id));
  }
  if (is_too_new(bytes)) return too_new(bytes, "segment " + std::to_string(segment_id));
  if (header.bucket > kHeldBucket || (header.flags & ~kSegmentFlags) != 0 ||
      header.created_ms < 0 || header.first_sequence > kMaxNumber || !is_dictionary(header) ||
      !all_zero(bytes.subspan(kEndOffset, kSegmentHeaderBytes - kChecksumBytes - kEndOffset))) {
    return error(ErrorCode::kCorrupt, segment_id, "values that this version does not have");
  }
  return header;
}

}  // namespace kachel::format
