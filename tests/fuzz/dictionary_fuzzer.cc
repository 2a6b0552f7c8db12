// The dictionary of a segment. Whatever decodes encodes to the same bytes again, and compressing
// and decompressing with it keeps its bounds, whatever its content is.
//
// Input: a byte of choices (1: put right checksums in; 2: put the identity and the length in), the
// length of a value and its bytes, the fixed fields of a copy, then its body.
#include "engine/codec.h"
#include "engine/dictionary.h"
#include "engine/format/segment_dictionary.h"
#include "engine/format/structure.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr std::uint64_t kSegment = 7;
const Place kPlace{{std::byte{0xa0}}, kSegment, kSegmentHeaderBytes};
constexpr std::uint64_t kDictionaryMagic = magic_of("KACHELDI");
constexpr std::size_t kFixedBytes = 96;
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kContentLengthAt = 52;
constexpr std::size_t kSampleCountAt = 56;
constexpr std::size_t kTagCountAt = 60;

enum Choice : std::uint8_t { kSeal = 1, kIdentify = 2 };

/// As long as its numbers say, where that is not much longer than the input.
std::size_t length_of(const Bytes& bytes) {
  const std::size_t said = peek_copy_bytes(bytes);
  return said == 0 ? align_up(bytes.size() + kChecksumBytes, kBlockBytes) : said;
}

Bytes make_copy(Input& input, std::uint8_t choice) {
  Bytes bytes(kFixedBytes);
  std::ranges::copy(input.bytes(kFixedBytes), bytes.begin());
  const auto body = input.rest();
  bytes.insert(bytes.end(), body.begin(), body.end());
  if ((choice & kIdentify) != 0) {
    begin_structure(bytes, kDictionaryMagic, kPlace.store_id);
    store(bytes.data() + 32, kSegment);
    std::byte* const at = bytes.data();
    const std::size_t samples = load<std::uint32_t>(at + kSampleCountAt) % 8 + 1;
    const std::size_t tags = load<std::uint32_t>(at + kTagCountAt) % 8;
    const std::size_t lists = samples * 24 + tags * 16;
    const std::size_t content = body.size() > lists ? body.size() - lists : 1;
    store(at + kContentLengthAt, static_cast<std::uint32_t>(content));
    store(at + kSampleCountAt, static_cast<std::uint32_t>(samples));
    store(at + kTagCountAt, static_cast<std::uint32_t>(tags));
  }
  const std::size_t length = length_of(bytes);
  bytes.resize(std::min(length, 2 * kBlockBytes + align_up(bytes.size(), kBlockBytes)));
  if ((choice & kSeal) != 0) seal_structure(bytes, checksum_seed(kPlace));
  return exact_copy(bytes);
}

void check_encodes_again(const SegmentDictionary& dictionary, std::span<const std::byte> bytes) {
  constexpr std::uint32_t kBareTagsVersion = 3;  // its scopes are written otherwise now
  if (load<std::uint32_t>(bytes.data() + kVersionOffset) <= kBareTagsVersion) return;
  KACHEL_CHECK(copy_bytes(dictionary) == bytes.size(), "it is of another length");
  const ZeroizingBytes again = encode_dictionary(dictionary, kPlace.store_id, kSegment);
  KACHEL_CHECK(again.size() == kDictionaryCopies * bytes.size(), "not two copies");
  // The version of a newer writer is all that may differ.
  const auto first = std::span(again).first(bytes.size() - kChecksumBytes);
  KACHEL_CHECK(is_same(first.subspan(16), bytes.first(bytes.size() - kChecksumBytes).subspan(16)),
               "it encodes differently");
}

/// zstd takes whatever it is given for a dictionary, or refuses it; what the trainer has never made
/// may make a value unreadable, but nothing else.
void check_use(SegmentDictionary stored, std::span<const std::byte> value) {
  const auto dictionary = Dictionary::make(std::move(stored), 3, 60'000);
  if (!dictionary) {
    KACHEL_CHECK(dictionary.error().code == ErrorCode::kCorrupt, "another error");
    return;
  }
  Bytes out(value.size());
  const auto garbage = decompress(Codec::kZstdDictionary, value, out, dictionary->get());
  KACHEL_CHECK(garbage || garbage.error().code == ErrorCode::kCorrupt, "another error");
  const Compressed compressed = compress(value, **dictionary, Effort::kFast);
  const auto done = decompress(compressed.codec, compressed.bytes, out, dictionary->get());
  KACHEL_CHECK(done && is_same(out, value), "the value has changed");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  const std::string_view value = input.text(255);
  const Bytes bytes = make_copy(input, choice);
  const auto dictionary = kachel::format::decode_dictionary(bytes, kPlace);
  if (!dictionary) {
    KACHEL_CHECK(dictionary.error().code == kachel::ErrorCode::kCorrupt ||
                     dictionary.error().code == kachel::ErrorCode::kVersion,
                 "another error");
    return 0;
  }
  check_encodes_again(*dictionary, bytes);
  check_use(*dictionary, std::as_bytes(std::span(value)));
  return 0;
}
