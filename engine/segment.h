// A segment in use: its file, what is known of its records, and the table of all of them.
//
// Threads: what is atomic or const may be read by any thread; the rest belongs to the log
// thread. Readers pin a segment by its shared pointer: a file removed while being read stays
// readable until the last pin is gone.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/dictionary.h"
#include "engine/format/footer.h"
#include "engine/format/segment_dictionary.h"
#include "engine/index.h"
#include "engine/lifetime_bucket.h"
#include "engine/reclaim_policy.h"
#include "io/file.h"

namespace kachel {

enum class SegmentState : std::uint8_t {
  kOpen,     // takes appends
  kSealing,  // takes no more; its footer waits for a sync
  kSealed,
  kReclaiming,  // being emptied
};

class Segment {
 public:
  Segment(const format::SegmentHeader& header, std::unique_ptr<io::File> opened)
      : id(header.segment_id),
        bucket(header.bucket),
        survivors((header.flags & format::kSegmentFlagSurvivors) != 0),
        made_anew((header.flags & format::kSegmentFlagMadeAnew) != 0),
        first_sequence(header.first_sequence),
        created_ms(header.created_ms),
        capacity_bytes(header.capacity_bytes),
        dictionary_id(header.dictionary_id),
        dictionary_copy_bytes(header.dictionary_copy_bytes),
        data_begin(format::records_begin(header)),
        file(std::move(opened)) {}

  format::SegmentHeader header(const format::StoreId& store_id) const {
    return {store_id,
            id,
            created_ms,
            first_sequence,
            bucket,
            (survivors ? format::kSegmentFlagSurvivors : 0) |
                (made_anew ? format::kSegmentFlagMadeAnew : 0),
            capacity_bytes,
            dictionary_id,
            dictionary_copy_bytes};
  }

  const std::uint64_t id;
  const std::uint32_t bucket;
  const bool survivors;
  const bool made_anew;  // the header, by a start, without the help of a footer
  const std::uint64_t first_sequence;
  const std::int64_t created_ms;
  const std::uint64_t capacity_bytes;
  std::uint64_t dictionary_id;  // 0: it has none; changed by a start only
  const std::uint32_t dictionary_copy_bytes;
  const std::uint64_t data_begin;  // of the records, bytes from the start of the file
  const std::unique_ptr<io::File> file;
  /// What the header says it has; nullptr when it has none, or none that can be read. Set before
  /// others see the segment.
  Dictionary::Pointer dictionary;

  std::atomic<SegmentState> state{SegmentState::kOpen};
  std::atomic<std::uint64_t> bytes{data_begin};  // of the file
  std::atomic<std::uint64_t> live_bytes{0};
  std::atomic<std::uint64_t> reads{0};  // flash hits in here
  /// Not all of its bytes have come yet: arrivals.h.
  std::atomic<bool> is_arriving{false};
  /// When the first of what is dead in here must be gone, ms; 0: nothing has to.
  std::atomic<std::int64_t> due_ms{0};
  /// What `trailer` says of deaths to come. Log thread only, as the next.
  void note_deadlines(const format::Trailer& trailer, std::int64_t erase_within_ms) {
    if (trailer.lowest_deadline_ms != 0) {
      note_due(deadline_after(trailer.lowest_deadline_ms, erase_within_ms));
    }
    if (trailer.lowest_erase_by_ms != 0) note_due(trailer.lowest_erase_by_ms);
  }
  /// What was due all the while, and held, is due anew.
  void postpone_due(std::int64_t ms) {
    if (due_ms != 0) due_ms = std::max(due_ms.load(), ms);
  }
  void note_due(std::int64_t ms) { due_ms = earlier(due_ms, std::max<std::int64_t>(ms, 1)); }

  /// It must go, whatever else lives in here or is held.
  bool has_due_dictionary() const { return dictionary && dictionary->due_ms() != 0; }

  /// What reclaim has found to be under a hold in here; of another generation of the holds it is
  /// no longer known.
  std::atomic<HeldShare> held{HeldShare::kUnknown};
  std::atomic<std::uint64_t> held_generation{0};

  // Log thread only.
  format::FooterBuilder footer;  // until sealed
  std::map<Namespace, LiveShare> live;
  bool has_later_expiries = false;
  std::uint64_t data_end = data_begin;
  std::uint64_t last_placed = 0;  // sequence
  std::uint64_t synced_end = 0;
  std::uint64_t applied_end = data_begin;
  /// Offsets of what has a copy for the holds already: reclaim was given up after it.
  boost::unordered_flat_set<std::uint64_t> held_copies;
  std::uint64_t highest_sequence = 0;
  std::int64_t highest_deadline_ms = 0;  // 0: some entry has none
  bool has_records = false;
  bool dirty = false;
};
using SegmentPointer = std::shared_ptr<Segment>;

/// When the record was written; where its table does not say, not later than that.
inline std::int64_t written_ms(const format::RecordSummary& record, const Segment& segment) {
  return record.created_ms != 0 ? record.created_ms : segment.created_ms;
}

/// For the index's books. Log thread only.
SegmentCounts counts_of(const Segment& segment);
/// Not a segment: under this number they have the debt of the index itself.
constexpr std::uint64_t kIndexItself = 0;

/// "segments/0000000000001234.seg"
std::string segment_path(std::uint64_t id);
/// The id in a file name; nothing when it is no segment's name.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

/// Thread-safe.
class SegmentTable {
 public:
  void add(SegmentPointer segment);
  SegmentPointer find(std::uint64_t id) const;
  bool contains(std::uint64_t id) const;
  /// Whether its file is there, or may come back.
  bool may_exist(std::uint64_t id) const;
  /// Or a snapshot has it.
  bool has_bytes(std::uint64_t id) const;
  std::vector<SegmentPointer> all() const;  // by id
  /// Those of which bytes may be left though they are not in use: removed and not forgotten, or in
  /// a snapshot. With their first sequences; 0: what is in there may be older.
  std::map<std::uint64_t, std::uint64_t> left_over() const;
  std::size_t size() const;
  std::uint64_t total_bytes() const;
  std::uint64_t lowest_id() const;  // of those leaving, too; 0 when empty
  /// Removed, but not forgotten.
  bool is_leaving(std::uint64_t id) const;

  /// Readers no longer find it; until forget() it may be back after a crash, and still counts in
  /// lowest_id and may_hold_older.
  void remove(std::uint64_t id);
  /// Its removal is durable.
  void forget(std::uint64_t id);
  /// What snapshots have, with the first sequences.
  void set_kept(std::map<std::uint64_t, std::uint64_t> kept);

  /// Whether a segment other than `except`, with an id >= `covers`, took its first append
  /// before `sequence`: it may then hold what a tombstone of that sequence kills.
  bool may_hold_older(std::uint64_t covers, std::uint64_t sequence, std::uint64_t except) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, SegmentPointer> segments_;
  std::map<std::uint64_t, std::uint64_t> removed_;  // id -> first sequence
  std::map<std::uint64_t, std::uint64_t> kept_;     // likewise, in snapshots
};

}  // namespace kachel
