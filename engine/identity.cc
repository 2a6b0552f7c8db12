#include "engine/identity.h"

#include <algorithm>
#include <vector>

#include "engine/format/snapshot_manifest.h"

namespace kachel {
namespace {

constexpr std::string_view kSuperblockPath = "superblock";
constexpr std::string_view kNewSuperblockPath = "superblock.new";
constexpr std::string_view kKeyPath = "key";
constexpr std::string_view kDirectories[] = {"segments", "index"};
// How far the limits on disk run ahead, and how close the numbers may come before they are
// raised: far more than one batch can take.
constexpr std::uint64_t kSequenceStep = std::uint64_t{1} << 24;
constexpr std::uint64_t kSequenceMargin = std::uint64_t{1} << 20;
constexpr std::uint64_t kSegmentIdStep = 1024;
constexpr std::uint64_t kSegmentIdMargin = 64;
// What a clock set back could un-expire after a crash.
constexpr std::int64_t kWallStepMs = 60'000;

Result<void> write_all(io::File& file, std::uint64_t offset, std::vector<std::byte>& bytes) {
  iovec part{bytes.data(), bytes.size()};
  return file.write_at(offset, std::span(&part, 1));
}

Result<std::vector<std::byte>> read_all(io::File& file, std::size_t at_most) {
  std::vector<std::byte> bytes(at_most);
  auto got = file.read_at(0, bytes);
  if (!got) return got.error();
  bytes.resize(*got);
  return bytes;
}

/// Whether it hinders the creation of a store: not what a creation that was cut short has left,
/// nor a key without a superblock. A store is never made over segments or an index.
bool hinders(io::Storage& storage, const std::string& name) {
  if (name == "LOCK" || name == "lost+found") return false;
  if (name == kKeyPath || name == kNewSuperblockPath) return false;
  if (std::find(std::begin(kDirectories), std::end(kDirectories), name) == std::end(kDirectories)) {
    return true;
  }
  const auto within = storage.list(name);
  return !within || !within->empty();
}

}  // namespace

std::array<std::byte, 16> boot_id_bytes(const std::string& boot_id) {
  std::array<std::byte, 16> bytes{};
  std::size_t digits = 0;
  for (const char c : boot_id) {
    unsigned value = static_cast<unsigned char>(c) & 0xfu;
    if (c >= 'a' && c <= 'f') value = static_cast<unsigned>(c - 'a') + 10;
    std::byte& at = bytes[digits / 2 % bytes.size()];
    at =
        std::byte{static_cast<unsigned char>((std::to_integer<unsigned>(at) << 4 ^ value) & 0xffu)};
    ++digits;
  }
  return bytes;
}

Result<std::unique_ptr<Identity>> Identity::open(io::Storage& storage, const io::Clock& clock,
                                                 io::Random& random, bool create_if_missing) {
  auto identity = std::unique_ptr<Identity>(new Identity(storage));
  auto is_snapshot = storage.exists(format::kSnapshotManifestName);
  if (!is_snapshot) return is_snapshot.error();
  if (*is_snapshot) {
    return Error{ErrorCode::kInvalidArgument,
                 "this is a snapshot, which must stay as it is: make a store of it with `kachel "
                 "restore SNAPSHOT --data DIR`"};
  }
  auto is_store = storage.exists(kSuperblockPath);
  if (!is_store) return is_store.error();
  if (!*is_store) {
    const auto is_unfinished = storage.exists(format::kUnfinishedCopyName);
    if (is_unfinished && *is_unfinished) {
      return Error{
          ErrorCode::kForeign,
          "this is a copy of a store that is not complete (it has the file "
          "'unfinished-copy'): run the same `kachel clone` or `kachel restore` again, which "
          "goes on where it was"};
    }
    if (!create_if_missing) return Error{ErrorCode::kNotFound, "no store here (no superblock)"};
    auto names = storage.list("");
    if (!names) return names.error();
    const auto foreign = std::find_if(names->begin(), names->end(),
                                      [&](const auto& name) { return hinders(storage, name); });
    if (foreign != names->end()) {
      return Error{ErrorCode::kForeign,
                   "the directory is not empty and holds no Kachel store (found '" + *foreign +
                       "'); choose an empty directory"};
    }
  }
  auto lock = storage.lock("LOCK");
  if (!lock) return lock.error();
  identity->lock_ = std::move(*lock);
  if (!*is_store) {
    if (auto made = identity->create(clock, random); !made) return made.error();
  }
  if (auto loaded = identity->load(); !loaded) return loaded.error();
  return identity;
}

Result<void> Identity::create(const io::Clock& clock, io::Random& random) {
  created_ = true;
  superblock_ = {};
  random.fill(superblock_.store_id);
  superblock_.created_ms = clock.wall_ms();
  superblock_.state = format::StoreState::kClean;
  key_.store_id = superblock_.store_id;
  random.fill(key_.mac_key);

  if (auto removed = storage_.remove(kKeyPath);
      !removed && removed.error().code != ErrorCode::kNotFound) {
    return removed;
  }
  auto key_file = storage_.open(kKeyPath, io::OpenMode::kCreateKey);
  if (!key_file) return key_file.error();
  std::vector<std::byte> bytes = format::encode_key_file(key_);
  if (auto written = write_all(**key_file, 0, bytes); !written) return written;
  if (auto synced = (*key_file)->sync(); !synced) return synced;
  for (const std::string_view directory : kDirectories) {
    if (auto made = storage_.create_directory(directory); !made) return made;
  }
  if (auto synced = storage_.sync_directory(""); !synced) return synced;

  // The superblock comes last and appears whole, by rename: with it, the store exists.
  if (auto removed = storage_.remove(kNewSuperblockPath);
      !removed && removed.error().code != ErrorCode::kNotFound) {
    return removed;
  }
  auto file = storage_.open(kNewSuperblockPath, io::OpenMode::kCreate);
  if (!file) return file.error();
  file_ = std::move(*file);
  if (auto written = write(); !written) return written;
  file_.reset();
  if (auto renamed = storage_.rename(kNewSuperblockPath, kSuperblockPath); !renamed) return renamed;
  return storage_.sync_directory("");
}

Result<void> Identity::load() {
  auto file = storage_.open(kSuperblockPath, io::OpenMode::kReadWrite);
  if (!file) return file.error();
  file_ = std::move(*file);
  auto bytes = read_all(*file_, 2 * format::kSuperblockCopyBytes);
  if (!bytes) return bytes.error();
  auto superblock = format::decode_superblock(*bytes);
  if (!superblock) return superblock.error();
  superblock_ = *superblock;
  const auto second = format::decode_superblock(
      std::span(*bytes).subspan(std::min(bytes->size(), format::kSuperblockCopyBytes)));
  whole_copy_ = second && second->generation == superblock_.generation ? 1 : 0;

  auto key_file = storage_.open(kKeyPath, io::OpenMode::kRead);
  if (!key_file) {
    if (key_file.error().code != ErrorCode::kNotFound) return key_file.error();
    return Error{ErrorCode::kKeyMissing,
                 "the store's key file ('key') is missing: restore it from a backup; without it "
                 "no entry can be found"};
  }
  auto key_bytes = read_all(**key_file, format::kKeyFileBytes + 1);
  if (!key_bytes) return key_bytes.error();
  auto key = format::decode_key_file(*key_bytes, superblock_.store_id);
  if (!key) return Error{ErrorCode::kKeyMissing, key.error().message};
  key_ = *key;
  return {};
}

std::string Identity::boot_id() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : superblock_.boot_id) {
    text.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(byte) & 0xfu]);
  }
  return text;
}

Result<void> Identity::begin(const std::string& boot_id, bool relaxed, std::uint64_t next_sequence,
                             std::uint64_t next_segment_id, std::int64_t wall_ms) {
  const std::lock_guard lock(mutex_);
  // A superblock beyond this could not be read again.
  if (next_sequence + kSequenceStep > format::kMaxNumber ||
      next_segment_id + kSegmentIdStep > format::kMaxNumber) {
    return Error{ErrorCode::kCorrupt,
                 "the store's sequences or segment ids are used up, which no store lives to see: "
                 "its superblock or a segment was tampered with; restore it from a backup"};
  }
  // The copy that is relied on while the other is written. A killed process may have left it whole
  // to read and still not on disk, and after a sync that has failed no other would write it.
  if (auto kept = write_copy(whole_copy_); !kept) return kept;
  superblock_.state = relaxed ? format::StoreState::kOpenRelaxed : format::StoreState::kOpen;
  superblock_.boot_id = boot_id_bytes(boot_id);
  superblock_.sequence_limit = next_sequence + kSequenceStep;
  superblock_.segment_id_limit = next_segment_id + kSegmentIdStep;
  superblock_.highest_wall_ms = wall_ms;
  return write();
}

Result<void> Identity::keep_ahead(std::uint64_t sequence, std::uint64_t segment_id,
                                  std::int64_t wall_ms) {
  const std::lock_guard lock(mutex_);
  if (superblock_.state == format::StoreState::kClean) return {};  // has ended meanwhile
  const bool enough = wall_ms < superblock_.highest_wall_ms + kWallStepMs &&
                      sequence + kSequenceMargin < superblock_.sequence_limit &&
                      segment_id + kSegmentIdMargin < superblock_.segment_id_limit;
  if (enough && is_written_) return {};
  superblock_.sequence_limit = std::max(superblock_.sequence_limit, sequence + kSequenceStep);
  superblock_.segment_id_limit =
      std::max(superblock_.segment_id_limit, segment_id + kSegmentIdStep);
  superblock_.highest_wall_ms = std::max(superblock_.highest_wall_ms, wall_ms);
  return write();
}

Result<void> Identity::end(std::uint64_t next_sequence, std::uint64_t next_segment_id,
                           std::int64_t wall_ms) {
  const std::lock_guard lock(mutex_);
  superblock_.state = format::StoreState::kClean;
  superblock_.sequence_limit = next_sequence;
  superblock_.segment_id_limit = next_segment_id;
  superblock_.highest_wall_ms = std::max(superblock_.highest_wall_ms, wall_ms);
  return write();
}

Result<void> Identity::end_doubt() {
  const std::lock_guard lock(mutex_);
  if (superblock_.doubtful_through == 0) return {};
  const format::Superblock before = superblock_;
  superblock_.doubtful_through = 0;
  superblock_.copied_ms = 0;
  auto written = write();
  if (!written) {  // the next write of either copy must not settle it
    superblock_.doubtful_through = before.doubtful_through;
    superblock_.copied_ms = before.copied_ms;
  }
  return written;
}

std::vector<std::byte> Identity::superblock_of_copy(std::uint64_t through,
                                                    std::uint64_t next_segment_id,
                                                    std::int64_t wall_ms) {
  const std::lock_guard lock(mutex_);
  format::Superblock copy = superblock_;
  copy.state = format::StoreState::kClean;
  copy.sequence_limit = through + 1;
  copy.segment_id_limit = next_segment_id;
  copy.highest_wall_ms = std::max(copy.highest_wall_ms, wall_ms);
  copy.doubtful_through = through;
  copy.copied_ms = through == 0 ? 0 : wall_ms;
  std::vector<std::byte> bytes;
  for (int i = 0; i < 2; ++i) {
    ++copy.generation;
    const std::vector<std::byte> one = format::encode_superblock_copy(copy);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

std::vector<std::byte> Identity::key_file() const {
  return format::encode_key_file(key_);
}

/// Over the copy first that could be spared: the other may be torn by a crash before this one.
Result<void> Identity::write() {
  ++superblock_.generation;
  is_written_ = false;  // when this fails the limits are not raised: the next call tries again
  const std::uint64_t last = whole_copy_;
  for (const std::uint64_t copy : {1 - last, last}) {
    if (auto written = write_copy(copy); !written) return written;
  }
  is_written_ = true;
  return {};
}

Result<void> Identity::write_copy(std::uint64_t copy) {
  std::vector<std::byte> bytes = format::encode_superblock_copy(superblock_);
  if (auto written = write_all(*file_, copy * format::kSuperblockCopyBytes, bytes); !written) {
    return written;
  }
  if (auto synced = file_->sync(); !synced) return synced;
  whole_copy_ = copy;
  return {};
}

}  // namespace kachel
