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
  std::size_t operator()(const Mac& mac) const noexcept { return mac.low(); }
};

/// 32 hexadecimal digits.
std::string text_of(const Mac& mac);
std::optional<Mac> parse_mac(std::string_view text);

/// Over `tenant (u32) | database (u8) | key`, as docs/format.md says.
Mac key_mac(const MacKey& key, Namespace space, std::string_view text);

}  // namespace kachel
