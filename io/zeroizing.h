// Memory that holds a key, a value or a subject: zeroed when it is let go of. What is freed may lie
// in the heap for long, and what has been erased shall not.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace kachel {

/// Not optimised away, though nobody reads it afterwards.
inline void zeroize(void* memory, std::size_t bytes) noexcept {
  if (bytes > 0) ::explicit_bzero(memory, bytes);
}

template <typename T>
struct ZeroizingAllocator {
  static_assert(std::is_trivially_copyable_v<T>);
  using value_type = T;

  ZeroizingAllocator() = default;
  template <typename Other>
  ZeroizingAllocator(const ZeroizingAllocator<Other>&) noexcept {}

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) noexcept {
    zeroize(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const ZeroizingAllocator&, const ZeroizingAllocator&) { return true; }
};

using ZeroizingBytes = std::vector<std::byte, ZeroizingAllocator<std::byte>>;

/// An array that begins with whatever the memory held, where a vector would fill it first.
struct ZeroizingDelete {
  std::size_t bytes = 0;
  void operator()(std::byte* memory) const noexcept {
    ZeroizingAllocator<std::byte>().deallocate(memory, bytes);
  }
};
using ZeroizingArray = std::unique_ptr<std::byte[], ZeroizingDelete>;
inline ZeroizingArray make_zeroizing_array(std::size_t bytes) {
  return {ZeroizingAllocator<std::byte>().allocate(bytes), ZeroizingDelete{bytes}};
}

/// A string that leaves nothing behind: neither in the heap, nor in itself where a short text lies
/// or has lain.
class ZeroizingString
    : public std::basic_string<char, std::char_traits<char>, ZeroizingAllocator<char>> {
  using Base = std::basic_string<char, std::char_traits<char>, ZeroizingAllocator<char>>;

 public:
  using Base::Base;
  ZeroizingString() = default;
  template <std::convertible_to<std::string_view> Text>
  ZeroizingString(const Text& text) : Base(std::string_view(text)) {}
  ZeroizingString(const ZeroizingString& other) : Base(static_cast<const Base&>(other)) {}
  ZeroizingString(ZeroizingString&& other) noexcept : Base(static_cast<Base&&>(other)) {
    other.wipe();
  }
  ZeroizingString& operator=(const ZeroizingString& other) {
    if (this == &other) return *this;
    zeroize_text();
    Base::operator=(other);
    return *this;
  }
  ZeroizingString& operator=(ZeroizingString&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    Base::operator=(static_cast<Base&&>(other));
    other.wipe();
    return *this;
  }
  ~ZeroizingString() { wipe(); }

  /// Empties it for another use and keeps the memory.
  void zeroize_text() noexcept {
    zeroize(data(), size());
    clear();
  }

 private:
  void wipe() noexcept {
    clear();
    shrink_to_fit();  // what is left of it is inside the string
    zeroize(data(), capacity());
  }
};

}  // namespace kachel
