// The audit log: what was erased, held and changed, in an order that cannot be changed unseen.
// An append-only log whose entries are the leaves of a Merkle tree, in the data directory's
// `audit/`; its head is signed now and then (a checkpoint). Entries are bytes of the callers'.
//
// What holds:
//   * append() returns when its entries are durable, all of them; after a crash they are there, in
//     order. Entries of an append that did not return may be there as well, all or none.
//   * After a failed write or sync nothing more is appended until the log is opened again. A full
//     disk is no such failure: appends fail, and work again once there is room.
//   * Entries under a signed checkpoint are never cut off: when one is missing, open() says so.
//
// Blocking; start-up and the blocking pool only. Thread-safe: one lock over all, held while the
// disk is waited for. Memory: the entries since the last whole bundle (256 as a rule), 32 bytes a
// hash of the right edge (24 KiB at most for 16 million entries), and 64 tiles of 8 KiB.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/audit/tail.h"
#include "engine/audit/verify.h"
#include "io/random.h"
#include "io/storage.h"

namespace kachel::audit {

struct InclusionProof {
  std::uint64_t index = 0;
  std::uint64_t size = 0;
  Hash root{};  // of the tree with that size
  std::vector<Hash> path;
};

class AuditLog {
 public:
  /// Makes the log, and its key from `random`, or opens it. `origin` names the log, and its key:
  /// "kachel/<store id in hex>". Reads the tail, the newest checkpoints and a few tiles, however
  /// many entries there are. kCorrupt with what is missing; kKeyMissing; kForeign for a log of
  /// another name.
  static Result<std::unique_ptr<AuditLog>> open(io::Storage& storage, std::string origin,
                                                io::Random& random);

  /// Appends them all, or none, and returns the index of the first; one sync however many there
  /// are. kTooLarge beyond kMaxEntryBytes each, kMaxBatchEntries and kMaxBatchBytes; kNoSpace,
  /// after which it may be tried again.
  Result<std::uint64_t> append(std::span<const std::string> entries);
  Result<std::uint64_t> append(const std::string& entry) { return append(std::span(&entry, 1)); }

  /// Signs the log as it is now; nothing to do when nothing was appended since.
  Result<void> checkpoint();

  std::uint64_t size() const;
  Hash root() const;
  /// The newest; a log is made with one of size 0.
  Checkpoint last_checkpoint() const;
  std::string checkpoint_note() const;
  const VerifierKey& verifier_key() const { return signer_.verifier_key(); }
  const std::string& origin() const { return origin_; }

  /// Bytes that open() cut off: what a crash had left of an append that did not return.
  std::uint64_t torn_bytes() const { return torn_bytes_; }
  bool created() const { return created_; }
  /// What made it refuse appends; none while it takes them.
  std::optional<Error> failure() const;

  // kNotFound for an index or a size that the log has not reached; kCorrupt when what is on disk
  // is not what was appended. They go on after a failure.
  Result<std::string> entry(std::uint64_t index);
  /// From this one on as many as lie together: up to 256, or all of the tail. Not empty.
  Result<std::vector<std::string>> entries_from(std::uint64_t index);
  Result<InclusionProof> prove(std::uint64_t index, std::uint64_t size);
  Result<std::vector<Hash>> prove_consistency(std::uint64_t first, std::uint64_t second);
  /// That this entry is under the last checkpoint, as text for verify_log_proof(). kNotFound when
  /// it is not yet: checkpoint() first.
  Result<std::string> receipt(std::uint64_t index);

 private:
  AuditLog(io::Storage& storage, std::string origin, Signer signer, bool created)
      : storage_(storage),
        origin_(std::move(origin)),
        signer_(std::move(signer)),
        created_(created),
        tree_(storage) {}

  static Result<Signer> load_or_make_key(io::Storage& storage, const std::string& origin,
                                         io::Random& random, bool is_made);
  Result<void> create();
  Result<void> load();
  Result<void> load_tail();
  Result<void> load_checkpoints();
  Result<void> check_against(const Checkpoint& checkpoint);
  Result<void> check_newest_bundle();
  Result<void> settle_tail(std::string_view whole);
  Result<void> settle_history(std::string_view end, std::size_t whole_bytes);

  Result<void> check_batch(std::span<const std::string> entries) const;
  Result<void> write_frame(std::string_view frame);
  void seal_bundles();
  Result<void> write_bundles(RightEdge& edge);
  Result<void> write_bundle(std::uint64_t index, RightEdge& edge);
  Result<void> put_tail_in_place(RightEdge edge);
  Result<void> write_note(std::string_view note);
  Error refused() const;
  /// A full disk lets the caller try again; after anything else nothing is appended any more.
  Error fail(Error error);
  Error fail_for_good(Error error);

  io::Storage& storage_;
  const std::string origin_;
  const Signer signer_;
  const bool created_;
  std::uint64_t torn_bytes_ = 0;

  mutable std::mutex mutex_;  // over all that follows
  TreeHashes tree_;
  Frontier frontier_;
  std::vector<std::string> entries_;  // from tree_.edge.size on
  std::unique_ptr<io::File> tail_;
  std::uint64_t tail_bytes_ = 0;
  std::unique_ptr<io::File> history_;
  std::uint64_t history_bytes_ = 0;
  Checkpoint checkpoint_;
  std::string checkpoint_note_;
  std::optional<Error> failure_;
};

}  // namespace kachel::audit
