// What a record may hold, whoever made it: checked before it is written and after it is
// read, by the same code. Internal to the format library.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/format/record.h"
#include "engine/scope.h"

namespace kachel::format {

// Offsets of the fixed part's fields. docs/format.md ("Record").
inline constexpr std::size_t kTypeOffset = 4;
inline constexpr std::size_t kCodecOffset = 5;
inline constexpr std::size_t kFlagsOffset = 6;
inline constexpr std::size_t kKindOffset = 7;
inline constexpr std::size_t kMetaLengthOffset = 8;
inline constexpr std::size_t kPayloadLengthOffset = 12;
inline constexpr std::size_t kSequenceOffset = 16;
inline constexpr std::size_t kPayloadChecksumOffset = 24;
inline constexpr std::size_t kHeaderChecksumOffset = 32;
static_assert(kHeaderChecksumOffset + sizeof(std::uint64_t) == kRecordFixedBytes);
static_assert(kRecordFixedBytes % kRecordAlignment == 0);

inline constexpr std::uint8_t kKnownFlags = kFlagMoved | kFlagVersioned | kFlagHeld;

constexpr bool is_record_type(std::uint8_t type) {
  return type >= static_cast<std::uint8_t>(RecordType::kPut) &&
         type <= static_cast<std::uint8_t>(RecordType::kRelease);
}
/// Is about one key, scope or hold: a put has its key's text, the others only a MAC or an id.
constexpr bool has_mac(RecordType type) {
  return type == RecordType::kPut || type == RecordType::kErase || type == RecordType::kExpiry ||
         type == RecordType::kScopeFence || type == RecordType::kHold ||
         type == RecordType::kRelease;
}
constexpr bool has_namespace(RecordType type) {
  return has_mac(type) || type == RecordType::kFence;
}
constexpr bool is_database(RecordType type, std::uint64_t database) {
  if (type == RecordType::kScopeFence) {
    return database == kSubjectScope || database == kModelScope;
  }
  if (type == RecordType::kHold) return database == kSubjectScope || database == kAllDatabases;
  if (type == RecordType::kRelease) return database == kAllDatabases;
  return is_key_database(database) || (type == RecordType::kFence && database == kAllDatabases);
}

/// Names the subject it is about.
constexpr bool has_scope(RecordType type, Namespace space) {
  return type == RecordType::kHold && space.database == kSubjectScope;
}

constexpr std::int64_t stored_time(std::int64_t ms) {
  return ms < 0 ? 0 : ms;
}
/// 0 means none, so a moment before the epoch becomes the first one after it: past, not never.
constexpr std::int64_t stored_deadline(std::int64_t ms) {
  return ms < 0 ? 1 : ms;
}

/// What is wrong with `meta` above a payload of `payload_bytes`; nullptr when nothing is.
/// Sequence and version are not looked at: the encoder does not know them yet.
const char* record_fault(const RecordMeta& meta, std::size_t payload_bytes);

}  // namespace kachel::format
