// An entry as readers see it: an immutable, reference-counted value with its metadata.
#pragma once

#include <atomic>
#include <boost/container/small_vector.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/zeroizing.h"

namespace kachel {

inline constexpr unsigned kMaxSubjects = 16;
inline constexpr unsigned kMaxSubjectBytes = 256;
inline constexpr unsigned kMaxModelBytes = 256;
inline constexpr unsigned kDatabases = 16;  // SELECT 0..15, as Redis has by default

enum class Kind : std::uint8_t { kBlob = 0, kCompletion = 1, kEmbedding = 2 };

enum class Tier : std::uint8_t { kHot, kWriteBuffer, kFlash };

/// A database's hashes keep their fields beside its strings: in the database with this bit.
inline constexpr std::uint8_t kFieldsBit = 0x20;
/// One of keys: 0..15, and 32..47 of the fields of their hashes.
constexpr bool is_key_database(std::uint64_t database) {
  return (database & ~std::uint64_t{kFieldsBit}) < kDatabases;
}

/// Whose key it is. The tenant comes from authentication; the database from SELECT.
struct Namespace {
  std::uint32_t tenant = 0;
  std::uint8_t database = 0;
  friend auto operator<=>(const Namespace&, const Namespace&) = default;
};

constexpr bool has_fields(Namespace space) {
  return is_key_database(space.database) && (space.database & kFieldsBit) != 0;
}
/// Where the fields of the database's hashes are.
constexpr Namespace fields_of(Namespace space) {
  return {space.tenant, static_cast<std::uint8_t>(space.database | kFieldsBit)};
}

/// What is erased together besides a tenant's database: a subject's entries, or a model's. Known
/// by a keyed hash of its text: scope.h.
using ScopeTag = std::uint64_t;
/// Of one entry: its subjects and its model. One of each is usual.
using ScopeTags = boost::container::small_vector<ScopeTag, 2>;
inline constexpr std::size_t kMaxScopeTags = kMaxSubjects + 1;

/// What a put says about its value, and reads give back.
struct Metadata {
  Kind kind = Kind::kBlob;
  std::string model;                      // empty: not known; <= kMaxModelBytes
  std::vector<ZeroizingString> subjects;  // <= kMaxSubjects, each <= kMaxSubjectBytes
  std::int64_t erase_by_ms = 0;           // 0: none
  std::uint64_t tokens_in = 0;
  std::uint64_t tokens_out = 0;
  std::uint64_t cost_micro_usd = 0;
};

/// Immutable once shared. The value's bytes follow the struct in one allocation.
class Entry {
 public:
  using Pointer = boost::intrusive_ptr<Entry>;

  /// An entry with room for `value_bytes`, to be filled through mutable_value() before
  /// it is shared.
  static Pointer make(std::size_t value_bytes);
  static Pointer make(std::string_view value);

  std::string_view value() const { return {bytes(), value_bytes_}; }
  std::span<char> mutable_value() { return {bytes(), value_bytes_}; }
  /// Reading it is about to begin: what lies before the value, and its first lines.
  void prefetch() const {
    constexpr std::size_t kLineBytes = 64;
    constexpr std::size_t kAheadBytes = 8 * kLineBytes;  // the processor sees to what follows
    const char* const from = reinterpret_cast<const char*>(&version);
    for (std::size_t at = 0; at < kAheadBytes; at += kLineBytes)
      __builtin_prefetch(from + at);
  }
  /// Bytes of memory this entry takes, metadata included.
  std::size_t footprint_bytes() const;

  Metadata metadata;
  ScopeTags tags;             // of the metadata
  std::uint64_t version = 0;  // sequence at which the value was put
  std::int64_t created_ms = 0;
  std::uint32_t stored_bytes = 0;  // whole record on flash
  /// Where that was last known to lie, while the expiry it says is in force. It may have moved
  /// since. Aligned so that all compilers read and write it as one word.
  struct alignas(8) Place {
    std::uint32_t segment = 0;  // 0: not known
    std::uint32_t offset = 0;   // bytes
  };
  std::atomic<Place> place{};

  friend void intrusive_ptr_add_ref(Entry* entry) noexcept {
    entry->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(Entry* entry) noexcept {
    if (entry->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(entry);
  }

 private:
  explicit Entry(std::size_t value_bytes) : value_bytes_(value_bytes) {}
  ~Entry() = default;
  static void destroy(Entry* entry) noexcept;
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }

  std::atomic<std::uint32_t> references_{0};
  std::size_t value_bytes_;
};

}  // namespace kachel
