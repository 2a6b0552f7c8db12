#include "engine/audit/audit_log.h"

#include <set>

#include "engine/audit/files.h"
#include "engine/audit/history.h"
#include "engine/audit/text.h"

namespace kachel::audit {
namespace {

Error not_reached(std::uint64_t index, std::uint64_t size) {
  return {ErrorCode::kNotFound, "the audit log has " + std::to_string(size) +
                                    " entries, and so no " + std::to_string(index)};
}

/// Every directory on the way to the file, the file's own last.
void add_directories(const std::string& path, std::set<std::string>& directories) {
  for (std::string at = parent_of(path); !at.empty(); at = parent_of(at))
    directories.insert(at);
}

}  // namespace

Result<std::uint64_t> AuditLog::append(std::span<const std::string> entries) {
  const std::lock_guard lock(mutex_);
  if (failure_) return refused();
  if (auto checked = check_batch(entries); !checked) return checked.error();
  const std::uint64_t first = frontier_.size();
  if (entries.empty()) return first;
  Frontier grown = frontier_;
  std::vector<Hash> leaves;
  for (const std::string& entry : entries) {
    leaves.push_back(leaf_hash(entry));
    grown.append(leaves.back());
  }
  const std::string frame = encode_frame(first, entries, grown.root());
  if (auto written = write_frame(frame); !written) return written.error();
  frontier_ = std::move(grown);
  tree_.leaves.insert(tree_.leaves.end(), leaves.begin(), leaves.end());
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  if (entries_.size() >= kTileWidth) seal_bundles();
  return first;
}

Result<void> AuditLog::check_batch(std::span<const std::string> entries) const {
  std::size_t bytes = 0;
  for (const std::string& entry : entries) {
    if (entry.size() > kMaxEntryBytes) {
      return Error{ErrorCode::kTooLarge, "an entry of the audit log is at most 65535 bytes long"};
    }
    bytes += 2 + entry.size();
  }
  if (entries.size() > kMaxBatchEntries || bytes > kMaxBatchBytes) {
    return Error{ErrorCode::kTooLarge, "too many entries for the audit log at once"};
  }
  return {};
}

Result<void> AuditLog::write_frame(std::string_view frame) {
  if (tail_bytes_ + frame.size() > kMaxTailBytes) {
    return Error{ErrorCode::kNoSpace, "there has long been no space for the audit log's bundles"};
  }
  if (auto written = write_text(*tail_, tail_bytes_, frame); !written) {
    if (written.error().code != ErrorCode::kNoSpace) return fail(written.error());
    if (auto cut = tail_->truncate(tail_bytes_); !cut) return fail_for_good(cut.error());
    return written;
  }
  if (auto synced = tail_->sync(); !synced) return fail_for_good(synced.error());
  tail_bytes_ += frame.size();
  return {};
}

/// The entries are durable already: when this fails, they stay in the tail for the next time.
void AuditLog::seal_bundles() {
  RightEdge edge = tree_.edge;
  if (auto written = write_bundles(edge); !written) {
    static_cast<void>(fail(written.error()));
    return;
  }
  static_cast<void>(put_tail_in_place(std::move(edge)));
}

/// Bundles and tiles behind the right edge's are nobody's yet: what a crash has left there, or a
/// sync that failed, is written anew.
Result<void> AuditLog::write_bundles(RightEdge& edge) {
  const std::uint64_t end = frontier_.size() / kTileWidth;
  for (std::uint64_t index = edge.size / kTileWidth; index < end; ++index) {
    if (auto written = write_bundle(index, edge); !written) return written;
  }
  return {};
}

Result<void> AuditLog::write_bundle(std::uint64_t index, RightEdge& edge) {
  std::set<std::string> directories;
  const auto write = [&](const std::string& path, std::string_view bytes) -> Result<void> {
    if (auto made = create_parents(storage_, path); !made) return made;
    add_directories(path, directories);
    return write_over(storage_, path, bytes);
  };
  const std::size_t begin = index * kTileWidth - tree_.edge.size;
  std::string bundle;
  for (std::size_t i = begin; i < begin + kTileWidth; ++i)
    append_entry(bundle, entries_[i]);
  if (auto written = write(bundle_path(index), bundle); !written) return written;

  std::vector<Hash> hashes(tree_.leaves.begin() + static_cast<std::ptrdiff_t>(begin),
                           tree_.leaves.begin() + static_cast<std::ptrdiff_t>(begin + kTileWidth));
  for (unsigned level = 0;; ++level, index /= kTileWidth) {
    if (auto written = write(tile_path(level, index), encode_tile(hashes)); !written) {
      return written;
    }
    std::vector<Hash>& above = edge.levels[level + 1];
    above.push_back(root_over(hashes));
    if (above.size() < kTileWidth) break;
    hashes = std::exchange(above, {});
  }
  edge.size += kTileWidth;
  for (const std::string& directory : directories) {
    if (auto synced = storage_.sync_directory(directory); !synced) {
      return fail_for_good(synced.error());
    }
  }
  return {};
}

Result<void> AuditLog::put_tail_in_place(RightEdge edge) {
  const auto moved = static_cast<std::ptrdiff_t>(edge.size - tree_.edge.size);
  const auto left = std::span<const std::string>(entries_).subspan(static_cast<std::size_t>(moved));
  std::string bytes = encode_tail_header(origin_, edge);
  if (!left.empty()) bytes += encode_frame(edge.size, left, frontier_.root());
  const std::string path(kTailPath);
  if (auto written = write_beside(storage_, path, bytes); !written) return fail(written.error());
  if (auto placed = put_in_place(storage_, path); !placed) return fail_for_good(placed.error());
  auto file = storage_.open(path, io::OpenMode::kReadWrite);
  if (!file) return fail_for_good(file.error());
  tail_ = std::move(*file);
  tail_bytes_ = bytes.size();
  tree_.edge = std::move(edge);
  tree_.leaves.erase(tree_.leaves.begin(), tree_.leaves.begin() + moved);
  entries_.erase(entries_.begin(), entries_.begin() + moved);
  return {};
}

/// The history comes first: so it holds every checkpoint that was ever the current one.
Result<void> AuditLog::checkpoint() {
  const std::lock_guard lock(mutex_);
  if (failure_) return refused();
  if (frontier_.size() == checkpoint_.size) return {};
  Checkpoint next{origin_, frontier_.size(), frontier_.root()};
  std::string note = signer_.sign(next.text());
  if (auto written = write_note(note); !written) return written;
  const std::string path(kCheckpointPath);
  if (auto written = write_beside(storage_, path, note); !written) return fail(written.error());
  if (auto placed = put_in_place(storage_, path); !placed) return fail_for_good(placed.error());
  history_bytes_ += note.size();
  checkpoint_ = std::move(next);
  checkpoint_note_ = std::move(note);
  return {};
}

/// Over what is left of one that did not come to be the current one.
Result<void> AuditLog::write_note(std::string_view note) {
  auto cut = history_->truncate(history_bytes_);
  if (!cut) return fail_for_good(cut.error());
  if (auto written = write_text(*history_, history_bytes_, note); !written) {
    return fail(written.error());
  }
  if (auto synced = history_->sync(); !synced) return fail_for_good(synced.error());
  return {};
}

Error AuditLog::refused() const {
  return {
      failure_->code,
      "the audit log takes no entries since a write failed, until the store is started again (" +
          failure_->message + ")",
      failure_->os_error};
}

Error AuditLog::fail(Error error) {
  if (error.code == ErrorCode::kNoSpace) return error;
  return fail_for_good(std::move(error));
}

Error AuditLog::fail_for_good(Error error) {
  if (!failure_) failure_ = error;
  return error;
}

std::uint64_t AuditLog::size() const {
  const std::lock_guard lock(mutex_);
  return frontier_.size();
}

Hash AuditLog::root() const {
  const std::lock_guard lock(mutex_);
  return frontier_.root();
}

Checkpoint AuditLog::last_checkpoint() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_;
}

std::string AuditLog::checkpoint_note() const {
  const std::lock_guard lock(mutex_);
  return checkpoint_note_;
}

std::optional<Error> AuditLog::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Result<std::string> AuditLog::entry(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index >= frontier_.size()) return not_reached(index, frontier_.size());
  if (index >= tree_.edge.size) return entries_[index - tree_.edge.size];
  const std::string path = bundle_path(index / kTileWidth);
  const auto bundle = read_file(storage_, path, kMaxBundleBytes);
  if (!bundle) return bundle.error();
  const auto leaf = tree_.subtree(0, index);
  if (!leaf) return leaf.error();
  const auto entries = parse_entries(*bundle);
  if (!entries || entries->size() != kTileWidth ||
      leaf_hash((*entries)[index % kTileWidth]) != *leaf) {
    return Error{ErrorCode::kCorrupt,
                 path + " does not hold the entry " + std::to_string(index) + " that was appended"};
  }
  return std::string((*entries)[index % kTileWidth]);
}

Result<std::vector<std::string>> AuditLog::entries_from(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index >= frontier_.size()) return not_reached(index, frontier_.size());
  if (index >= tree_.edge.size) {
    return std::vector<std::string>(
        entries_.begin() + static_cast<std::ptrdiff_t>(index - tree_.edge.size), entries_.end());
  }
  const std::string path = bundle_path(index / kTileWidth);
  const auto bundle = read_file(storage_, path, kMaxBundleBytes);
  if (!bundle) return bundle.error();
  const auto root = tree_.subtree(kTileHeight, index / kTileWidth);
  if (!root) return root.error();
  const auto entries = parse_entries(*bundle);
  std::vector<Hash> hashes;
  for (const std::string_view entry : entries.value_or(std::vector<std::string_view>{}))
    hashes.push_back(leaf_hash(entry));
  if (hashes.size() != kTileWidth || root_over(hashes) != *root) {
    return Error{ErrorCode::kCorrupt, path + " does not hold the entries that were appended"};
  }
  return std::vector<std::string>(
      entries->begin() + static_cast<std::ptrdiff_t>(index % kTileWidth), entries->end());
}

Result<InclusionProof> AuditLog::prove(std::uint64_t index, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (size > frontier_.size()) return not_reached(size - 1, frontier_.size());
  if (index >= size) return not_reached(index, size);
  auto path = inclusion_path(tree_, index, size);
  if (!path) return path.error();
  const auto root = tree_root(tree_, size);
  if (!root) return root.error();
  return InclusionProof{index, size, *root, std::move(*path)};
}

Result<std::vector<Hash>> AuditLog::prove_consistency(std::uint64_t first, std::uint64_t second) {
  const std::lock_guard lock(mutex_);
  if (second > frontier_.size()) return not_reached(second - 1, frontier_.size());
  if (first > second) {
    return Error{ErrorCode::kInvalidArgument, "the first tree is the smaller one"};
  }
  return consistency_path(tree_, first, second);
}

Result<std::string> AuditLog::receipt(std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  if (index >= checkpoint_.size) {
    return Error{ErrorCode::kNotFound,
                 "entry " + std::to_string(index) + " is not under a signed checkpoint yet"};
  }
  auto path = inclusion_path(tree_, index, checkpoint_.size);
  if (!path) return path.error();
  return LogProof{{}, index, std::move(*path), checkpoint_note_}.text();
}

}  // namespace kachel::audit
