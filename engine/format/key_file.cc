#include "engine/format/structure.h"
#include "engine/format/superblock.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELKY");
constexpr std::size_t kMacKeyOffset = 32;
constexpr std::size_t kZeroOffset = 48;
static_assert(kZeroOffset + 8 + kChecksumBytes == kKeyFileBytes);

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("the file `key` ") + what +
                                   "; restore it from a backup of this store: without it no "
                                   "entry can be found"};
}

}  // namespace

std::vector<std::byte> encode_key_file(const KeyFile& key) {
  std::vector<std::byte> bytes(kKeyFileBytes);
  begin_structure(bytes, kMagic, key.store_id);
  store(bytes.data() + kMacKeyOffset, key.mac_key);
  seal_structure(bytes, 0);
  return bytes;
}

Result<KeyFile> decode_key_file(std::span<const std::byte> bytes, const StoreId& store_id) {
  if (!has_magic(bytes, kMagic)) return corrupt("is not a Kachel key file");
  if (bytes.size() < kStoreIdOffset) return corrupt("is cut off");
  if (bytes.size() != kKeyFileBytes) return corrupt("is not 64 bytes long");
  if (!is_sealed(bytes, 0)) return corrupt("is damaged");
  if (is_too_new(bytes)) return too_new(bytes, "the file `key`");
  if (!all_zero(bytes.subspan(kZeroOffset, 8))) return corrupt("is damaged");
  if (!same_store(bytes, store_id)) {
    return Error{ErrorCode::kForeign,
                 "the file `key` belongs to another store; put back the one this store was "
                 "created with"};
  }
  KeyFile key;
  key.store_id = store_id;
  key.mac_key = load<MacKey>(bytes.data() + kMacKeyOffset);
  return key;
}

}  // namespace kachel::format
