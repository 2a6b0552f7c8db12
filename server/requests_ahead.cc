#include "server/requests_ahead.h"

#include <optional>

namespace kachel::server {
namespace {

constexpr std::size_t kMostDigits = 4;  // of a key's length
constexpr std::string_view kTermination = "\r\n";

bool take(std::string_view& input, std::string_view prefix) {
  if (!input.starts_with(prefix)) return false;
  input.remove_prefix(prefix.size());
  return true;
}

std::optional<std::size_t> take_length(std::string_view& input) {
  std::size_t length = 0;
  for (std::size_t at = 0; at <= kMostDigits && at < input.size(); ++at) {
    const char digit = input[at];
    if (digit < '0' || digit > '9') {
      input.remove_prefix(at);
      if (at == 0 || !take(input, kTermination)) return std::nullopt;
      return length;
    }
    length = length * 10 + static_cast<std::size_t>(digit - '0');
  }
  return std::nullopt;
}

std::optional<std::string_view> take_get(std::string_view& input) {
  if (!take(input, "*2\r\n$3\r\n")) return std::nullopt;
  if (!take(input, "GET\r\n$") && !take(input, "get\r\n$")) return std::nullopt;
  const auto length = take_length(input);
  if (!length || input.size() < *length + kTermination.size()) return std::nullopt;
  const std::string_view key = input.substr(0, *length);
  input.remove_prefix(*length + kTermination.size());
  return key;
}

}  // namespace

std::size_t gets_ahead(std::string_view input, std::span<std::string_view> keys) {
  std::size_t count = 0;
  while (count < keys.size()) {
    const auto key = take_get(input);
    if (!key) break;
    keys[count++] = *key;
  }
  return count;
}

}  // namespace kachel::server
