// A receipt: what became of an erase, as JSON, with all that is needed to check it without the
// store. No I/O; any thread.
//
//   {"receipt": 1, "id": "...", "state": "reclaimed", "log": "kachel/...", "key": "kachel/...+...",
//    "events": [{"event": {...}, "proof": "c2sp.org/tlog-proof@v1\n..."}, ...],
//    "progress": {...}}
//
// `events` are leaves of the audit log (event.h), each with a proof that it is under a signed
// checkpoint; `progress` is what the store says of it now, and nothing vouches for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/event.h"
#include "engine/audit/verify.h"

namespace kachel::audit {

inline constexpr std::size_t kMaxReceiptBytes = std::size_t{1} << 20;

struct ProvenLeaf {
  std::string leaf;
  std::string proof;
};

/// How far an erase is that is not yet reclaimed.
struct ErasureProgress {
  std::int64_t swept_ms = 0;
  std::int64_t deadline_ms = 0;
  std::uint64_t entries = 0, copies = 0, copy_bytes = 0;
  std::uint64_t segments = 0, segments_left = 0, segments_in_snapshots = 0;
  std::uint64_t held_copies = 0, held_bytes = 0;  // of the copies, under a hold
};

struct Receipt {
  std::string id;
  std::string state;
  std::string log;  // its origin
  std::string key;  // its verifier key
  std::vector<ProvenLeaf> events;
  std::optional<ErasureProgress> progress;

  std::string text() const;
};
/// kInvalidArgument.
Result<Receipt> parse_receipt(std::string_view text);

struct VerifiedReceipt {
  EraseEvent erase;
  std::optional<ReclaimEvent> reclaim;
  Checkpoint checkpoint;  // the newest that covers its events
};
/// Checks that it says what the log says: every event is proven under `key`, they are of one
/// erase, and the state is the one they lead to. kCorrupt or kForeign with what does not hold.
Result<VerifiedReceipt> verify_receipt(const Receipt& receipt, const VerifierKey& key);

}  // namespace kachel::audit
