// The dictionary that values in a segment may be compressed with. It lies in the segment itself,
// twice, between header and records: it goes when they go. Layout: docs/format.md ("Dictionary").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/entry.h"
#include "engine/format/footer.h"
#include "engine/format/record.h"
#include "io/error.h"
#include "io/zeroizing.h"

namespace kachel::format {

inline constexpr std::size_t kMaxDictionaryBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxDictionarySamples = std::size_t{1} << 16;
inline constexpr std::size_t kMaxDictionaryScopes = std::size_t{1} << 19;
inline constexpr std::size_t kDictionaryCopies = 2;
inline constexpr std::size_t kMaxCopyBytes = std::size_t{16} << 20;

/// An entry whose value the dictionary was trained on: parts of the value may be in there.
struct DictionarySample {
  Mac mac;  // of the key
  std::uint64_t version = 0;
  friend auto operator<=>(const DictionarySample&, const DictionarySample&) = default;
};

/// A scope that some of them are of, and the lowest version of these.
struct DictionaryScope {
  ScopeTag tag = 0;
  std::uint64_t lowest_version = 0;
  friend auto operator<=>(const DictionaryScope&, const DictionaryScope&) = default;
};

struct SegmentDictionary {
  std::uint64_t id = 0;  // random, never 0; the same in all segments that have it
  Namespace space;       // of the samples; it serves all of the tenant's databases
  std::int64_t created_ms = 0;
  std::int64_t lowest_expires_ms = 0;     // of the samples, when it was trained; 0: none expires
  std::int64_t lowest_erase_by_ms = 0;    // likewise
  std::vector<DictionarySample> samples;  // sorted, at least one
  std::vector<DictionaryScope> scopes;    // sorted, each tag once
  ZeroizingBytes content;                 // as zstd takes it

  friend bool operator==(const SegmentDictionary&, const SegmentDictionary&) = default;
};

/// Of its samples.
std::uint64_t lowest_version_of(const SegmentDictionary& dictionary);
/// Of one copy: a multiple of 4096.
std::size_t copy_bytes(const SegmentDictionary& dictionary);
/// All copies, for this segment: what lies between its header and its records.
ZeroizingBytes encode_dictionary(const SegmentDictionary& dictionary, const StoreId& store_id,
                                 std::uint64_t segment_id);
/// How long the copy that begins with these bytes says to be; 0 when no copy begins here. For a
/// segment whose header is lost. At least kSegmentHeaderBytes of it.
std::size_t peek_copy_bytes(std::span<const std::byte> bytes);
/// `bytes`: one whole copy, found at `place`. kCorrupt when anything does not fit, kVersion when it
/// is too new.
Result<SegmentDictionary> decode_dictionary(std::span<const std::byte> bytes, const Place& place);

/// Where the records begin, bytes from the start of the file.
constexpr std::uint64_t records_begin(const SegmentHeader& header) {
  return kSegmentHeaderBytes + kDictionaryCopies * std::uint64_t{header.dictionary_copy_bytes};
}

}  // namespace kachel::format
