#include "engine/format/superblock.h"

#include <algorithm>
#include <optional>

#include "engine/format/structure.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELSB");
constexpr std::size_t kCreatedOffset = 32;
constexpr std::size_t kGenerationOffset = 40;
constexpr std::size_t kBootIdOffset = 48;
constexpr std::size_t kStateOffset = 64;
constexpr std::size_t kZeroOffset = 68;
constexpr std::size_t kHighestWallOffset = 72;
constexpr std::size_t kSequenceLimitOffset = 80;
constexpr std::size_t kSegmentIdLimitOffset = 88;
constexpr std::size_t kDoubtfulOffset = 96;
constexpr std::size_t kCopiedOffset = 104;
constexpr std::size_t kEndOffset = 112;
// Earlier versions would serve what is doubtful.
constexpr std::uint32_t kVersionOfDoubt = 5;
constexpr std::size_t kCopies = 2;
static_assert(kEndOffset < kSuperblockCopyBytes - kChecksumBytes);

// One copy as found.
struct Copy {
  bool has_magic = false;
  std::optional<Error> too_new;
  std::optional<Superblock> superblock;
};

std::optional<Superblock> load_copy(std::span<const std::byte> bytes) {
  const std::byte* from = bytes.data();
  const auto state = load<std::uint32_t>(from + kStateOffset);
  if (state < static_cast<std::uint32_t>(StoreState::kClean) ||
      state > static_cast<std::uint32_t>(StoreState::kOpenRelaxed)) {
    return std::nullopt;
  }
  if (!all_zero(bytes.subspan(kZeroOffset, kHighestWallOffset - kZeroOffset)) ||
      !all_zero(bytes.subspan(kEndOffset, bytes.size() - kChecksumBytes - kEndOffset))) {
    return std::nullopt;
  }
  Superblock superblock;
  superblock.store_id = load<StoreId>(from + kStoreIdOffset);
  superblock.created_ms = load<std::int64_t>(from + kCreatedOffset);
  superblock.generation = load<std::uint64_t>(from + kGenerationOffset);
  superblock.boot_id = load<std::array<std::byte, 16>>(from + kBootIdOffset);
  superblock.state = static_cast<StoreState>(state);
  superblock.highest_wall_ms = load<std::int64_t>(from + kHighestWallOffset);
  superblock.sequence_limit = load<std::uint64_t>(from + kSequenceLimitOffset);
  superblock.segment_id_limit = load<std::uint64_t>(from + kSegmentIdLimitOffset);
  superblock.doubtful_through = load<std::uint64_t>(from + kDoubtfulOffset);
  superblock.copied_ms = load<std::int64_t>(from + kCopiedOffset);
  if (superblock.doubtful_through >= superblock.sequence_limit) return std::nullopt;
  if (superblock.doubtful_through == 0 && superblock.copied_ms != 0) return std::nullopt;
  for (const std::uint64_t limit : {superblock.sequence_limit, superblock.segment_id_limit}) {
    if (limit == 0 || limit > kMaxNumber) return std::nullopt;
  }
  return superblock;
}

Copy inspect(std::span<const std::byte> bytes) {
  Copy copy;
  copy.has_magic = has_magic(bytes, kMagic);
  if (!copy.has_magic || bytes.size() < kSuperblockCopyBytes) return copy;
  if (!is_sealed(bytes, 0)) return copy;
  if (is_too_new(bytes)) {
    copy.too_new = too_new(bytes, "the superblock");
  } else {
    copy.superblock = load_copy(bytes);
  }
  return copy;
}

std::span<const std::byte> slice(std::span<const std::byte> bytes, std::size_t index) {
  const std::size_t begin = std::min(bytes.size(), index * kSuperblockCopyBytes);
  return bytes.subspan(begin, std::min(kSuperblockCopyBytes, bytes.size() - begin));
}

}  // namespace

std::vector<std::byte> encode_superblock_copy(const Superblock& superblock) {
  std::vector<std::byte> bytes(kSuperblockCopyBytes);
  std::byte* to = bytes.data();
  begin_structure(bytes, kMagic, superblock.store_id);
  store(to + kCreatedOffset, superblock.created_ms);
  store(to + kGenerationOffset, superblock.generation);
  store(to + kBootIdOffset, superblock.boot_id);
  store(to + kStateOffset, superblock.state);
  store(to + kHighestWallOffset, superblock.highest_wall_ms);
  store(to + kSequenceLimitOffset, superblock.sequence_limit);
  store(to + kSegmentIdLimitOffset, superblock.segment_id_limit);
  store(to + kDoubtfulOffset, superblock.doubtful_through);
  store(to + kCopiedOffset, superblock.copied_ms);
  if (superblock.doubtful_through != 0) {
    store(to + kVersionOffset, kVersionOfDoubt);
    store(to + kMinReaderOffset, kVersionOfDoubt);
  }
  seal_structure(bytes, 0);
  return bytes;
}

Result<Superblock> decode_superblock(std::span<const std::byte> bytes) {
  const std::array<Copy, kCopies> copies{inspect(slice(bytes, 0)), inspect(slice(bytes, 1))};
  // A whole copy by a newer format counts even beside an older one: an upgrade has begun.
  for (const Copy& copy : copies) {
    if (copy.too_new) return *copy.too_new;
  }
  std::optional<Superblock> newest;
  for (const Copy& copy : copies) {
    if (!copy.superblock) continue;
    if (!newest || copy.superblock->generation > newest->generation) newest = copy.superblock;
  }
  if (newest) return *newest;
  for (const Copy& copy : copies) {
    if (!copy.has_magic) continue;
    return Error{ErrorCode::kCorrupt,
                 "both copies of the superblock are damaged or cut off; restore the file "
                 "`superblock` from a backup of this store"};
  }
  return Error{ErrorCode::kForeign,
               "the file `superblock` is not a Kachel superblock; check that the data directory "
               "is the right one"};
}

}  // namespace kachel::format
