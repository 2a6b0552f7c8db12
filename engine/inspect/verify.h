// Checks a whole store that nobody writes to meanwhile, and lists all that is wrong. Never writes
// to it. Blocking; one thread. Memory: some 150 bytes a segment, and less than 40 MiB besides,
// however large the store is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/audit/verify_all.h"
#include "engine/inspect/erased.h"
#include "engine/inspect/store_view.h"
#include "io/zeroizing.h"

namespace kachel::inspect {

enum class VerifyScope : std::uint8_t {
  kQuick,     // what a start reads: identity, headers, dictionaries, tables; the index's own word
  kFull,      // every byte of every file
  kIndex,     // the index, against the segments' tables
  kSegments,  // the segments alone
  kErasure,   // what was due, or what receipts and names say, is gone
};

/// Which segments are looked into. With none of these: all.
struct Selection {
  std::optional<double> share{};           // 0..1, by chance
  std::uint32_t part = 0, parts = 0;       // the part-th (1..parts) of so many; 0: all
  std::uint64_t seed = 0;                  // of the chance
  std::optional<std::int64_t> since_ms{};  // made then or later
  std::optional<std::int64_t> until_ms{};  // made before
  bool is_all() const { return !share && parts == 0 && !since_ms && !until_ms; }
};

struct ErasureClaim {
  ErasedScope scope;
  bool is_done = false;  // it says that nothing is left
};

struct VerifyOptions {
  VerifyScope scope = VerifyScope::kFull;
  Selection selection;
  std::optional<std::uint32_t> tenant{};  // whose entries are compared with the index; none: all
  std::int64_t now_ms = 0;
  std::vector<ErasureClaim> claims;
  std::vector<ZeroizingString> texts;  // that should be nowhere, in no file
  audit::AuditExpectations audit;
  std::string resume_path;  // in the host's file system; empty: a run that is cut off begins anew
};

struct VerifyReport {
  std::vector<std::string> gaps;  // what could not be checked, and why; empty: all that was meant
  std::uint64_t segments = 0;     // that there are
  std::uint64_t segments_checked = 0;
  std::uint64_t total_bytes = 0;    // of all files of the store that hold something
  std::uint64_t dangling_rows = 0;  // of segments that are gone: dead, or lost with them
  std::uint64_t audit_entries = 0;

  /// All that was to be checked has been, and that is more than nothing.
  bool is_complete(const Progress& progress) const {
    return gaps.empty() && progress.checked_bytes > 0 &&
           progress.checked_bytes == progress.expected_bytes;
  }
};

/// What is found goes to `inspection`. Errors are only such that nothing more can be said.
Result<VerifyReport> verify_store(const StoreView& store, const VerifyOptions& options,
                                  Inspection& inspection);

}  // namespace kachel::inspect
