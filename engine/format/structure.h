// What segment headers, trailers, superblocks and key files have in common: magic, version,
// oldest reader, store id, and a checksum in the last 8 bytes. Internal to the format library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/format/bytes.h"
#include "engine/format/checksum.h"
#include "engine/format/footer.h"

namespace kachel::format {

inline constexpr std::size_t kMagicBytes = 8;
inline constexpr std::size_t kVersionOffset = 8;
inline constexpr std::size_t kMinReaderOffset = 12;
inline constexpr std::size_t kStoreIdOffset = 16;
inline constexpr std::size_t kChecksumBytes = 8;

/// As stored: the eight characters in order.
constexpr std::uint64_t magic_of(const char (&text)[kMagicBytes + 1]) {
  std::uint64_t value = 0;
  for (std::size_t i = kMagicBytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(text[i]);
  }
  return value;
}

inline void begin_structure(std::span<std::byte> bytes, std::uint64_t magic, const StoreId& id) {
  store(bytes.data(), magic);
  store(bytes.data() + kVersionOffset, kFormatVersion);
  store(bytes.data() + kMinReaderOffset, kMinReaderVersion);
  store(bytes.data() + kStoreIdOffset, id);
}

inline void seal_structure(std::span<std::byte> bytes, std::uint64_t seed) {
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  store(bytes.data() + body.size(), checksum(body, seed));
}

inline bool is_sealed(std::span<const std::byte> bytes, std::uint64_t seed) {
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  return load<std::uint64_t>(bytes.data() + body.size()) == checksum(body, seed);
}

inline bool has_magic(std::span<const std::byte> bytes, std::uint64_t magic) {
  return bytes.size() >= kMagicBytes && load<std::uint64_t>(bytes.data()) == magic;
}

/// Of a structure whose checksum fits: its place, seed and length are the same in all versions,
/// so that damage is not taken for a newer format. No writer's version is below its own minimum
/// reader.
inline bool is_too_new(std::span<const std::byte> bytes) {
  const auto version = load<std::uint32_t>(bytes.data() + kVersionOffset);
  const auto min_reader = load<std::uint32_t>(bytes.data() + kMinReaderOffset);
  return min_reader > kReaderVersion && version >= min_reader;
}

inline Error too_new(std::span<const std::byte> bytes, const std::string& what) {
  const auto version = load<std::uint32_t>(bytes.data() + kVersionOffset);
  const auto min_reader = load<std::uint32_t>(bytes.data() + kMinReaderOffset);
  return {ErrorCode::kVersion, what + " was written by format version " + std::to_string(version) +
                                   " and needs a reader of version " + std::to_string(min_reader) +
                                   " or later; this build reads version " +
                                   std::to_string(kReaderVersion) + ": use a newer Kachel"};
}

inline bool same_store(std::span<const std::byte> bytes, const StoreId& id) {
  return load<StoreId>(bytes.data() + kStoreIdOffset) == id;
}

}  // namespace kachel::format
