// The hot tier's manifest: what decodes encodes to the same bytes again, a flipped bit is found,
// and what does not decode says why.
//
// Input: a byte of choices (1: put a right checksum into the header), a header, how many items, the
// items, which bit to flip, and the bytes of a block as they are.
#include "engine/format/hot_manifest.h"
#include "engine/format/structure.h"
#include "tests/fuzz/fuzz.h"

namespace kachel::fuzz {
namespace {

using namespace kachel::format;

constexpr StoreId kStore{std::byte{0xa0}};
constexpr std::uint32_t kIndex = 3;

void check_header(Input& input, std::uint8_t choice) {
  Bytes header = exact_copy(input.bytes(kHotManifestHeaderBytes));
  if ((choice & 1) != 0 && header.size() == kHotManifestHeaderBytes) {
    begin_structure(header, magic_of("KACHELHM"), kStore);
    seal_structure(header, 0);
  }
  const auto decoded = decode_hot_manifest_header(header, kStore);
  if (!decoded) {
    KACHEL_CHECK(!decoded.error().message.empty(), "no clear error");
  } else if (decoded->item_bytes == kHotItemBytes) {
    KACHEL_CHECK(encode_hot_manifest_header(kStore, *decoded) == header,
                 "the header encodes differently");
  } else {
    KACHEL_CHECK(decoded->item_bytes == kPlacelessHotItemBytes && decoded->known_through == 0,
                 "a header of no version");
  }
}

Result<std::vector<HotManifestItem>> decode(std::span<const std::byte> block,
                                            std::size_t item_bytes = kHotItemBytes) {
  const auto header =
      decode_hot_block_header(block.first(std::min(block.size(), kHotBlockHeaderBytes)), kIndex);
  if (!header) return header.error();
  return decode_hot_items(kStore, *header, block.subspan(kHotBlockHeaderBytes), item_bytes);
}

void check_block(Input& input) {
  std::vector<HotManifestItem> items(input.below(40));
  for (HotManifestItem& item : items) {
    item.space.tenant = input.number<std::uint32_t>();
    item.space.database = input.u8() % kDatabases;
    item.heat = input.u8();
    std::ranges::copy(input.bytes(item.mac.bytes.size()), item.mac.bytes.begin());
    item.place = {input.number<std::uint32_t>(), input.number<std::uint32_t>(),
                  input.number<std::uint32_t>()};
  }
  Bytes block = encode_hot_block(kStore, kIndex, items);
  const auto again = decode(block);
  KACHEL_CHECK(again && *again == items, "the block does not come back");
  const std::size_t at = input.below(block.size());
  block[at] ^= std::byte{1} << (input.u8() % 8);
  KACHEL_CHECK(!decode(block), "a flipped bit goes unnoticed");
}

void check_raw(const Bytes& block) {
  const auto items = decode(block);
  if (items) KACHEL_CHECK(encode_hot_block(kStore, kIndex, *items) == block, "it differs");
  const auto placeless = decode(block, kPlacelessHotItemBytes);
  for (const HotManifestItem& item : placeless ? *placeless : std::vector<HotManifestItem>())
    KACHEL_CHECK(item.place == HotPlace{}, "a place from nowhere");
}

}  // namespace
}  // namespace kachel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kachel::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.u8();
  check_header(input, choice);
  check_block(input);
  check_raw(exact_copy(input.rest()));
  return 0;
}
