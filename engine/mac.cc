#include "engine/mac.h"

#include <charconv>
#include <cstring>
#include <sodium/crypto_shorthash_siphash24.h>
#include <vector>

namespace kachel {
namespace {

constexpr std::size_t kPrefixBytes = sizeof(std::uint32_t) + sizeof(std::uint8_t);
// libsodium hashes one piece: keys up to here are joined with their prefix on the stack.
constexpr std::size_t kStackBytes = 1024;
static_assert(sizeof(Mac) == crypto_shorthash_siphashx24_BYTES);
static_assert(sizeof(MacKey) == crypto_shorthash_siphashx24_KEYBYTES);

Mac hash(const MacKey& key, unsigned char* message, Namespace space, std::string_view text) {
  for (unsigned i = 0; i < sizeof space.tenant; ++i) {
    message[i] = static_cast<unsigned char>(space.tenant >> (8 * i));
  }
  message[sizeof space.tenant] = space.database;
  if (!text.empty()) std::memcpy(message + kPrefixBytes, text.data(), text.size());
  Mac mac;
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(mac.bytes.data()), message,
                              kPrefixBytes + text.size(),
                              reinterpret_cast<const unsigned char*>(key.data()));
  return mac;
}

}  // namespace

std::string text_of(const Mac& mac) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : mac.bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac;
  if (text.size() != 2 * mac.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    unsigned value = 0;
    const char* const end = text.data() + 2 * i + 2;
    if (std::from_chars(end - 2, end, value, 16).ptr != end) return std::nullopt;
    mac.bytes[i] = static_cast<std::byte>(value);
  }
  return mac;
}

Mac key_mac(const MacKey& key, Namespace space, std::string_view text) {
  const std::size_t size = kPrefixBytes + text.size();
  if (size <= kStackBytes) {
    std::array<unsigned char, kStackBytes> message;
    return hash(key, message.data(), space, text);
  }
  std::vector<unsigned char> message(size);
  return hash(key, message.data(), space, text);
}

}  // namespace kachel
