#include "server/credentials.h"

#include <algorithm>
#include <array>
#include <sodium.h>

#include "io/check.h"

namespace kachel::server {
namespace {

// OWASP's least: more would let a few clients with wrong passwords take a host's memory.
constexpr unsigned long long kPasses = 2;
constexpr std::size_t kMemoryBytes = std::size_t{19} << 20;
constexpr std::string_view kTokenPrefix = "kachel_";
constexpr std::size_t kTokenBytes = 32;
constexpr int kTokenForm = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

void need_sodium() {
  static const bool is_ready = sodium_init() >= 0;
  KACHEL_CHECK(is_ready, "libsodium could not be initialised");
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  need_sodium();
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  const int failed = crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), kPasses,
                                           kMemoryBytes, crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) return Error{ErrorCode::kNoSpace, "no memory to hash a password"};
  return std::string(hash.data());
}

bool is_password_hash(std::string_view text) {
  need_sodium();
  if (text.size() >= crypto_pwhash_STRBYTES) return false;
  return crypto_pwhash_str_needs_rehash(std::string(text).c_str(), kPasses, kMemoryBytes) == 0;
}

bool verify_password(const std::string& hash, std::string_view password) {
  need_sodium();
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

ZeroizingString make_token() {
  need_sodium();
  std::array<unsigned char, kTokenBytes> random{};
  randombytes_buf(random.data(), random.size());
  constexpr std::size_t kTextBytes = sodium_base64_ENCODED_LEN(kTokenBytes, kTokenForm);
  std::array<char, kTextBytes> text{};
  sodium_bin2base64(text.data(), text.size(), random.data(), random.size(), kTokenForm);
  ZeroizingString token(kTokenPrefix);
  token += text.data();
  zeroize(random.data(), random.size());
  zeroize(text.data(), text.size());
  return token;
}

std::string token_hash(std::string_view token) {
  need_sodium();
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(token.data()),
                     token.size());
  std::string text(2 * hash.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), hash.data(), hash.size());
  text.pop_back();
  return text;
}

bool is_token_hash(std::string_view text) {
  return text.size() == 2 * crypto_hash_sha256_BYTES &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace kachel::server
