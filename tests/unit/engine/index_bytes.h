// What the index's files say of a key, byte for byte. Rows are not compressed, but of a row's key
// only what differs from the one before is written: parts of a MAC are looked for, not the whole.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/mac.h"
#include "io/storage.h"

namespace kachel {

/// All of index/, one file after the other.
inline std::string bytes_of_index(io::Storage& storage) {
  std::string all;
  const auto names = storage.list("index");
  for (const std::string& name : names.value()) {
    const auto file = storage.open("index/" + name, io::OpenMode::kRead);
    if (!file) continue;  // a directory, or removed meanwhile
    std::string bytes((*file)->size().value(), '\0');
    (void)(*file)->read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
    all += bytes;
  }
  return all;
}

/// Any 8 bytes of it, which nothing else has by chance.
inline bool holds_part_of(std::string_view bytes, const Mac& mac) {
  std::array<char, sizeof mac.bytes> text{};
  std::memcpy(text.data(), mac.bytes.data(), text.size());
  for (const std::size_t from : {0U, 4U, 8U}) {
    if (bytes.find(std::string_view(text.data() + from, 8)) != std::string_view::npos) return true;
  }
  return false;
}

inline bool holds_tag(std::string_view bytes, std::uint64_t tag) {
  std::array<char, sizeof tag> text{};
  std::memcpy(text.data(), &tag, text.size());
  return bytes.find(std::string_view(text.data(), text.size())) != std::string_view::npos;
}

}  // namespace kachel
