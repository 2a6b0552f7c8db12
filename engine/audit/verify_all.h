// Checks a whole audit log against itself and against its signed checkpoints, and lists all that
// is wrong. Never writes. For a log that nobody appends to meanwhile. Blocking.
//
// Who holds the signing key can write another log that is right in itself. So keep checkpoints
// elsewhere (each receipt has one) and give them along: no other log holds with them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/audit/verify.h"
#include "io/storage.h"

namespace kachel::audit {

enum class FindingKind : std::uint8_t {
  kChanged,       // an entry is not the one that was appended
  kRemoved,       // an entry is gone, between others
  kReordered,     // an entry is in the place of another
  kAdded,         // bytes among the entries that never were one
  kTruncated,     // the end is gone: entries that a checkpoint covers
  kTornTail,      // remains of an append that did not return: what a crash leaves, until the next
                  // start
  kHashes,        // a tile of hashes, or the tail's, does not fit the entries
  kCheckpoint,    // a signed checkpoint does not fit the entries, or the other checkpoints
  kBadSignature,  // a checkpoint that is not signed by the log's key, or cannot be read
  kWrongOrigin,   // another log's checkpoint or key
  kBadKey,        // a key file that is missing, damaged, or not the expected one
  kUnreadable,    // a file that is missing or cannot be read
};
std::string_view finding_name(FindingKind kind);

struct Finding {
  FindingKind kind{};
  std::string path;
  std::string message;
  std::optional<std::uint64_t> entry{};  // the first one concerned
};

struct AuditFindings {
  static constexpr std::size_t kMaxListed = 10'000;

  std::vector<Finding> findings;
  std::uint64_t not_listed = 0;  // findings beyond kMaxListed
  std::uint64_t leaves_checked = 0;
  std::uint64_t bytes_checked = 0;
  std::uint64_t checkpoints_checked = 0;
  std::uint64_t size = 0;  // entries found
  Hash root{};             // over them

  /// Checking nothing is never clean: every log has a checkpoint.
  bool is_clean() const { return findings.empty() && checkpoints_checked > 0; }
};

struct AuditExpectations {
  std::string origin;                    // the log's name
  std::optional<VerifierKey> key{};      // else the one that lies beside the log is believed
  std::vector<std::string> checkpoints;  // signed notes that were kept elsewhere
};

/// kNotFound when there is no log.
Result<AuditFindings> verify_all(io::Storage& storage, const AuditExpectations& expected);

}  // namespace kachel::audit
