// Erases that leave a receipt: what is asked for, and what becomes of it. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/entry.h"
#include "engine/receipt_id.h"

namespace kachel {

inline constexpr std::size_t kMaxKeysErased = 1000;  // in one request

enum class EraseKind : std::uint8_t {
  kKeys,     // these keys of a database
  kSubject,  // what is about a person, in all of the tenant's databases
  kModel,    // what comes from a model, likewise
  kTenant,   // all that the tenant has
};

struct EraseRequest {
  EraseKind kind = EraseKind::kSubject;
  Namespace space;                     // the database is that of kKeys
  std::vector<ZeroizingString> names;  // 1 to kMaxKeysErased keys; one subject or model; none
  /// Of kKeys: the fields of hashes among them (field_key()), in the same database. With the names
  /// at most kMaxKeysErased.
  std::vector<ZeroizingString> fields{};
  std::string reason;           // one line for the audit log, or empty; must not repeat a name
  std::optional<ReceiptId> id;  // the same again is the same erase
};

enum class ErasureState : std::uint8_t {
  kFenced,     // nothing of it is served any more, and that is durable
  kSwept,      // its entries are out of the index's books and the hot tier; bytes are left in files
  kReclaimed,  // no byte of it is left in a segment, and no row of it in the index's files
};

/// Times in ms since the epoch, of the store's clock; 0: not yet.
struct Erasure {
  ReceiptId id{};  // nil while it is not recorded
  std::uint32_t tenant = 0;
  std::uint64_t fence = 0;  // sequence: covers what has been put before
  ErasureState state = ErasureState::kFenced;
  std::int64_t fenced_ms = 0;
  std::int64_t swept_ms = 0;
  std::int64_t reclaimed_ms = 0;
  std::int64_t deadline_ms = 0;
  std::uint64_t entries = 0;      // that it took
  std::uint64_t hot_entries = 0;  // of those, found in the hot tier by the sweep
  std::uint64_t hot_bytes = 0;
  std::uint64_t copies = 0;    // records found, older ones included
  std::uint64_t bytes = 0;     // of those records
  std::uint64_t segments = 0;  // they were found in
  std::uint64_t segments_left = 0;
  std::uint64_t segments_in_snapshots = 0;  // that only snapshots have still: they go in time
  // Of the copies, those that a hold keeps: above 0, the erase waits for its release.
  std::uint64_t held_copies = 0;
  std::uint64_t held_bytes = 0;
};

/// What an erase would find.
struct ScopeCount {
  std::uint64_t entries = 0;  // that would no longer be served
  std::uint64_t copies = 0;
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
};

}  // namespace kachel
