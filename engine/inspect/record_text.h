// A record taken apart for people: what each of its bytes means. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kachel::inspect {

inline constexpr std::string_view kKindNames[] = {"blob", "completion", "embedding"};

struct Field {
  std::size_t offset = 0;  // bytes from the start of the record
  std::size_t length = 0;
  std::string name;
  std::string value;       // empty for text that is not everybody's to see
  bool is_secret = false;  // the bytes are such text
};

/// As far as the bytes can be understood, whether their checksums fit or not; the rest is one
/// field. `bytes`: a record, or what lies in its place; with text only where `reveals`.
std::vector<Field> annotate_record(std::span<const std::byte> bytes, bool reveals);

}  // namespace kachel::inspect
