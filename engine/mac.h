// Keyed MACs: the only form of a key outside segments. SipHash-2-4-128 (libsodium).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/entry.h"

namespace kachel {

using MacKey = std::array<std::byte, 16>;

struct Mac {
  std::array<std::byte, 16> bytes{};

  std::uint64_t low() const {
    std::uint64_t value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::uint64_t high() const {
    std::uint64_t value;
    std::memcpy(&value, bytes.data() + 8, sizeof value);
    return value;
  }
  friend bool operator==(const Mac&, const Mac&) = default;
  friend auto operator<=>(const Mac&, const Mac&) = default;  // NOLINT(modernize-use-nullptr)
};

struct MacHash {
  using is_avalanching = void;  // tells boost's flat maps not to mix again
  // Not of the first bytes, which the fields of one hash have in common.
  std::size_t operator()(const Mac& mac) const noexcept { return mac.high(); }
};

/// 32 hexadecimal digits.
std::string text_of(const Mac& mac);
std::optional<Mac> parse_mac(std::string_view text);

/// What the MACs of one hash's fields begin with: in the index they lie side by side. 56 bits are
/// of the hash and 72 of the field rather than half and half: two fields that shared a MAC could be
/// taken for one another in memory, where no text is compared; hashes that share the prefix only
/// cost a listing some reads. docs/format.md ("Words").
inline constexpr std::size_t kHashPrefixBytes = 7;
using HashPrefix = std::array<std::byte, kHashPrefixBytes>;
inline HashPrefix prefix_of(const Mac& mac) {
  HashPrefix prefix;
  std::memcpy(prefix.data(), mac.bytes.data(), prefix.size());
  return prefix;
}
/// Of a hash whose fields are in the namespace `fields`.
HashPrefix hash_prefix(const MacKey& key, Namespace fields, std::string_view hash);

/// Over `tenant (u32) | database (u8) | key`, as docs/format.md says. A field's, whose text is
/// that of field_key.h, has its hash's prefix in the place of its first bytes.
Mac key_mac(const MacKey& key, Namespace space, std::string_view text);

}  // namespace kachel
