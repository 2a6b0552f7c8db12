#include "engine/dictionary.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "engine/lifetime_bucket.h"
#include "engine/zstd_memory.h"
// After zstd.h.
#include <zdict.h>

namespace kachel {
namespace {

constexpr int kDenseLevel = 9;
// Records die within about a tenth of the same lifetime as their neighbours in a segment, which
// goes with the last of them.
constexpr std::int64_t kNeighbourShare = 8;

}  // namespace

Dictionary::Dictionary(format::SegmentDictionary stored, int fast_level)
    : stored_(std::move(stored)),
      fast_level_(fast_level),
      lowest_version_(format::lowest_version_of(stored_)) {}

Dictionary::~Dictionary() {
  ZSTD_freeDDict(decompressor_);
  for (const auto& compressor : compressors_)
    ZSTD_freeCDict(compressor);
}

Result<Dictionary::Pointer> Dictionary::make(format::SegmentDictionary stored, int fast_level,
                                             std::int64_t erase_within_ms) {
  const std::shared_ptr<Dictionary> made(new Dictionary(std::move(stored), fast_level));
  const ZeroizingBytes& content = made->stored_.content;
  made->decompressor_ = ZSTD_createDDict_advanced(content.data(), content.size(), ZSTD_dlm_byRef,
                                                  ZSTD_dct_auto, kZeroizingMemory);
  if (made->decompressor_ == nullptr) {
    return Error{ErrorCode::kCorrupt,
                 "dictionary " + std::to_string(made->id()) + ": zstd does not take it"};
  }
  made->due_ms_ = natural_due_ms(made->stored_, erase_within_ms);
  return Pointer(made);
}

const ZSTD_CDict_s* Dictionary::compressor(Effort effort) const {
  const auto at = static_cast<std::size_t>(effort);
  std::call_once(made_[at], [&] {
    const int level = effort == Effort::kFast ? fast_level_ : kDenseLevel;
    const auto parameters = ZSTD_getCParams(level, 0, stored_.content.size());
    compressors_[at] =
        ZSTD_createCDict_advanced(stored_.content.data(), stored_.content.size(), ZSTD_dlm_byRef,
                                  ZSTD_dct_auto, parameters, kZeroizingMemory);
    if (compressors_[at] == nullptr) throw std::bad_alloc();
  });
  return compressors_[at];
}

std::uint64_t Dictionary::memory_bytes() const {
  std::uint64_t bytes =
      stored_.content.size() + stored_.samples.size() * sizeof(format::DictionarySample) +
      stored_.scopes.size() * sizeof(format::DictionaryScope) + ZSTD_sizeof_DDict(decompressor_);
  for (const auto& compressor : compressors_)
    bytes += ZSTD_sizeof_CDict(compressor);
  return bytes;
}

bool Dictionary::was_trained_on(const Mac& mac, std::uint64_t version) const {
  return std::binary_search(stored_.samples.begin(), stored_.samples.end(),
                            format::DictionarySample{mac, version});
}

bool Dictionary::was_trained_on_key(const Mac& mac, std::uint64_t through) const {
  const auto found = std::lower_bound(stored_.samples.begin(), stored_.samples.end(),
                                      format::DictionarySample{mac, 0});
  return found != stored_.samples.end() && found->mac == mac && found->version <= through;
}

bool Dictionary::was_trained_on_scope(ScopeTag tag, std::uint64_t through) const {
  const auto found = std::lower_bound(stored_.scopes.begin(), stored_.scopes.end(),
                                      format::DictionaryScope{tag, 0});
  return found != stored_.scopes.end() && found->tag == tag && found->lowest_version <= through;
}

void Dictionary::note_due(std::int64_t ms) const {
  std::int64_t now = due_ms_;
  while (!due_ms_.compare_exchange_weak(now, earlier(now, std::max<std::int64_t>(ms, 1)))) {
  }
}

std::int64_t natural_due_ms(const format::SegmentDictionary& stored, std::int64_t erase_within_ms) {
  const std::int64_t expired_ms = stored.lowest_expires_ms;
  return earlier(expired_ms == 0 ? 0 : deadline_after(expired_ms, erase_within_ms),
                 stored.lowest_erase_by_ms);
}

bool Dictionary::outlives(std::int64_t death_ms, std::int64_t now_ms) const {
  return vouched_.load(std::memory_order_acquire) && kachel::outlives(due_ms(), death_ms, now_ms);
}

bool outlives(std::int64_t due_ms, std::int64_t death_ms, std::int64_t now_ms) {
  if (due_ms == 0) return true;
  if (death_ms == 0) return false;
  const std::int64_t lifetime_ms = std::max<std::int64_t>(death_ms - now_ms, 0);
  return death_ms <= due_ms && lifetime_ms / kNeighbourShare < due_ms - death_ms;
}

namespace {

/// How the samples begin, as much of each as there is room for.
ZeroizingBytes beginnings_of(std::span<const std::byte> samples, std::span<const std::size_t> sizes,
                             std::size_t max_bytes) {
  ZeroizingBytes beginnings;
  const std::size_t share = max_bytes / sizes.size();
  for (const std::size_t size : sizes) {
    const auto piece = samples.first(std::min(size, share));
    beginnings.insert(beginnings.end(), piece.begin(), piece.end());
    samples = samples.subspan(size);
  }
  return beginnings;
}

}  // namespace

Result<ZeroizingBytes> train_dictionary(std::span<const std::byte> samples,
                                        std::span<const std::size_t> sizes, std::size_t max_bytes) {
  if (sizes.empty()) return Error{ErrorCode::kInvalidArgument, "nothing to learn from"};
  ZeroizingBytes dictionary(max_bytes);
  const std::size_t size =
      ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), samples.data(), sizes.data(),
                            static_cast<unsigned>(sizes.size()));
  if (ZDICT_isError(size)) return beginnings_of(samples, sizes, max_bytes);
  dictionary.resize(size);
  return dictionary;
}

}  // namespace kachel
