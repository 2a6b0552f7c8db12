#include "engine/mac.h"

#include <cstring>
#include <sodium/crypto_shorthash_siphash24.h>
#include <sodium/utils.h>
#include <vector>

#include "engine/field_key.h"

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

Mac plain_mac(const MacKey& key, Namespace space, std::string_view text) {
  const std::size_t size = kPrefixBytes + text.size();
  if (size <= kStackBytes) {
    std::array<unsigned char, kStackBytes> message;
    return hash(key, message.data(), space, text);
  }
  std::vector<unsigned char> message(size);
  return hash(key, message.data(), space, text);
}

}  // namespace

std::string text_of(const Mac& mac) {
  std::string text(2 * mac.bytes.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), reinterpret_cast<const unsigned char*>(mac.bytes.data()),
                 mac.bytes.size());
  text.pop_back();  // the terminating zero
  return text;
}

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac;
  std::size_t length = 0;
  if (text.size() != 2 * mac.bytes.size() ||
      sodium_hex2bin(reinterpret_cast<unsigned char*>(mac.bytes.data()), mac.bytes.size(),
                     text.data(), text.size(), nullptr, &length, nullptr) != 0 ||
      length != mac.bytes.size()) {
    return std::nullopt;
  }
  return mac;
}

HashPrefix hash_prefix(const MacKey& key, Namespace fields, std::string_view hash) {
  return prefix_of(plain_mac(key, fields, field_key(hash, {})));
}

Mac key_mac(const MacKey& key, Namespace space, std::string_view text) {
  Mac mac = plain_mac(key, space, text);
  if (!has_fields(space)) return mac;
  const auto parsed = parse_field_key(text);
  if (!parsed) return mac;
  const HashPrefix prefix =
      prefix_of(plain_mac(key, space, text.substr(0, text.size() - parsed->field.size())));
  std::memcpy(mac.bytes.data(), prefix.data(), prefix.size());
  return mac;
}

}  // namespace kachel
