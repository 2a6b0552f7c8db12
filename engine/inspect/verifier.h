// The parts of one verification; what they find they leave here for one another. Internal to
// engine/inspect.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "engine/format/snapshot_manifest.h"
#include "engine/inspect/index_reader.h"
#include "engine/inspect/record_walk.h"
#include "engine/inspect/segment_view.h"
#include "engine/inspect/verify.h"

namespace kachel::inspect {

/// What is kept of each segment, whatever it holds.
struct SegmentState {
  std::uint64_t id = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t data_begin = 0;
  std::uint64_t data_end = 0;
  std::uint64_t lowest_sequence = 0;  // 0: no records
  std::uint64_t highest_sequence = 0;
  std::int64_t due_ms = 0;        // by the index's books; 0: nothing in it is due
  std::uint64_t tail_bytes = 0;   // of a write that was cut short
  std::uint64_t rows = 0;         // of the index, that point in here
  std::uint64_t rows_digest = 0;  // sum over them
  std::uint64_t matched = 0;      // of these, those whose record was met
  std::uint64_t matched_digest = 0;
  bool is_selected = false;
  bool is_usable = false;  // has records that can be looked for
  bool is_sealed = false;
  bool is_counted = false;  // in the index's books
};

class Verifier {
 public:
  Verifier(const StoreView& store, const VerifyOptions& options, Inspection& inspection)
      : store_(store), options_(options), inspection_(inspection) {}

  Result<VerifyReport> run();

 private:
  using OnSummary = std::function<void(const format::RecordSummary&)>;
  struct Orphan {
    std::uint64_t version = 0;
    std::uint64_t segment_id = 0;
    std::uint64_t offset = 0;
    bool is_explained = false;
  };

  // verify.cc
  bool wants(std::initializer_list<VerifyScope> scopes) const;
  /// Nothing where a snapshot has lost what the finding is about by its deadline: that is said
  /// once, as something that was not looked at.
  void report(Finding finding);
  void expect(std::uint64_t bytes) { inspection_.progress.expected_bytes += bytes; }
  void cannot(std::string what) { report_.gaps.push_back(std::move(what)); }
  SegmentState* find(std::uint64_t id);

  // verify_files.cc
  Result<void> list_files();
  Result<void> list_root();
  Result<void> list_segments();
  Result<void> list_audit(const std::string& directory);
  void list_quarantine();
  void check_hot_set();
  void list_snapshots();
  void load_snapshot_manifest();
  std::string why_it_has_left(const std::string& path) const;
  std::string why_something_has_left() const;
  std::int64_t now_ms() const;
  bool is_selected(std::uint64_t id, std::int64_t created_ms) const;
  Result<std::uint64_t> size_of(const std::string& path) const;

  // verify_segments.cc
  Result<void> check_heads();
  Result<void> check_head(SegmentState& state);
  Result<void> check_segments();
  Result<void> check_each_segment();
  Result<void> check_segment(SegmentState& state);
  Result<void> check_table(SegmentState& state, const SegmentView& segment);
  void report_of_walk(Finding finding);
  void check_listed(const SegmentView& segment, const WalkedRecord& record,
                    const format::RecordSummary& own);
  Result<void> for_each_summary(const SegmentState& state, const OnSummary& call);
  void note_statements(const format::RecordMeta& meta);
  Result<void> read_voids(const SegmentView& segment);
  void check_ends();

  // verify_index.cc
  Result<void> open_index();
  Result<void> check_index_files(const std::string& path);
  void check_index_file(const std::string& path, const std::string& name);
  Result<void> read_index();
  void read_row(std::string_view key, std::string_view value);
  void read_counts(std::uint64_t id, const std::string& path, std::string_view value);
  void match(SegmentState& state, const format::RecordSummary& put);
  void match_all(SegmentState& state);
  void settle_lookup();
  void match_row(SegmentState& state, const format::RecordSummary& put,
                 const Result<std::optional<Row>>& found);
  void add_orphan(const SegmentState& state, const format::RecordSummary& put);
  Result<void> compare_rows();
  Result<void> compare_row(const RowKey& key, const Row& row, std::optional<SegmentView>& segment);
  Result<void> settle_orphans();

  // verify_sequences.cc
  Result<void> check_sequences();
  Result<void> check_sequence_range(std::uint64_t first, std::vector<bool>& seen);
  void check_limits();

  // verify_erasure.cc
  Result<void> check_audit();
  void check_due();
  Result<void> check_claims();
  Result<void> check_claims_in(SegmentState& state);
  Result<void> check_claims_in_index();
  Result<void> search_texts(const std::string& directory);
  Result<void> search_file(const std::string& path);

  // verify_resume.cc
  Result<void> load_resume();
  Result<void> save_resume();
  void remove_resume();

  const StoreView& store_;
  const VerifyOptions& options_;
  Inspection& inspection_;
  VerifyReport report_;

  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::optional<format::SnapshotManifest> snapshot_;  // what is verified is one
  std::vector<SegmentState> segments_;                // by id
  std::uint64_t walked_through_ = 0;    // segment id; by an earlier run that was cut off
  std::uint64_t walked_records_ = 0;    // in the segments up to there
  std::vector<Finding> walk_findings_;  // for the next run
  std::vector<std::pair<std::uint64_t, std::uint64_t>> voids_;
  std::uint64_t known_written_ = 0;  // sequence

  std::unique_ptr<IndexReader> index_;  // none: it can't be read
  std::string index_path_;
  bool rows_are_known_ = false;
  std::optional<Marker> marker_;
  std::vector<Fence> fences_;
  std::vector<Hold> holds_;
  std::int64_t index_due_ms_ = 0;
  std::unique_ptr<io::ReadAhead> ahead_;  // none before it is needed
  /// Puts of a segment, and the row of each.
  struct PutLookup {
    SegmentState* state = nullptr;
    std::vector<format::RecordSummary> puts;
    std::vector<Result<std::optional<Row>>> rows;
  };
  std::vector<format::RecordSummary> unmatched_;  // of the segment that is being walked
  std::future<PutLookup> lookup_;                 // under way; uses the index
  boost::unordered_flat_map<Mac, std::vector<Orphan>, MacHash> orphans_;
  std::size_t orphan_count_ = 0;
  std::uint64_t failed_lookups_ = 0;
  bool has_audit_ = false;
};

}  // namespace kachel::inspect
