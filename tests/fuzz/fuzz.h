// What every fuzzer shares: the entry that libFuzzer, or the replay of the corpus, calls, and a
// reader that turns its bytes into choices. A broken promise is a KACHEL_CHECK: it aborts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace kachel::fuzz {

using Bytes = std::vector<std::byte>;

/// Takes choices off the front. At its end it gives zeros and nothing, so that every input
/// means something and a shortened one means nearly the same.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const std::byte*>(data), size) {}
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }

  std::span<const std::byte> bytes(std::size_t at_most) {
    const auto taken = rest_.first(std::min(at_most, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const std::byte> rest() { return bytes(rest_.size()); }

  template <typename T>
  T number() {
    T value{};
    const auto taken = bytes(sizeof value);
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  bool flag() { return (u8() & 1) != 0; }
  /// 0 when `limit` is 0.
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : u16() % limit; }
  /// Of up to `at_most` (<= 255) bytes; one byte says how many.
  std::string_view text(std::size_t at_most) {
    const auto taken = bytes(at_most == 0 ? 0 : u8() % (at_most + 1));
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::span<const std::byte> rest_;
};

/// In memory of their own and of exactly their size, so that AddressSanitizer sees a read of
/// one byte more.
inline Bytes exact_copy(std::span<const std::byte> bytes) {
  Bytes copy(bytes.begin(), bytes.end());
  copy.shrink_to_fit();
  return copy;
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool is_within(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}
inline bool is_within(std::string_view part, std::span<const std::byte> whole) {
  return is_within(std::as_bytes(std::span(part.data(), part.size())), whole);
}

inline bool is_same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::ranges::equal(a, b);
}

}  // namespace kachel::fuzz
