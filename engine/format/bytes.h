// Bytes in and out of on-disk structures: little-endian integers, varints, and a cursor that
// cannot leave its span. Used by the files of this folder and by the index's rows.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace kachel::format {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and these helpers copy; a port starts here");

inline constexpr std::size_t kMaxVarintBytes = 10;

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline bool all_zero(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    if (byte != std::byte{0}) return false;
  }
  return true;
}

/// LEB128, shortest form. Returns the number of bytes written, at most kMaxVarintBytes.
inline std::size_t store_varint(std::byte* to, std::uint64_t value) {
  std::size_t size = 0;
  while (value >= 0x80) {
    to[size++] = static_cast<std::byte>(value | 0x80);
    value >>= 7;
  }
  to[size++] = static_cast<std::byte>(value);
  return size;
}

constexpr std::size_t varint_bytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Three sinks with the same calls, so that one description of a structure both measures and
// writes it.

/// Counts what would be written.
class SizeSink {
 public:
  void u8(std::uint8_t) { size_ += 1; }
  void u64(std::uint64_t) { size_ += 8; }
  void varint(std::uint64_t value) { size_ += varint_bytes(value); }
  void bytes(std::span<const std::byte> bytes) { size_ += bytes.size(); }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

/// Writes to memory that a SizeSink has measured.
class PointerSink {
 public:
  explicit PointerSink(std::byte* to) : to_(to) {}
  void u8(std::uint8_t value) { *to_++ = static_cast<std::byte>(value); }
  void u64(std::uint64_t value) {
    store(to_, value);
    to_ += sizeof value;
  }
  void varint(std::uint64_t value) { to_ += store_varint(to_, value); }
  void bytes(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(to_, bytes.data(), bytes.size());
    to_ += bytes.size();
  }
  std::byte* position() const { return to_; }

 private:
  std::byte* to_;
};

/// Appends to a vector.
class VectorSink {
 public:
  explicit VectorSink(std::vector<std::byte>& to) : to_(to) {}
  void u8(std::uint8_t value) { to_.push_back(static_cast<std::byte>(value)); }
  void u64(std::uint64_t value) { bytes(std::as_bytes(std::span(&value, 1))); }
  void varint(std::uint64_t value) {
    std::byte scratch[kMaxVarintBytes];
    bytes({scratch, store_varint(scratch, value)});
  }
  void bytes(std::span<const std::byte> bytes) {
    to_.insert(to_.end(), bytes.begin(), bytes.end());
  }

 private:
  std::vector<std::byte>& to_;
};

/// Reads a span from front to back. The first thing that does not fit makes it fail for good:
/// every later read gives zero or nothing, so callers may check ok() once at the end, but
/// before they allocate or loop by what was read.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool finished() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::span<const std::byte> bytes(std::uint64_t count) {
    if (count > rest_.size()) {
      fail();
      return {};
    }
    const auto taken = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(static_cast<std::size_t>(count));
    return taken;
  }
  std::string_view text(std::uint64_t count) {
    const auto taken = bytes(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  std::uint8_t u8() {
    const auto taken = bytes(1);
    return taken.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(taken[0]);
  }
  std::uint64_t u64() {
    const auto taken = bytes(8);
    return taken.empty() ? 0 : load<std::uint64_t>(taken.data());
  }
  /// Fails on a form longer than needed and on more than 64 bits.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = u8();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
      return value;
    }
    fail();
    return 0;
  }
  /// Fails above `limit`.
  std::uint64_t varint_up_to(std::uint64_t limit) {
    const std::uint64_t value = varint();
    if (value <= limit) return value;
    fail();
    return 0;
  }
  std::int64_t time_ms() { return static_cast<std::int64_t>(varint_up_to(INT64_MAX)); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace kachel::format
