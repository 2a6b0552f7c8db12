// Parts of the footer that its encoder and its decoder share. Internal to the format library.
#pragma once

#include <cstdint>
#include <span>

#include "engine/format/footer.h"
#include "engine/format/structure.h"

namespace kachel::format {

inline constexpr std::uint64_t kTrailerMagic = magic_of("KACHELFT");
/// type, flags, database and eight varints of one byte.
inline constexpr std::size_t kMinTableEntryBytes = 11;

void encode_trailer(const Trailer& trailer, std::span<std::byte, kTrailerBytes> to,
                    std::uint64_t offset);

}  // namespace kachel::format
