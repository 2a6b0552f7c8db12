// Keys as text: a prefix and at least 12 digits, written without allocation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kachel::bench {

/// Numbers from here on are those of keys that nobody ever stores.
inline constexpr std::uint64_t kFirstColdKey = 900'000'000'000;
inline constexpr std::uint64_t kMaxKeys = kFirstColdKey;

/// One thread.
class KeyText {
 public:
  explicit KeyText(const std::string& prefix) : text_(prefix + std::string(kDigits, '0')) {}

  /// Good until the next call.
  std::string_view of(std::uint64_t key) {
    char* to = text_.data() + text_.size();
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
      *--to = static_cast<char>('0' + key % 10);
      key /= 10;
    }
    return text_;
  }

 private:
  static constexpr std::size_t kDigits = 12;
  std::string text_;
};

}  // namespace kachel::bench
