// Checkpoints (https://c2sp.org/tlog-checkpoint) and offline proofs (https://c2sp.org/tlog-proof):
// all that is needed to check a receipt without the store, from input that anyone may have made.
// No I/O; any thread. The trees are in merkle.h, the signatures in note.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/merkle.h"
#include "engine/audit/note.h"

namespace kachel::audit {

/// A tree head: what a log commits itself to by signing it.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;  // leaves
  Hash root{};

  /// The text that is signed.
  std::string text() const;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
/// Of a note's text; extension lines are passed over. kInvalidArgument.
Result<Checkpoint> parse_checkpoint(std::string_view text);
/// Of a note signed by `key`, of the log called `origin`: kForeign for another's, else as
/// open_note and parse_checkpoint.
Result<Checkpoint> open_checkpoint(std::string_view note, const VerifierKey& key,
                                   std::string_view origin);

/// A leaf is in a log; the leaf itself comes beside it.
struct LogProof {
  std::optional<std::string> extra;  // bytes that nothing vouches for
  std::uint64_t index = 0;
  std::vector<Hash> path;
  std::string checkpoint;  // a signed note

  std::string text() const;
};
/// kInvalidArgument.
Result<LogProof> parse_log_proof(std::string_view text);

/// Checks it all: the signature, the origin, and that `entry` is the leaf at the proof's index.
/// What is returned is the checkpoint that covers it.
Result<Checkpoint> verify_log_proof(std::string_view proof, std::string_view entry,
                                    const VerifierKey& key, std::string_view origin);

}  // namespace kachel::audit
