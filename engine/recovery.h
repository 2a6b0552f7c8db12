// From what lies in the directory to a store ready to serve: loads the segments, opens or
// rebuilds the index, replays what it lacks, seals what was left open. docs/format.md
// ("Recovery"). Blocking; runs before any other thread has the store.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/applier.h"
#include "engine/core.h"
#include "engine/format/scanner.h"
#include "engine/identity.h"

namespace kachel {

struct RecoveryResult {
  StartStats stats;
  std::uint64_t last_sequence = 0;  // highest ever given out
  std::uint64_t next_segment_id = 1;
  std::vector<std::uint64_t> spares;  // segments that were made and never written
  std::vector<Append> first_records;  // to be logged before anything else: void records
};

/// Opens the index; wipes and opens it anew when asked.
using OpenIndex = std::function<Result<std::unique_ptr<Index>>(bool wipe)>;

class Recovery {
 public:
  Recovery(Core& core, Identity& identity, Applier& applier, OpenIndex open_index)
      : core_(core), identity_(identity), applier_(applier), open_index_(std::move(open_index)) {}

  Result<RecoveryResult> run();

 private:
  /// A stretch of an unsealed segment that is no record, with one after it; or that ends in one
  /// whose dictionary is lost.
  struct Gap {
    std::uint64_t bytes = 0;
    std::uint64_t next_sequence = 0;
  };
  struct Loaded {
    SegmentPointer segment;
    bool sealed = false;
    bool header_is_new = false;  // not the one in the file: sealing writes it
    format::ScanResult scan;     // of unsealed ones
    std::vector<Gap> gaps;       // of unsealed ones
    std::uint64_t scanned_end = format::kSegmentHeaderBytes;
    std::uint64_t highest_sequence = 0;          // of sealed ones, from the trailer
    std::vector<format::RecordSummary> scanned;  // of unsealed ones: what is above the marker
    format::FooterBuilder footer;                // of unsealed ones: what goes before that
    std::uint64_t data_end = format::kSegmentHeaderBytes;
    std::uint64_t puts = 0;         // found by the scan
    bool lost_its_footer = false;   // it was sealed once
    std::uint64_t live_before = 0;  // then: entries the index counted in it
  };
  /// One segment's records on their way into the merge.
  struct Source;

  Result<void> load_segments();
  Result<void> load_segment(std::uint64_t id);
  Result<void> load_dictionaries();
  Result<void> load_dictionary(const std::vector<Loaded*>& segments);
  static void forget_dictionary(Loaded& loaded);
  Result<ZeroizingBytes> dictionary_copies(const Segment& segment) const;
  static bool is_lost_dictionary(const Loaded& loaded, std::uint64_t first_record);
  static bool is_readable(const Segment& segment, const format::RecordMeta& meta);
  Result<format::SegmentHeader> mend_header(std::uint64_t id, io::File& file,
                                            std::uint64_t file_bytes) const;
  Result<bool> holds_records(const Segment& segment) const;
  Result<void> drop_or_set_aside(std::uint64_t id, const std::string& why);
  Result<void> keep_or_remove_spare(std::uint64_t id);
  Result<void> set_aside(std::uint64_t id, const std::string& why);
  Result<void> scan_unsealed();
  void add_to_footer(Loaded& loaded, const format::SegmentHeader& header,
                     format::RecordSummary summary) const;
  Result<void> open_index();
  Result<std::unique_ptr<Index>> open_index_for_room(bool wipe);
  bool give_up_spare();
  Result<void> restore_books(const Marker& marker);
  std::int64_t deadline_now() const;
  void note_held();
  void note_lost_footer(const Marker& marker, const Segment& segment, const SegmentCounts& counts);
  bool same_boot() const;
  std::uint64_t known_written() const;
  Result<void> count_damage(std::uint64_t there, bool in_order);
  Result<bool> is_elsewhere(const Loaded& here, std::uint64_t sequence) const;
  std::uint64_t highest_found() const;
  std::uint64_t known_durable() const;
  Result<void> replay();
  Result<void> read_source(Source& source);
  Result<void> raise_fences(const std::vector<Source>& sources, std::uint64_t cut);
  Result<void> replay_sources(std::vector<Source>& sources, std::uint64_t cut);
  std::uint64_t first_missing(std::uint64_t from) const;
  std::uint64_t find_cut(std::uint64_t from) const;
  std::uint64_t covers_of(std::uint64_t sequence) const;
  Result<void> sync_recent(std::uint64_t cut);
  Result<void> rewrite_recent(const Loaded& loaded, std::uint64_t durable, std::uint64_t cut);
  Result<void> rewrite_footer(const Segment& segment);
  Result<void> rewrite(io::File& file, std::uint64_t offset,
                       std::span<const std::byte> bytes) const;
  Result<void> sync(io::File& file) const;
  Result<void> flush_index();
  Result<void> seal_unsealed(std::uint64_t cut);

  Core& core_;
  Identity& identity_;
  Applier& applier_;
  OpenIndex open_index_;
  std::vector<Loaded> loaded_;
  std::uint64_t applied_through_ = 0;
  bool rebuilt_ = false;
  bool after_failed_sync_ = false;
  std::unordered_map<std::uint64_t, std::uint64_t> covers_;  // of puts replayed, by sequence
  RecoveryResult result_;
};

}  // namespace kachel
