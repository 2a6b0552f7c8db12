// Superblock and key file. Whatever decodes encodes to the same bytes again; what does not says
// why.
//
// Input: a byte of choices (1: put right checksums in; 2: magic and version too), two copies of
// the superblock's fields, the key file.
#include "engine/format/structure.h"
#include "engine/format/superblock.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};
constexpr std::size_t kFieldBytes = 104;  // of a copy: its fields, and a few of the zeros behind

enum Choice : std::uint8_t { kSeal = 1, kIdentify = 2, kCutOff = 4 };

void finish(std::span<std::byte> structure, std::uint64_t magic, std::uint8_t choice) {
  if ((choice & kIdentify) != 0) begin_structure(structure, magic, kStore);
  if ((choice & kSeal) != 0) seal_structure(structure, 0);
}

Bytes make_superblock(Input& input, std::uint8_t choice) {
  Bytes bytes(2 * kSuperblockCopyBytes);
  for (const std::size_t begin : {std::size_t{0}, kSuperblockCopyBytes}) {
    const auto copy = std::span(bytes).subspan(begin, kSuperblockCopyBytes);
    std::ranges::copy(input.bytes(kFieldBytes), copy.begin());
    finish(copy, magic_of("KACHELSB"), choice);
  }
  if ((choice & kCutOff) != 0) bytes.resize(input.below(bytes.size()));
  bytes.shrink_to_fit();
  return bytes;
}

bool is_expected(ErrorCode code) {
  return code == ErrorCode::kCorrupt || code == ErrorCode::kForeign || code == ErrorCode::kVersion;
}

/// Version and checksum apart: a newer writer's version is kept by no reader.
bool has_same_fields(std::span<const std::byte> a, std::span<const std::byte> b) {
  constexpr std::size_t kBody = kSuperblockCopyBytes - kStoreIdOffset - kChecksumBytes;
  return b.size() == kSuperblockCopyBytes &&
         is_same(a.subspan(kStoreIdOffset, kBody), b.subspan(kStoreIdOffset, kBody));
}

void check_superblock(const Bytes& bytes) {
  const auto superblock = decode_superblock(bytes);
  if (!superblock) {
    KACHEL_CHECK(is_expected(superblock.error().code) && !superblock.error().message.empty(),
                 "no clear error");
    return;
  }
  KACHEL_CHECK(superblock->sequence_limit > 0 && superblock->segment_id_limit > 0, "limits");
  const Bytes again = encode_superblock_copy(*superblock);
  const std::span<const std::byte> all(bytes);
  const auto second = all.subspan(std::min(all.size(), kSuperblockCopyBytes));
  KACHEL_CHECK(has_same_fields(again, all.first(std::min(all.size(), kSuperblockCopyBytes))) ||
                   has_same_fields(again, second),
               "it is neither copy");
}

void check_key(const Bytes& bytes) {
  const auto key = decode_key_file(bytes, kStore);
  if (!key) {
    KACHEL_CHECK(is_expected(key.error().code) && !key.error().message.empty(), "no clear error");
    return;
  }
  const Bytes again = encode_key_file(*key);
  KACHEL_CHECK(is_same(std::span(again).subspan(16, 40), std::span(bytes).subspan(16, 40)),
               "the key file encodes differently");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  check_superblock(make_superblock(input, choice));
  Bytes key = exact_copy(input.rest());
  if (key.size() >= kKeyFileBytes) finish(key, magic_of("KACHELKY"), choice);
  check_key(key);
  return 0;
}
