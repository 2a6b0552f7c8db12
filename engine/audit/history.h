// The log's checkpoints on disk: the newest in `audit/checkpoint`, all of them, one after the
// other, in `audit/checkpoints`. Internal to engine/audit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/audit/verify.h"

namespace kachel::audit {

inline constexpr std::string_view kDirectory = "audit";
inline constexpr std::string_view kSigningKeyPath = "audit/signing.key";
inline constexpr std::string_view kVerifierKeyPath = "audit/signing.pub";
inline constexpr std::string_view kCheckpointPath = "audit/checkpoint";
inline constexpr std::string_view kHistoryPath = "audit/checkpoints";
inline constexpr std::size_t kMaxKeyFileBytes = 4096;
/// A checkpoint of ours has one signature and a name of at most kMaxKeyNameBytes.
inline constexpr std::size_t kMaxCheckpointBytes = 2048;

/// The note at the front of a history, as far as its lines tell; empty when none is whole.
std::string_view first_note(std::string_view history);

/// What the end of a history says about the newest checkpoint.
struct HistoryEnd {
  std::size_t whole_bytes = 0;  // up to the end of the newest believable note
  std::string newest;           // that note
};
/// `end`: the last bytes of the history; `current`: the note in `audit/checkpoint`, which must be
/// among them. Behind it there may be one that did not come to be the current one, and remains.
/// kCorrupt when `current` is not there.
Result<HistoryEnd> read_history_end(std::string_view end, std::string_view current,
                                    const VerifierKey& key, std::string_view origin);

}  // namespace kachel::audit
