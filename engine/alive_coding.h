// How lists of what is alive go from one store to another: a page of KACHEL.ALIVE, and what
// KACHEL.DOUBT CONFIRM is told. Little-endian; 24 bytes an entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/copies.h"
#include "engine/format/bytes.h"

namespace kachel {

inline constexpr std::size_t kAliveEntryBytes = sizeof(Mac::bytes) + sizeof(std::uint64_t);
/// Whether there is more (1 byte), and where it begins.
inline constexpr std::size_t kAliveHeadBytes = 1 + sizeof(Mac::bytes);

inline std::string encode_alive(const std::vector<AliveEntry>& entries) {
  std::string text(entries.size() * kAliveEntryBytes, '\0');
  auto* to = reinterpret_cast<std::byte*>(text.data());
  for (const AliveEntry& entry : entries) {
    format::store(to, entry.mac.bytes);
    format::store(to + sizeof(Mac::bytes), entry.version);
    to += kAliveEntryBytes;
  }
  return text;
}

/// Nothing when it is not so long as entries are.
inline std::optional<std::vector<AliveEntry>> decode_alive(std::string_view text) {
  if (text.size() % kAliveEntryBytes != 0) return std::nullopt;
  std::vector<AliveEntry> entries(text.size() / kAliveEntryBytes);
  const auto* from = reinterpret_cast<const std::byte*>(text.data());
  for (AliveEntry& entry : entries) {
    entry.mac.bytes = format::load<decltype(Mac::bytes)>(from);
    entry.version = format::load<std::uint64_t>(from + sizeof(Mac::bytes));
    from += kAliveEntryBytes;
  }
  return entries;
}

inline std::string encode_alive_page(const AlivePage& page) {
  std::string head(kAliveHeadBytes, '\0');
  auto* to = reinterpret_cast<std::byte*>(head.data());
  format::store(to, std::uint8_t{page.next.has_value()});
  if (page.next) format::store(to + 1, page.next->bytes);
  return head + encode_alive(page.entries);
}

inline std::optional<AlivePage> decode_alive_page(std::string_view text) {
  if (text.size() < kAliveHeadBytes) return std::nullopt;
  auto entries = decode_alive(text.substr(kAliveHeadBytes));
  if (!entries) return std::nullopt;
  AlivePage page;
  page.entries = std::move(*entries);
  const auto* from = reinterpret_cast<const std::byte*>(text.data());
  if (format::load<std::uint8_t>(from) != 0) {
    page.next.emplace().bytes = format::load<decltype(Mac::bytes)>(from + 1);
  }
  return page;
}

}  // namespace kachel
