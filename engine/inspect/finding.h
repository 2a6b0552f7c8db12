// What an inspection finds: where it is, what is wrong, what it costs, and what to do about it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kachel::inspect {

enum class Severity : std::uint8_t {
  kNote,     // worth knowing, and nothing is wrong: does not count as a finding
  kDamage,   // something is not as it was written, or not where it should be
  kOverdue,  // something is there that should be gone by now
};
std::string_view severity_name(Severity severity);

enum class FindingCode : std::uint8_t {
  kUnknownFile,     // a file that no part of Kachel has made
  kLeftover,        // what an interrupted change has left; the next start removes it
  kQuarantined,     // a segment that was set aside
  kUnreadable,      // the device, or the file system, does not give the bytes
  kSuperblockCopy,  // one of two copies is damaged
  kSuperblock,      // the file is not as long as two copies
  kKeyFile,         // damaged, or another store's
  kKeyReadable,     // others than its owner may read the key
  kTenantNames,
  kSnapshot,          // copies of the store in its own directory
  kSnapshotManifest,  // of a snapshot that is being looked at
  kHotManifest,       // what the next start would refill the hot tier with
  kHeader,            // a segment's header
  kForeignSegment,    // of another store
  kMisplacedSegment,  // a whole segment under another one's name
  kDictionaryCopy,    // one of two copies is damaged
  kDictionary,        // both are
  kFooterMissing,     // a sealed segment lacks its end
  kFooter,            // trailer or table
  kRecord,            // a record's header, meta or padding
  kPayload,           // a record's payload
  kValue,             // a payload that does not decompress to what the record states
  kTableDiffers,      // the table says otherwise than the record
  kStrayBytes,        // bytes among the records that are none
  kTornTail,          // the remains of a write that was cut short: what a crash leaves
  kSegmentMissing,    // the index counts entries in a segment that is not there
  kSequenceTwice,     // two records with the same sequence
  kSequenceMissing,   // a record that was handed to the kernel is in no segment
  kBeyondLimit,       // a number that was never given out
  kIndexMissing,      // no index, or one that is marked as damaged
  kIndexEmpty,        // nothing was flushed yet: a start brings it up to date
  kIndexFile,         // one of RocksDB's files
  kIndexItem,         // a row, fence, hold or count that can't be decoded
  kRowWithoutRecord,  // a row that points to what is not the record it names
  kRecordWithoutRow,  // an entry that lives and that the index does not have
  kRowDiffers,        // a row that says otherwise than its record
  kAuditLog,          // see the message
  kAuditLogMissing,   // there are erases or holds, and no log of them
  kOverdueSegment,    // past its deadline
  kOverdueErasure,    // an erase in the audit log, past its deadline and not reclaimed
  kOverdueIndex,      // dead rows past their deadline
  kErasedRow,         // a row of what a receipt says is erased
  kErasedRecord,      // a record of that
  kErasedText,        // the text of a key or subject that should be nowhere
  kReceipt,           // a receipt that does not hold
};
inline constexpr std::size_t kFindingCodes = static_cast<std::size_t>(FindingCode::kReceipt) + 1;

struct FindingKind {
  std::string_view name;  // as in JSON: stable
  Severity severity{};
  std::string_view cost;    // what is lost by it
  std::string_view remedy;  // what to do
};
const FindingKind& kind_of(FindingCode code);

struct Finding {
  FindingCode code{};
  std::string path;                       // from the data directory
  std::optional<std::uint64_t> offset{};  // bytes from the start of the file
  std::uint64_t length = 0;               // bytes; 0: not known, or all of it
  std::string message;                    // what is wrong

  Severity severity() const { return kind_of(code).severity; }
};

}  // namespace kachel::inspect
