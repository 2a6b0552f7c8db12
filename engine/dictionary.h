// A dictionary for zstd, trained on a tenant's own values. Immutable but for the moment by which it
// must be gone. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>

#include "engine/format/segment_dictionary.h"
#include "engine/mac.h"

struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace kachel {

/// Larger values gain little from a dictionary.
inline constexpr std::size_t kMaxDictionaryValueBytes = 64 * 1024;

/// How much time compressing takes, and how little space what comes out.
enum class Effort : std::uint8_t {
  kFast,   // values on their way in
  kDense,  // what reclaim moves on; about six times as long
};

class Dictionary {
 public:
  using Pointer = std::shared_ptr<const Dictionary>;

  /// kCorrupt when zstd does not take the content. `fast_level`: zstd's, for Effort::kFast.
  /// `erase_within_ms`: after what time what has died must be gone.
  static Result<Pointer> make(format::SegmentDictionary stored, int fast_level,
                              std::int64_t erase_within_ms);
  ~Dictionary();
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  std::uint64_t id() const { return stored_.id; }
  std::uint32_t tenant() const { return stored_.space.tenant; }
  /// As it is written into segments.
  const format::SegmentDictionary& stored() const { return stored_; }

  /// Whether parts of this value may be in it.
  bool was_trained_on(const Mac& mac, std::uint64_t version) const;
  /// Or parts of any value with the key, or of the scope, with a version up to this one.
  bool was_trained_on_key(const Mac& mac, std::uint64_t through) const;
  bool was_trained_on_scope(ScopeTag tag, std::uint64_t through) const;
  bool was_trained_on_any(std::uint64_t through) const { return lowest_version_ <= through; }

  /// When its text must be gone: something that it was trained on has died, or will; 0: never.
  std::int64_t due_ms() const { return due_ms_.load(std::memory_order_acquire); }
  void note_due(std::int64_t ms) const;
  /// It has been looked, with deaths being noted already: nothing that it was trained on had died.
  void vouch() const { vouched_.store(true, std::memory_order_release); }
  /// Whether what dies at `death_ms` (0: never) will be gone with its segment before the dictionary
  /// has to be. Not while nobody vouches for it.
  bool outlives(std::int64_t death_ms, std::int64_t now_ms) const;
  /// It could not be used for a value, for that reason.
  void note_misfit() const { misfits_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t misfits() const { return misfits_.load(std::memory_order_relaxed); }

  // For the codec.
  const ZSTD_CDict_s* compressor(Effort effort) const;
  const ZSTD_DDict_s* decompressor() const { return decompressor_; }
  std::uint64_t memory_bytes() const;

 private:
  Dictionary(format::SegmentDictionary stored, int fast_level);

  const format::SegmentDictionary stored_;
  const int fast_level_;
  std::uint64_t lowest_version_ = 0;
  mutable std::atomic<std::int64_t> due_ms_{0};
  mutable std::atomic<bool> vouched_{false};
  mutable std::atomic<std::uint64_t> misfits_{0};
  ZSTD_DDict_s* decompressor_ = nullptr;
  // Made when first used: most dictionaries that a start finds compress nothing any more.
  mutable std::once_flag made_[2];
  mutable std::atomic<ZSTD_CDict_s*> compressors_[2] = {nullptr, nullptr};
};

/// When it must be gone by the deadlines that its samples had when it was trained; 0: never.
std::int64_t natural_due_ms(const format::SegmentDictionary& stored, std::int64_t erase_within_ms);

/// Whether what dies at `death_ms` (0: never) will be gone with its segment by `due_ms` (0: never).
bool outlives(std::int64_t due_ms, std::int64_t death_ms, std::int64_t now_ms);

/// `samples`: values one after the other, `sizes` bytes each. Where zstd's trainer has too little
/// to learn from, the dictionary is made of how the values begin. kInvalidArgument without samples.
/// Takes some 100 ms; zstd leaves parts of the samples in freed memory.
Result<ZeroizingBytes> train_dictionary(std::span<const std::byte> samples,
                                        std::span<const std::size_t> sizes, std::size_t max_bytes);

}  // namespace kachel
