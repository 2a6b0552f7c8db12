#include "engine/audit/text.h"

#include <charconv>
#include <limits>
#include <sodium.h>

namespace kachel::audit {
namespace {

constexpr int kBase64 = sodium_base64_VARIANT_ORIGINAL;
constexpr char32_t kInvalid = 0xffffffff;

/// The next code point of `text`, taken off its front; kInvalid when it is not UTF-8.
char32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned first = byte(0);
  std::size_t length = 1;
  if (first >= 0x80) length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first >= 0xf8 || (first >= 0x80 && first < 0xc0) || length > text.size()) return kInvalid;
  char32_t point = length == 1 ? first : first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return kInvalid;
    point = point << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
    return kInvalid;
  }
  text.remove_prefix(length);
  return point;
}

bool is_space(char32_t point) {
  return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85 || point == 0xa0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 ||
         point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}

}  // namespace

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), kBase64), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), kBase64);
  text.pop_back();  // the terminating zero
  return text;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  std::vector<std::byte> bytes(text.size() / 4 * 3 + 3);
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &length, &end, kBase64) != 0 ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  bytes.resize(length);
  if (to_base64(bytes) != text) return std::nullopt;
  return bytes;
}

std::optional<Hash> hash_from_base64(std::string_view text) {
  if (text.size() != (kHashBytes + 2) / 3 * 4) return std::nullopt;
  const auto bytes = from_base64(text);
  if (!bytes || bytes->size() != kHashBytes) return std::nullopt;
  Hash hash;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  text.pop_back();
  return text;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

bool is_note_text(std::string_view text) {
  while (!text.empty()) {
    const char32_t point = take_code_point(text);
    if (point == kInvalid || (point < 0x20 && point != '\n')) return false;
  }
  return true;
}

bool is_key_name(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const char32_t point = take_code_point(name);
    if (point == kInvalid || point < 0x20 || point == '+' || is_space(point)) return false;
  }
  return true;
}

}  // namespace kachel::audit
