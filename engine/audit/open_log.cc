// How the log is made, and how it is found again after whatever befell it.
#include <algorithm>

#include "engine/audit/audit_log.h"
#include "engine/audit/files.h"
#include "engine/audit/history.h"
#include "engine/audit/text.h"
#include "io/check.h"

namespace kachel::audit {
namespace {

// What of the history is looked at: the current checkpoint, one behind it, and remains.
constexpr std::size_t kHistoryEndBytes = 4 * kMaxCheckpointBytes;

Error corrupt(std::string message) {
  return {ErrorCode::kCorrupt, std::move(message)};
}

Result<std::unique_ptr<io::File>> open_file(io::Storage& storage, std::string_view path) {
  auto file = storage.open(path, io::OpenMode::kReadWrite);
  if (!file && file.error().code == ErrorCode::kNotFound) {
    return corrupt(std::string(path) + " is missing: the audit log was damaged or tampered with");
  }
  return file;
}

/// A file that is a line of text; kNotFound.
Result<std::string> read_line(io::Storage& storage, std::string_view path) {
  auto text = read_file(storage, std::string(path), kMaxKeyFileBytes);
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

/// Whether there was a log whose checkpoint is gone, and not only a creation cut short.
Result<bool> holds_entries(io::Storage& storage, const std::string& origin) {
  auto has_tiles = storage.exists("audit/tile");
  if (!has_tiles || *has_tiles) return has_tiles;
  const auto bytes = read_file(storage, std::string(kTailPath), kMaxTailBytes);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::kNotFound) return false;
    return bytes.error();
  }
  const auto tail = parse_tail(*bytes, origin);
  if (!tail) return tail.error();
  return tail->frontier.size() > 0 || tail->torn_bytes > 0;
}

/// Writes the bytes over themselves: after a sync that failed the kernel counts pages as written
/// that are not, and would not write them for another sync.
Result<void> write_again(io::File& file, std::uint64_t offset, std::string_view bytes) {
  auto written = write_text(file, offset, bytes);
  if (!written && written.error().code != ErrorCode::kNoSpace) return written;
  return file.sync();
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(io::Storage& storage, std::string origin,
                                                 io::Random& random) {
  if (auto made = storage.create_directory(kDirectory); !made) return made.error();
  const auto is_made = storage.exists(kCheckpointPath);
  if (!is_made) return is_made.error();
  if (!*is_made) {
    const auto holds = holds_entries(storage, origin);
    if (!holds) return holds.error();
    if (*holds) {
      return corrupt(std::string(kCheckpointPath) +
                     " is missing though the audit log has entries: restore it from a copy");
    }
  }
  auto signer = load_or_make_key(storage, origin, random, *is_made);
  if (!signer) return signer.error();
  auto log = std::unique_ptr<AuditLog>(
      new AuditLog(storage, std::move(origin), std::move(*signer), !*is_made));
  if (log->created_) {
    if (auto created = log->create(); !created) return created.error();
  }
  if (auto loaded = log->load(); !loaded) return loaded.error();
  return log;
}

Result<Signer> AuditLog::load_or_make_key(io::Storage& storage, const std::string& origin,
                                          io::Random& random, bool is_made) {
  const auto text = read_line(storage, kSigningKeyPath);
  if (!text && text.error().code == ErrorCode::kNotFound && !is_made) {
    auto signer = Signer::generate(origin, random);
    if (!signer) return signer;
    auto written = replace_file(storage, std::string(kSigningKeyPath), signer->text() + "\n",
                                io::OpenMode::kCreateKey);
    if (!written) return written.error();
    return signer;
  }
  if (!text && text.error().code != ErrorCode::kNotFound) return text.error();
  auto signer = text ? Signer::parse(*text) : Result<Signer>(text.error());
  if (!signer) {
    return Error{ErrorCode::kKeyMissing, std::string(kSigningKeyPath) +
                                             " is missing or damaged: restore it from a backup; "
                                             "without it the audit log cannot be signed"};
  }
  if (signer->verifier_key().name != origin) {
    return Error{ErrorCode::kForeign, std::string(kSigningKeyPath) + " is the key of the log " +
                                          signer->verifier_key().name + ", not of " + origin};
  }
  return signer;
}

/// The checkpoint comes last: with it, the log exists. What an earlier try has left is made anew,
/// but for the key.
Result<void> AuditLog::create() {
  const std::string key_line = verifier_key().text() + "\n";
  if (auto put = replace_file(storage_, std::string(kVerifierKeyPath), key_line); !put) return put;
  const std::string header = encode_tail_header(origin_, {});
  if (auto put = replace_file(storage_, std::string(kTailPath), header); !put) return put;
  const std::string note = signer_.sign(Checkpoint{origin_, 0, empty_root()}.text());
  if (auto put = replace_file(storage_, std::string(kHistoryPath), note); !put) return put;
  if (auto synced = storage_.sync_directory(""); !synced) return synced;
  return replace_file(storage_, std::string(kCheckpointPath), note);
}

Result<void> AuditLog::load() {
  const auto key_line = read_line(storage_, kVerifierKeyPath);
  if (!key_line && key_line.error().code != ErrorCode::kNotFound) return key_line.error();
  if (!key_line || *key_line != verifier_key().text()) {
    return corrupt(std::string(kVerifierKeyPath) + " does not hold the public key of " +
                   std::string(kSigningKeyPath));
  }
  if (auto loaded = load_tail(); !loaded) return loaded;
  if (auto loaded = load_checkpoints(); !loaded) return loaded;
  if (auto checked = check_newest_bundle(); !checked) return checked;
  // Names that a start on the same boot sees may not be durable yet.
  if (auto synced = storage_.sync_directory(kDirectory); !synced) return synced;
  if (entries_.size() >= kTileWidth) seal_bundles();
  return {};
}

Result<void> AuditLog::load_tail() {
  auto file = open_file(storage_, kTailPath);
  if (!file) return file.error();
  tail_ = std::move(*file);
  const auto bytes = read_file(storage_, std::string(kTailPath), kMaxTailBytes + kMaxBatchBytes);
  if (!bytes) return bytes.error();
  auto tail = parse_tail(*bytes, origin_);
  if (!tail) return tail.error();
  if (tail->is_damaged) {
    return corrupt(std::string(kTailPath) + " is damaged: entries from " +
                   std::to_string(tail->frontier.size()) +
                   " on are not what was appended, though later ones are whole");
  }
  tree_.edge = std::move(tail->edge);
  tree_.leaves = std::move(tail->leaves);
  entries_ = std::move(tail->entries);
  frontier_ = std::move(tail->frontier);
  tail_bytes_ = tail->whole_bytes;
  torn_bytes_ = tail->torn_bytes;
  return {};
}

Result<void> AuditLog::load_checkpoints() {
  const auto note = read_file(storage_, std::string(kCheckpointPath), kMaxCheckpointBytes);
  if (!note) return note.error();
  auto current = open_checkpoint(*note, verifier_key(), origin_);
  if (!current) {
    if (current.error().code == ErrorCode::kForeign) return current.error();
    return corrupt(std::string(kCheckpointPath) + " is damaged: " + current.error().message);
  }
  auto file = open_file(storage_, kHistoryPath);
  if (!file) return file.error();
  history_ = std::move(*file);
  const auto bytes = history_->size();
  if (!bytes) return bytes.error();
  const std::uint64_t begin = *bytes - std::min<std::uint64_t>(*bytes, kHistoryEndBytes);
  const auto end_bytes = read_range(*history_, begin, *bytes - begin);
  if (!end_bytes) return end_bytes.error();
  auto end = read_history_end(*end_bytes, *note, verifier_key(), origin_);
  if (!end) return end.error();
  checkpoint_ = *open_checkpoint(end->newest, verifier_key(), origin_);
  checkpoint_note_ = std::move(end->newest);
  for (const Checkpoint* checkpoint : {&*current, &checkpoint_}) {
    if (auto checked = check_against(*checkpoint); !checked) return checked;
  }

  const auto tail = read_range(*tail_, 0, tail_bytes_);
  if (!tail) return tail.error();
  if (auto settled = settle_tail(*tail); !settled) return settled;
  history_bytes_ = begin + end->whole_bytes;
  auto settled =
      settle_history(std::string_view(*end_bytes).substr(0, end->whole_bytes), end->whole_bytes);
  if (!settled || checkpoint_note_ == *note) return settled;
  auto put = replace_file(storage_, std::string(kCheckpointPath), checkpoint_note_);
  if (!put && put.error().code == ErrorCode::kNoSpace) return {};  // the history holds it
  return put;
}

Result<void> AuditLog::check_against(const Checkpoint& checkpoint) {
  const std::uint64_t size = frontier_.size();
  if (checkpoint.size > size) {
    return corrupt("the audit log has lost the entries " + std::to_string(size) + " to " +
                   std::to_string(checkpoint.size - 1) +
                   ", which a signed checkpoint covers: restore " + std::string(kTailPath) +
                   " from a copy");
  }
  const auto root = tree_root(tree_, checkpoint.size);
  if (!root) return root.error();
  if (*root == checkpoint.root) return {};
  return corrupt("the audit log's entries before " + std::to_string(checkpoint.size) +
                 " are not those that its signed checkpoint covers");
}

/// Enough to see that files were left out of a copy; all of them is verify_all's part.
Result<void> AuditLog::check_newest_bundle() {
  if (tree_.edge.size == 0) return {};
  const auto leaf = tree_.subtree(0, tree_.edge.size - 1);
  if (!leaf) return leaf.error();
  const std::string path = bundle_path(tree_.edge.size / kTileWidth - 1);
  const auto is_there = storage_.exists(path);
  if (!is_there) return is_there.error();
  if (*is_there) return {};
  return corrupt(path + " is missing, and its 256 entries with it");
}

Result<void> AuditLog::settle_tail(std::string_view whole) {
  if (torn_bytes_ > 0) {
    if (auto cut = tail_->truncate(tail_bytes_); !cut) return cut;
  }
  return write_again(*tail_, 0, whole);
}

Result<void> AuditLog::settle_history(std::string_view end, std::size_t whole_bytes) {
  if (auto cut = history_->truncate(history_bytes_); !cut) return cut;
  return write_again(*history_, history_bytes_ - whole_bytes, end);
}

}  // namespace kachel::audit
