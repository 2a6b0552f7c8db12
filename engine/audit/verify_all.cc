#include "engine/audit/verify_all.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/audit/files.h"
#include "engine/audit/history.h"
#include "engine/audit/history_reader.h"
#include "engine/audit/tail.h"

namespace kachel::audit {
namespace {

using Hashes = std::vector<Hash>;

std::string range_text(std::uint64_t begin, std::uint64_t end) {
  return end - begin == 1 ? "entry " + std::to_string(begin)
                          : "entries " + std::to_string(begin) + " to " + std::to_string(end - 1);
}

class Checker {
 public:
  Checker(io::Storage& storage, const AuditExpectations& expected)
      : storage_(storage), expected_(expected), tree_(storage), history_(storage) {}

  Result<AuditFindings> run();

 private:
  void report(FindingKind kind, std::string path, std::string message,
              std::optional<std::uint64_t> entry = {});
  std::optional<std::string> read(const std::string& path, std::uint64_t at_most);

  void check_keys();
  void check_signing_key();
  void read_checkpoints();
  std::optional<Checkpoint> open(std::string_view note, const std::string& path);
  void advance_history();
  void finish_history();

  std::uint64_t count_bundles();
  void check_bundle(std::uint64_t index);
  std::optional<Hashes> bundle_hashes(std::uint64_t index);
  std::optional<Hashes> tile_hashes(std::uint64_t index);
  void compare_entries(std::uint64_t index, const Hashes& found, const Hashes& appended);
  void check_tile(unsigned level);
  void check_edge();
  void check_tail();
  void check_torn_tail();
  void check_checkpoints_at(std::uint64_t size);
  void check_root(const Checkpoint& checkpoint, const std::string& path);

  void add_leaf(const Hash& leaf);

  io::Storage& storage_;
  const AuditExpectations& expected_;
  TreeHashes tree_;
  HistoryReader history_;
  AuditFindings result_;
  std::optional<VerifierKey> key_;
  std::optional<Tail> tail_;
  std::string tail_bytes_;

  Frontier frontier_;
  std::array<Hashes, kTileLevels> levels_;          // of each, what does not fill a tile yet
  std::array<std::uint64_t, kTileLevels> tiles_{};  // of each, how many were filled

  struct Expected {
    Checkpoint checkpoint;
    std::string path;
  };
  std::multimap<std::uint64_t, Expected> checkpoints_;  // by size, but for the history's
  std::optional<Checkpoint> next_;                      // of the history
  std::optional<std::string> current_note_;
  bool is_current_in_history_ = false;
  std::uint64_t history_size_ = 0;  // of the last one read
};

void Checker::report(FindingKind kind, std::string path, std::string message,
                     std::optional<std::uint64_t> entry) {
  if (result_.findings.size() == AuditFindings::kMaxListed) {
    ++result_.not_listed;
    return;
  }
  result_.findings.push_back({kind, std::move(path), std::move(message), entry});
}

/// None, and reported, when there is nothing to read.
std::optional<std::string> Checker::read(const std::string& path, std::uint64_t at_most) {
  auto bytes = read_file(storage_, path, at_most);
  if (!bytes) {
    report(FindingKind::kUnreadable, path, bytes.error().message);
    return std::nullopt;
  }
  result_.bytes_checked += bytes->size();
  return std::move(*bytes);
}

Result<AuditFindings> Checker::run() {
  const auto is_there = storage_.exists(kDirectory);
  if (!is_there) return is_there.error();
  if (!*is_there) return Error{ErrorCode::kNotFound, "there is no audit log here"};
  check_keys();
  read_checkpoints();
  if (auto bytes = read(std::string(kTailPath), kMaxTailBytes + kMaxBatchBytes)) {
    tail_bytes_ = std::move(*bytes);
    auto tail = parse_tail(tail_bytes_, expected_.origin);
    if (tail) {
      tail_ = std::move(*tail);
      tree_.edge = tail_->edge;
    } else {
      report(tail.error().code == ErrorCode::kForeign ? FindingKind::kWrongOrigin
                                                      : FindingKind::kChanged,
             std::string(kTailPath), tail.error().message);
    }
  }
  check_checkpoints_at(0);
  const std::uint64_t bundles = count_bundles();
  for (std::uint64_t index = 0; index < bundles; ++index)
    check_bundle(index);
  if (tail_) {
    check_edge();
    check_tail();
  }
  finish_history();
  result_.size = frontier_.size();
  result_.root = frontier_.root();
  return std::move(result_);
}

void Checker::check_keys() {
  const std::string path(kVerifierKeyPath);
  if (const auto text = read(path, kMaxKeyFileBytes)) {
    const auto key = text->ends_with('\n')
                         ? parse_verifier_key(std::string_view(*text).substr(0, text->size() - 1))
                         : Error{ErrorCode::kInvalidArgument, "it does not end in a newline"};
    if (!key) {
      report(FindingKind::kBadKey, path, key.error().message);
    } else if (expected_.key && *expected_.key != *key) {
      report(FindingKind::kBadKey, path, "is not the key that was given: " + key->text());
    } else {
      key_ = *key;
    }
  }
  if (expected_.key) key_ = expected_.key;
  if (key_ && key_->name != expected_.origin) {
    report(FindingKind::kWrongOrigin, path, "is the key of the log " + key_->name);
  }
  check_signing_key();
}

/// Who was given a copy of the log has none.
void Checker::check_signing_key() {
  const std::string path(kSigningKeyPath);
  const auto is_there = storage_.exists(path);
  if (is_there && !*is_there) return;
  const auto text = read(path, kMaxKeyFileBytes);
  if (!text) return;
  const auto signer = text->ends_with('\n')
                          ? Signer::parse(std::string_view(*text).substr(0, text->size() - 1))
                          : Error{ErrorCode::kInvalidArgument, "it does not end in a newline"};
  if (!signer) {
    report(FindingKind::kBadKey, path, signer.error().message);
  } else if (key_ && signer->verifier_key() != *key_) {
    report(FindingKind::kBadKey, path, "is not the private half of the log's key");
  }
}

std::optional<Checkpoint> Checker::open(std::string_view note, const std::string& path) {
  if (!key_) {
    report(FindingKind::kBadSignature, path, "cannot be checked without the log's key");
    return std::nullopt;
  }
  auto checkpoint = open_checkpoint(note, *key_, expected_.origin);
  if (!checkpoint) {
    report(checkpoint.error().code == ErrorCode::kForeign ? FindingKind::kWrongOrigin
                                                          : FindingKind::kBadSignature,
           path, checkpoint.error().message);
    return std::nullopt;
  }
  return std::move(*checkpoint);
}

void Checker::read_checkpoints() {
  const std::string path(kCheckpointPath);
  current_note_ = read(path, kMaxCheckpointBytes);
  const auto expect = [&](std::string_view note, const std::string& from) {
    if (auto checkpoint = open(note, from)) {
      const std::uint64_t size = checkpoint->size;
      checkpoints_.emplace(size, Expected{std::move(*checkpoint), from});
    }
  };
  if (current_note_) expect(*current_note_, path);
  for (const std::string& note : expected_.checkpoints)
    expect(note, "a checkpoint kept elsewhere");
  advance_history();
}

/// To the next that can be believed.
void Checker::advance_history() {
  const std::string path(kHistoryPath);
  next_.reset();
  while (!next_) {
    const auto note = history_.next();
    if (!note) {
      report(FindingKind::kUnreadable, path, note.error().message);
      return;
    }
    if (note->empty()) return;
    result_.bytes_checked += note->size();
    if (current_note_ && *note == *current_note_) is_current_in_history_ = true;
    auto checkpoint = open(*note, path);
    if (!checkpoint) continue;
    if (checkpoint->size < history_size_) {
      report(FindingKind::kCheckpoint, path,
             "a checkpoint of " + std::to_string(checkpoint->size) +
                 " entries comes after one of " + std::to_string(history_size_));
      checkpoints_.emplace(checkpoint->size, Expected{*checkpoint, path});
      continue;
    }
    history_size_ = checkpoint->size;
    next_ = std::move(checkpoint);
  }
}

/// What of the checkpoints is left covers more than there is.
void Checker::finish_history() {
  const std::uint64_t size = frontier_.size();
  std::uint64_t covered = size;
  for (; next_; advance_history())
    covered = std::max(covered, next_->size);
  for (const auto& [at, expected] : checkpoints_)
    covered = std::max(covered, at);
  if (covered > size) {
    report(FindingKind::kTruncated, std::string(kTailPath),
           range_text(size, covered) + " are missing, which a signed checkpoint covers", size);
  }
  if (current_note_ && !is_current_in_history_) {
    report(FindingKind::kCheckpoint, std::string(kHistoryPath),
           "does not hold the checkpoint that is in " + std::string(kCheckpointPath));
  }
}

void Checker::check_root(const Checkpoint& checkpoint, const std::string& path) {
  ++result_.checkpoints_checked;
  if (checkpoint.root == frontier_.root()) return;
  report(FindingKind::kCheckpoint, path,
         "the signed checkpoint of " + std::to_string(checkpoint.size) +
             " entries was made of other entries than these");
}

void Checker::check_checkpoints_at(std::uint64_t size) {
  while (next_ && next_->size == size) {
    check_root(*next_, std::string(kHistoryPath));
    advance_history();
  }
  const auto [begin, end] = checkpoints_.equal_range(size);
  for (auto at = begin; at != end; ++at)
    check_root(at->second.checkpoint, at->second.path);
}

void Checker::add_leaf(const Hash& leaf) {
  frontier_.append(leaf);
  check_checkpoints_at(frontier_.size());
}

/// As the tail says; without one, as long as there are files.
std::uint64_t Checker::count_bundles() {
  if (tail_) return tail_->edge.size / kTileWidth;
  std::uint64_t index = 0;
  for (;; ++index) {
    const auto is_there = storage_.exists(bundle_path(index));
    if (!is_there || !*is_there) return index;
  }
}

/// Hashes of the entries that are there; none when the file is not.
std::optional<Hashes> Checker::bundle_hashes(std::uint64_t index) {
  const std::string path = bundle_path(index);
  const auto is_there = storage_.exists(path);
  if (is_there && !*is_there) {
    const std::uint64_t begin = index * kTileWidth;
    report(FindingKind::kRemoved, path,
           "is missing, with the " + range_text(begin, begin + kTileWidth), begin);
    return std::nullopt;
  }
  const auto bytes = read(path, kMaxBundleBytes);
  if (!bytes) return std::nullopt;
  std::string_view rest = *bytes;
  Hashes hashes;
  while (rest.size() >= 2) {
    const std::size_t length = entry_bytes(rest);
    if (length > rest.size()) break;
    hashes.push_back(leaf_hash(rest.substr(2, length - 2)));
    rest.remove_prefix(length);
  }
  if (!rest.empty()) {
    report(FindingKind::kAdded, path,
           "ends in " + std::to_string(rest.size()) + " bytes that are no entry",
           index * kTileWidth + hashes.size());
  }
  result_.leaves_checked += std::min(hashes.size(), kTileWidth);
  return hashes;
}

std::optional<Hashes> Checker::tile_hashes(std::uint64_t index) {
  const std::string path = tile_path(0, index);
  const auto bytes = read(path, kTileBytes);
  if (!bytes) return std::nullopt;
  auto hashes = parse_tile(*bytes);
  if (!hashes) report(FindingKind::kHashes, path, "is not 8192 bytes long", index * kTileWidth);
  return hashes;
}

/// The entries and the tile of their hashes vouch for each other, and the level above says who is
/// right when they differ.
void Checker::check_bundle(std::uint64_t index) {
  const auto found = bundle_hashes(index);
  const auto tile = tile_hashes(index);
  const auto above = tail_ ? tree_.subtree(kTileHeight, index)
                           : Result<Hash>(Error{ErrorCode::kNotFound, "no tail"});
  const bool is_whole = found && found->size() == kTileWidth;
  const bool is_bundle_right = is_whole && above && root_over(*found) == *above;
  const bool is_tile_right = tile && above && root_over(*tile) == *above;
  const std::uint64_t begin = index * kTileWidth;
  if (is_bundle_right || (is_whole && !is_tile_right && (!tile || !above))) {
    if (tile && *tile != *found) {
      report(FindingKind::kHashes, tile_path(0, index), "does not fit its entries", begin);
    }
  } else if (tile && found) {
    compare_entries(index, *found, *tile);
    if (above && !is_tile_right) {
      report(FindingKind::kHashes, tile_path(0, index), "does not fit the tile above it", begin);
    }
  } else if (found) {
    report(FindingKind::kChanged, bundle_path(index),
           "does not hold the " + range_text(begin, begin + kTileWidth) + " that were appended",
           begin);
  }
  const bool takes_tile = tile && (is_tile_right || !is_whole);
  const Hashes leaves = takes_tile && !is_bundle_right ? *tile
                        : is_whole                     ? *found
                                                       : Hashes(kTileWidth);
  for (const Hash& leaf : leaves)
    add_leaf(leaf);
  levels_[1].push_back(root_over(leaves));
  for (unsigned level = 1; levels_[level].size() == kTileWidth; ++level)
    check_tile(level);
}

void Checker::compare_entries(std::uint64_t index, const Hashes& found, const Hashes& appended) {
  const std::string path = bundle_path(index);
  const std::set<Hash> there(found.begin(), found.end());
  const std::set<Hash> known(appended.begin(), appended.end());
  const bool is_whole = found.size() == appended.size();
  for (std::size_t i = 0; i < appended.size(); ++i) {
    const std::uint64_t entry = index * kTileWidth + i;
    if (i < found.size() && found[i] == appended[i]) continue;
    if (!there.contains(appended[i])) {
      report(is_whole ? FindingKind::kChanged : FindingKind::kRemoved, path,
             "entry " + std::to_string(entry) +
                 (is_whole ? " is not what was appended" : " is not there any more"),
             entry);
    } else if (is_whole) {
      report(FindingKind::kReordered, path,
             "entry " + std::to_string(entry) + " has changed places with another", entry);
    }
  }
  if (is_whole) return;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (known.contains(found[i])) continue;
    report(FindingKind::kAdded, path, "holds an entry that was never appended",
           index * kTileWidth + i);
  }
  if (found.size() > appended.size()) {
    report(FindingKind::kAdded, path, "holds " + std::to_string(found.size()) + " entries, not 256",
           index * kTileWidth + kTileWidth);
  }
}

/// Against the hashes of the tiles below it, which fill it.
void Checker::check_tile(unsigned level) {
  const std::uint64_t index = tiles_[level]++;
  const std::string path = tile_path(level, index);
  const Hashes hashes = std::exchange(levels_[level], {});
  levels_[level + 1].push_back(root_over(hashes));
  const auto bytes = read(path, kTileBytes);
  if (bytes && *bytes != encode_tile(hashes)) {
    report(FindingKind::kHashes, path, "does not fit the tiles below it");
  }
}

void Checker::check_edge() {
  for (unsigned level = 1; level < kTileLevels; ++level) {
    if (levels_[level] == tail_->edge.levels[level]) continue;
    report(FindingKind::kHashes, std::string(kTailPath),
           "its hashes of level " + std::to_string(level) + " do not fit the tiles");
  }
}

void Checker::check_tail() {
  for (const Hash& leaf : tail_->leaves)
    add_leaf(leaf);
  result_.leaves_checked += tail_->leaves.size();
  if (tail_->torn_bytes > 0) check_torn_tail();
}

void Checker::check_torn_tail() {
  const std::string path(kTailPath);
  std::uint64_t next = frontier_.size();
  const auto frames = find_frames(tail_bytes_, tail_->whole_bytes);
  if (!tail_->is_damaged || frames.empty()) {
    report(FindingKind::kTornTail, path,
           "ends in " + std::to_string(tail_->torn_bytes) + " bytes that are no whole append",
           next);
    return;
  }
  for (const FoundFrame& frame : frames) {
    const std::uint64_t end = frame.first + frame.count;
    if (frame.first > next) {
      report(FindingKind::kRemoved, path, range_text(next, frame.first) + " are gone or damaged",
             next);
    } else if (frame.first < next) {
      report(FindingKind::kReordered, path, range_text(frame.first, end) + " are out of place",
             frame.first);
    } else if (frame.first == frontier_.size()) {
      report(FindingKind::kChanged, path,
             range_text(frame.first, end) + " do not lead to the root beside them", frame.first);
    }
    next = std::max(next, end);
  }
}

}  // namespace

std::string_view finding_name(FindingKind kind) {
  constexpr std::string_view kNames[] = {
      "changed", "removed",    "reordered",     "added",        "truncated", "torn_tail",
      "hashes",  "checkpoint", "bad_signature", "wrong_origin", "bad_key",   "unreadable"};
  return kNames[static_cast<std::size_t>(kind)];
}

Result<AuditFindings> verify_all(io::Storage& storage, const AuditExpectations& expected) {
  return Checker(storage, expected).run();
}

}  // namespace kachel::audit
