// Verification: the order of the log. Each sequence is given out once; none that was handed to the
// kernel and is not in the index yet may be missing.
#include <algorithm>

#include "engine/inspect/verifier.h"

namespace kachel::inspect {
namespace {
// Sequences looked at in one pass over the tables: 16 MiB of bits.
constexpr std::uint64_t kSequencesAPass = std::uint64_t{1} << 27;
}  // namespace

void Verifier::check_limits() {
  if (!store_.superblock()) return;
  const format::Superblock& superblock = *store_.superblock();
  for (const SegmentState& state : segments_) {
    if (state.id >= superblock.segment_id_limit) {
      report({FindingCode::kBeyondLimit,
              segment_path(state.id),
              {},
              0,
              "its id is not below " + std::to_string(superblock.segment_id_limit) +
                  ", the superblock's limit"});
    }
    if (state.highest_sequence >= superblock.sequence_limit) {
      report({FindingCode::kBeyondLimit,
              segment_path(state.id),
              {},
              0,
              "has the sequence " + std::to_string(state.highest_sequence) + ", not below " +
                  std::to_string(superblock.sequence_limit) + ", the superblock's limit"});
    }
  }
}

Result<void> Verifier::check_sequences() {
  if (!options_.selection.is_all()) return {};
  std::uint64_t lowest = UINT64_MAX;
  std::uint64_t highest = 0;
  for (const SegmentState& state : segments_) {
    if (state.lowest_sequence == 0) continue;
    lowest = std::min(lowest, state.lowest_sequence);
    highest = std::max(highest, state.highest_sequence);
  }
  if (highest == 0) return {};
  if (marker_) lowest = std::min(lowest, marker_->applied_through + 1);
  std::vector<bool> seen;
  for (std::uint64_t first = lowest; first <= highest; first += kSequencesAPass) {
    seen.assign(std::min(kSequencesAPass, highest - first + 1), false);
    if (auto done = check_sequence_range(first, seen); !done) return done;
  }
  return {};
}

Result<void> Verifier::check_sequence_range(std::uint64_t first, std::vector<bool>& seen) {
  const std::uint64_t last = first + seen.size() - 1;
  for (const SegmentState& state : segments_) {
    if (state.lowest_sequence == 0 || state.lowest_sequence > last ||
        state.highest_sequence < first) {
      continue;
    }
    auto done = for_each_summary(state, [&](const format::RecordSummary& record) {
      if (record.sequence < first || record.sequence > last) return;
      auto bit = seen[record.sequence - first];
      if (bit) {
        report({FindingCode::kSequenceTwice, segment_path(state.id), record.offset, record.size,
                "the sequence " + std::to_string(record.sequence) + " has another record too"});
      }
      bit = true;
    });
    if (!done) return done;
  }
  if (!marker_) return {};
  for (const auto& [begin, end] : voids_) {
    for (std::uint64_t at = std::max(begin, first); at <= std::min(end, last); ++at)
      seen[at - first] = true;
  }
  // What the index has may have been reclaimed since.
  const std::uint64_t through = std::min(last, known_written_);
  std::uint64_t at = std::max(first, marker_->applied_through + 1);
  while (at <= through) {
    if (seen[at - first]) {
      ++at;
      continue;
    }
    const std::uint64_t begin = at;
    while (at <= through && !seen[at - first])
      ++at;
    report({FindingCode::kSequenceMissing,
            "segments",
            {},
            0,
            "the sequences " + std::to_string(begin) + " to " + std::to_string(at - 1) +
                " are in no segment, and were handed to the kernel"});
  }
  return {};
}

}  // namespace kachel::inspect
