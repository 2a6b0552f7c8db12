#include "engine/format/segment_dictionary.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

#include "engine/format/structure.h"

namespace kachel::format {
namespace {

constexpr std::uint64_t kMagic = magic_of("KACHELDI");
constexpr std::size_t kSegmentIdOffset = 32;
constexpr std::size_t kIdOffset = 40;
constexpr std::size_t kTenantOffset = 48;
constexpr std::size_t kContentLengthOffset = 52;
constexpr std::size_t kSampleCountOffset = 56;
constexpr std::size_t kScopeCountOffset = 60;
constexpr std::size_t kCreatedOffset = 64;
constexpr std::size_t kLowestExpiresOffset = 72;
constexpr std::size_t kLowestEraseByOffset = 80;
constexpr std::size_t kDatabaseOffset = 88;
constexpr std::size_t kBodyOffset = 96;
constexpr std::size_t kAlignment = 4096;
constexpr std::size_t kSampleBytes = 24;
constexpr std::size_t kScopeBytes = 16;
// Of version 3: tags alone.
constexpr std::uint32_t kBareTagsVersion = 3;
constexpr std::size_t kBareTagBytes = 8;
static_assert(kAlignment == kSegmentHeaderBytes);
static_assert(kBodyOffset + kMaxDictionaryBytes + kMaxDictionarySamples * kSampleBytes +
                  kMaxDictionaryScopes * kScopeBytes + kAlignment <=
              kMaxCopyBytes);

struct Lengths {
  std::size_t content = 0;
  std::size_t samples = 0;
  std::size_t scopes = 0;
  std::size_t scope_bytes = kScopeBytes;

  std::size_t body_end() const {
    return kBodyOffset + content + samples * kSampleBytes + scopes * scope_bytes;
  }
  std::size_t copy() const { return align_up(body_end() + kChecksumBytes, kAlignment); }
  bool are_possible() const {
    return content > 0 && content <= kMaxDictionaryBytes && samples > 0 &&
           samples <= kMaxDictionarySamples && scopes <= kMaxDictionaryScopes;
  }
};

Lengths lengths_of(const SegmentDictionary& dictionary) {
  return {dictionary.content.size(), dictionary.samples.size(), dictionary.scopes.size()};
}

bool has_bare_tags(std::span<const std::byte> bytes) {
  return load<std::uint32_t>(bytes.data() + kVersionOffset) <= kBareTagsVersion;
}

Lengths read_lengths(std::span<const std::byte> bytes) {
  return {load<std::uint32_t>(bytes.data() + kContentLengthOffset),
          load<std::uint32_t>(bytes.data() + kSampleCountOffset),
          load<std::uint32_t>(bytes.data() + kScopeCountOffset),
          has_bare_tags(bytes) ? kBareTagBytes : kScopeBytes};
}

Error corrupt(const Place& place, const char* what) {
  return {ErrorCode::kCorrupt,
          "dictionary of segment " + std::to_string(place.segment_id) + ": " + what};
}

template <typename T, typename Less>
bool is_ascending(const std::vector<T>& items, Less less) {
  return std::adjacent_find(items.begin(), items.end(),
                            [&](const T& a, const T& b) { return !less(a, b); }) == items.end();
}

/// What is wrong with what it says; nullptr when nothing is.
const char* fault_of(const SegmentDictionary& dictionary) {
  if (dictionary.id == 0) return "it has no id";
  if (!is_key_database(dictionary.space.database)) return "no such database";
  if (dictionary.created_ms < 0 || dictionary.lowest_expires_ms < 0 ||
      dictionary.lowest_erase_by_ms < 0) {
    return "no such time";
  }
  const auto in_order = [](const DictionaryScope& a, const DictionaryScope& b) {
    return a.tag < b.tag;
  };
  if (!is_ascending(dictionary.samples, std::less<>()) ||
      !is_ascending(dictionary.scopes, in_order)) {
    return "its lists are not in order";
  }
  const auto is_bad = [](std::uint64_t version) { return version == 0 || version > kMaxNumber; };
  const bool has_bad_version =
      std::any_of(dictionary.samples.begin(), dictionary.samples.end(),
                  [&](const DictionarySample& sample) { return is_bad(sample.version); }) ||
      std::any_of(dictionary.scopes.begin(), dictionary.scopes.end(),
                  [&](const DictionaryScope& scope) { return is_bad(scope.lowest_version); });
  return has_bad_version ? "no such version" : nullptr;
}

void encode_copy(const SegmentDictionary& dictionary, const Place& place,
                 std::span<std::byte> bytes) {
  const Lengths lengths = lengths_of(dictionary);
  std::byte* to = bytes.data();
  begin_structure(bytes, kMagic, place.store_id);
  store(to + kSegmentIdOffset, place.segment_id);
  store(to + kIdOffset, dictionary.id);
  store(to + kTenantOffset, dictionary.space.tenant);
  store(to + kDatabaseOffset, std::uint64_t{dictionary.space.database});
  store(to + kContentLengthOffset, static_cast<std::uint32_t>(lengths.content));
  store(to + kSampleCountOffset, static_cast<std::uint32_t>(lengths.samples));
  store(to + kScopeCountOffset, static_cast<std::uint32_t>(lengths.scopes));
  store(to + kCreatedOffset, dictionary.created_ms);
  store(to + kLowestExpiresOffset, dictionary.lowest_expires_ms);
  store(to + kLowestEraseByOffset, dictionary.lowest_erase_by_ms);
  std::memcpy(to + kBodyOffset, dictionary.content.data(), lengths.content);
  to += kBodyOffset + lengths.content;
  for (const DictionarySample& sample : dictionary.samples) {
    store(to, sample.mac.bytes);
    store(to + sizeof sample.mac.bytes, sample.version);
    to += kSampleBytes;
  }
  for (const DictionaryScope& scope : dictionary.scopes) {
    store(to, scope.tag);
    store(to + sizeof scope.tag, scope.lowest_version);
    to += kScopeBytes;
  }
  seal_structure(bytes, checksum_seed(place));
}

}  // namespace

std::uint64_t lowest_version_of(const SegmentDictionary& dictionary) {
  std::uint64_t lowest = UINT64_MAX;
  for (const DictionarySample& sample : dictionary.samples)
    lowest = std::min(lowest, sample.version);
  return lowest;
}

std::size_t copy_bytes(const SegmentDictionary& dictionary) {
  return lengths_of(dictionary).copy();
}

ZeroizingBytes encode_dictionary(const SegmentDictionary& dictionary, const StoreId& store_id,
                                 std::uint64_t segment_id) {
  if (!lengths_of(dictionary).are_possible()) throw std::logic_error("no such dictionary");
  if (const char* fault = fault_of(dictionary)) throw std::logic_error(fault);
  const std::size_t copy = copy_bytes(dictionary);
  ZeroizingBytes bytes(kDictionaryCopies * copy);
  for (std::size_t i = 0; i < kDictionaryCopies; ++i) {
    const Place place{store_id, segment_id, kSegmentHeaderBytes + i * copy};
    encode_copy(dictionary, place, std::span(bytes).subspan(i * copy, copy));
  }
  return bytes;
}

std::size_t peek_copy_bytes(std::span<const std::byte> bytes) {
  if (bytes.size() < kBodyOffset || !has_magic(bytes, kMagic)) return 0;
  const Lengths lengths = read_lengths(bytes);
  return lengths.are_possible() ? lengths.copy() : 0;
}

Result<SegmentDictionary> decode_dictionary(std::span<const std::byte> bytes, const Place& place) {
  if (bytes.size() < kAlignment) return corrupt(place, "cut off");
  if (!has_magic(bytes, kMagic)) return corrupt(place, "there is none");
  // Its place and length are the same in all versions: see is_too_new().
  if (!is_sealed(bytes, checksum_seed(place))) return corrupt(place, "the checksum does not fit");
  if (is_too_new(bytes)) {
    return too_new(bytes, "dictionary of segment " + std::to_string(place.segment_id));
  }
  const Lengths lengths = read_lengths(bytes);
  if (!lengths.are_possible() || lengths.copy() != bytes.size()) {
    return corrupt(place, "it is not of its length");
  }
  const std::byte* from = bytes.data();
  if (!same_store(bytes, place.store_id) ||
      load<std::uint64_t>(from + kSegmentIdOffset) != place.segment_id) {
    return corrupt(place, "it is another segment's");
  }
  SegmentDictionary dictionary;
  dictionary.id = load<std::uint64_t>(from + kIdOffset);
  dictionary.space.tenant = load<std::uint32_t>(from + kTenantOffset);
  const auto database = load<std::uint64_t>(from + kDatabaseOffset);
  if (!is_key_database(database)) return corrupt(place, "no such database");
  dictionary.space.database = static_cast<std::uint8_t>(database);
  dictionary.created_ms = load<std::int64_t>(from + kCreatedOffset);
  dictionary.lowest_expires_ms = load<std::int64_t>(from + kLowestExpiresOffset);
  dictionary.lowest_erase_by_ms = load<std::int64_t>(from + kLowestEraseByOffset);
  from += kBodyOffset;
  dictionary.content.assign(from, from + lengths.content);
  from += lengths.content;
  dictionary.samples.reserve(lengths.samples);
  for (std::size_t i = 0; i < lengths.samples; ++i, from += kSampleBytes) {
    DictionarySample& sample = dictionary.samples.emplace_back();
    sample.mac.bytes = load<decltype(sample.mac.bytes)>(from);
    sample.version = load<std::uint64_t>(from + sizeof sample.mac.bytes);
  }
  dictionary.scopes.reserve(lengths.scopes);
  const std::uint64_t lowest = lowest_version_of(dictionary);
  for (std::size_t i = 0; i < lengths.scopes; ++i, from += lengths.scope_bytes) {
    DictionaryScope& scope = dictionary.scopes.emplace_back();
    scope.tag = load<ScopeTag>(from);
    // Of which of the samples a bare tag is: of any.
    scope.lowest_version =
        has_bare_tags(bytes) ? lowest : load<std::uint64_t>(from + sizeof scope.tag);
  }
  if (const char* fault = fault_of(dictionary)) return corrupt(place, fault);
  const auto padding = bytes.first(bytes.size() - kChecksumBytes).subspan(lengths.body_end());
  if (!all_zero(padding)) return corrupt(place, "the padding is not zero");
  return dictionary;
}

}  // namespace kachel::format
