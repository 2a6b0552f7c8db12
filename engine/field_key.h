// The text of a field's key: that of its hash and its own name, in a form that only they have.
// docs/format.md ("Words").
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/format/bytes.h"
#include "io/zeroizing.h"

namespace kachel {

struct FieldKey {
  std::string_view hash;
  std::string_view field;
};

inline constexpr std::size_t kFieldKeyPrefixBytes = sizeof(std::uint32_t);

/// Length of the hash's key (u32) | the hash's key | the field's name.
inline ZeroizingString field_key(std::string_view hash, std::string_view field) {
  ZeroizingString text;
  text.resize(kFieldKeyPrefixBytes);
  format::store(reinterpret_cast<std::byte*>(text.data()), static_cast<std::uint32_t>(hash.size()));
  text.append(hash).append(field);
  return text;
}

/// Nothing when it is no such text.
inline std::optional<FieldKey> parse_field_key(std::string_view text) {
  if (text.size() < kFieldKeyPrefixBytes) return std::nullopt;
  const auto bytes = format::load<std::uint32_t>(reinterpret_cast<const std::byte*>(text.data()));
  text.remove_prefix(kFieldKeyPrefixBytes);
  if (bytes > text.size()) return std::nullopt;
  return FieldKey{text.substr(0, bytes), text.substr(bytes)};
}

}  // namespace kachel
