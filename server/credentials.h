// Passwords and bearer tokens, and what is kept of them. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel::server {

inline constexpr std::size_t kMaxPasswordBytes = 1024;

/// Argon2id with 19 MiB and two passes, in the form of the PHC: "$argon2id$v=19$...". Takes tens of
/// milliseconds. kNoSpace when there is no memory for it.
Result<std::string> hash_password(std::string_view password);
/// Whether it is such a hash, made with these parameters: any other could cost more than we give.
bool is_password_hash(std::string_view text);
/// Takes as long whether it fits or not.
bool verify_password(const std::string& hash, std::string_view password);

/// "kachel_" and 43 letters: 256 random bits.
ZeroizingString make_token();
/// SHA-256, 64 hexadecimal digits. A token is random: nobody tries them all, so nothing slower is
/// needed.
std::string token_hash(std::string_view token);
bool is_token_hash(std::string_view text);

}  // namespace kachel::server
