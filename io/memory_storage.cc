#include "io/memory_storage.h"

#include <cerrno>
#include <mutex>
#include <set>

#include "io/memory_tree.h"
#include "io/storage_path.h"

namespace kachel::io {

/// What a MemoryStorage, its open files and its locks share.
struct MemoryState {
  std::mutex mutex;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;  // declared before the tree, whose files give back to it
  std::uint64_t crashes = 0;     // a handle or lock from before the last one is dead
  std::shared_ptr<MemoryDirectory> root = std::make_shared<MemoryDirectory>();
  std::set<std::string, std::less<>> locks;

  MemoryDirectory* find_directory(const std::vector<std::string_view>& components,
                                  std::size_t count);
  Result<MemoryDirectory*> directory(std::string_view path);

  struct Place {
    MemoryDirectory* parent;
    std::string name;
  };
  /// The directory that `path` is or would be in.
  Result<Place> place(std::string_view path);
  /// An existing entry.
  Result<MemoryNode> node(std::string_view path);
  void crash(CrashOutcome& outcome);
};

namespace {

Error dead_handle() {
  return os_error(EIO, "a file opened before the crash");
}

}  // namespace

MemoryDirectory* MemoryState::find_directory(const std::vector<std::string_view>& components,
                                             std::size_t count) {
  MemoryDirectory* at = root.get();
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = at->entries().find(components[i]);
    if (found == at->entries().end() || found->second.directory == nullptr) return nullptr;
    at = found->second.directory.get();
  }
  return at;
}

Result<MemoryDirectory*> MemoryState::directory(std::string_view path) {
  const auto components = split_directory_path(path);
  if (!components) return components.error();
  MemoryDirectory* found = find_directory(*components, components->size());
  if (found == nullptr) return os_error(ENOENT, "opening the directory " + std::string(path));
  return found;
}

Result<MemoryState::Place> MemoryState::place(std::string_view path) {
  const auto components = split_file_path(path);
  if (!components) return components.error();
  MemoryDirectory* parent = find_directory(*components, components->size() - 1);
  if (parent == nullptr) return os_error(ENOENT, "looking for " + std::string(path));
  return Place{parent, std::string(components->back())};
}

Result<MemoryNode> MemoryState::node(std::string_view path) {
  const auto where = place(path);
  if (!where) return where.error();
  const auto found = where->parent->entries().find(where->name);
  if (found == where->parent->entries().end()) {
    return os_error(ENOENT, "looking for " + std::string(path));
  }
  return found->second;
}

void MemoryState::crash(CrashOutcome& outcome) {
  const std::lock_guard lock(mutex);
  ++crashes;
  locks.clear();
  MemoryNodes seen;
  root->crash(outcome, seen);
}

/// A handle. Every call takes the storage's lock and fails once the storage has crashed.
class MemoryFile final : public ForgetfulFile {
 public:
  MemoryFile(std::shared_ptr<MemoryState> state, std::shared_ptr<MemoryFileData> data,
             bool writable)
      : state_(std::move(state)),
        data_(std::move(data)),
        opened_at_(state_->crashes),
        writable_(writable) {
    data_->add_user();
  }
  ~MemoryFile() override {
    const std::lock_guard lock(state_->mutex);
    if (!is_dead()) data_->drop_user();
    data_.reset();
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return dead_handle();
    return data_->size();
  }
  Result<void> reserve(std::uint64_t bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (auto checked = check_writable(); !checked) return checked;
    return charge(bytes);
  }
  Result<void> truncate(std::uint64_t bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (auto checked = check_writable(); !checked) return checked;
    if (auto charged = charge(bytes); !charged) return charged;
    data_->truncate(bytes);
    return {};
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return dead_handle();
    return data_->read(offset, out);
  }
  Result<void> write_at(std::uint64_t offset, std::span<iovec> parts) override;
  Result<void> sync() override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return dead_handle();
    data_->sync();
    return {};
  }
  void prefetch(std::uint64_t, std::uint64_t) const override {}  // it is all there

  void drop_cache(std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(state_->mutex);
    if (!is_dead()) data_->drop_cache(offset, length);
  }
  void fail_sync(CrashOutcome& outcome) override {
    const std::lock_guard lock(state_->mutex);
    if (!is_dead()) data_->fail_sync(outcome);
  }

 private:
  bool is_dead() const { return opened_at_ != state_->crashes; }
  Result<void> check_writable() const {
    if (is_dead()) return dead_handle();
    if (!writable_) return os_error(EBADF, "writing to a file opened to read");
    return {};
  }
  Result<void> charge(std::uint64_t bytes) {
    if (data_->cost_of(bytes) > state_->capacity_bytes - state_->used_bytes) {
      return os_error(ENOSPC, "writing to the memory storage");
    }
    data_->charge(bytes);
    return {};
  }

  const std::shared_ptr<MemoryState> state_;
  std::shared_ptr<MemoryFileData> data_;
  const std::uint64_t opened_at_;
  const bool writable_;
};

Result<void> MemoryFile::write_at(std::uint64_t offset, std::span<iovec> parts) {
  const std::lock_guard lock(state_->mutex);
  if (auto checked = check_writable(); !checked) return checked;
  for (const iovec& part : parts) {
    if (part.iov_len == 0) continue;
    if (auto charged = charge(offset + part.iov_len); !charged) return charged;
    data_->write(offset, {static_cast<const std::byte*>(part.iov_base), part.iov_len});
    offset += part.iov_len;
  }
  return {};
}

class MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(std::shared_ptr<MemoryState> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), taken_at_(state_->crashes) {}
  ~MemoryLock() override {
    const std::lock_guard lock(state_->mutex);
    if (taken_at_ == state_->crashes) state_->locks.erase(path_);
  }

 private:
  const std::shared_ptr<MemoryState> state_;
  const std::string path_;
  const std::uint64_t taken_at_;
};

MemoryStorage::MemoryStorage(const MemoryStorageOptions& options)
    : state_(std::make_shared<MemoryState>()) {
  state_->capacity_bytes = options.capacity_bytes;
}

MemoryStorage::~MemoryStorage() = default;

void MemoryStorage::crash() {
  LoseAll all;
  state_->crash(all);
}

void MemoryStorage::crash(CrashOutcome& outcome) {
  state_->crash(outcome);
}

void MemoryStorage::evict(CrashOutcome& outcome) {
  const std::lock_guard lock(state_->mutex);
  MemoryNodes seen;
  state_->root->evict(outcome, seen);
}

std::unique_ptr<MemoryStorage> MemoryStorage::clone() const {
  const std::lock_guard lock(state_->mutex);
  auto state = std::make_shared<MemoryState>();
  state->capacity_bytes = state_->capacity_bytes;
  MemoryNodes seen;
  state->root = state_->root->clone(state->used_bytes, seen);
  return std::unique_ptr<MemoryStorage>(new MemoryStorage(std::move(state)));
}

void MemoryStorage::view(const Viewer& see) const {
  const std::lock_guard lock(state_->mutex);
  MemoryNumbers numbers;
  state_->root->view(see, numbers);
}

Result<std::unique_ptr<File>> MemoryStorage::open(std::string_view path, OpenMode mode) {
  const std::lock_guard lock(state_->mutex);
  const auto where = state_->place(path);
  if (!where) return where.error();
  const auto found = where->parent->entries().find(where->name);
  const bool there = found != where->parent->entries().end();
  if (creates(mode)) {
    if (there) return os_error(EEXIST, "creating " + std::string(path));
    auto data = std::make_shared<MemoryFileData>(state_->used_bytes);
    where->parent->add(where->name, MemoryNode{data, nullptr});
    return std::make_unique<MemoryFile>(state_, std::move(data), true);
  }
  if (!there) return os_error(ENOENT, "opening " + std::string(path));
  if (found->second.file == nullptr) return os_error(EISDIR, "opening " + std::string(path));
  return std::make_unique<MemoryFile>(state_, found->second.file, mode == OpenMode::kReadWrite);
}

Result<void> MemoryStorage::remove(std::string_view path) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->node(path);
  if (!node) return node.error();
  if (node->file == nullptr) return os_error(EISDIR, "removing " + std::string(path));
  const auto where = state_->place(path);
  where->parent->remove(where->name);
  return {};
}

Result<void> MemoryStorage::rename(std::string_view from, std::string_view to) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->node(from);
  if (!node) return node.error();
  const auto target = state_->place(to);
  if (!target) return target.error();
  const auto source = state_->place(from);
  const auto existing = target->parent->entries().find(target->name);
  if (existing != target->parent->entries().end()) {
    const auto& directory = existing->second.directory;
    if ((directory != nullptr) != (node->directory != nullptr)) {
      return os_error(directory != nullptr ? EISDIR : ENOTDIR, "renaming to " + std::string(to));
    }
    if (directory != nullptr && directory != node->directory && !directory->entries().empty()) {
      return os_error(ENOTEMPTY, "renaming to " + std::string(to));
    }
  }
  if (source->parent == target->parent) {
    target->parent->rename(source->name, target->name);
  } else {
    target->parent->add(target->name, *node);
    source->parent->remove(source->name);
  }
  return {};
}

Result<void> MemoryStorage::link(std::string_view from, std::string_view to) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->node(from);
  if (!node) return node.error();
  if (node->file == nullptr) return os_error(EPERM, "linking " + std::string(from));
  const auto target = state_->place(to);
  if (!target) return target.error();
  if (target->parent->entries().contains(target->name)) {
    return os_error(EEXIST, "linking to " + std::string(to));
  }
  target->parent->add(target->name, *node);
  return {};
}

Result<bool> MemoryStorage::exists(std::string_view path) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->node(path);
  if (node) return true;
  if (node.error().code == ErrorCode::kNotFound) return false;
  return node.error();
}

Result<void> MemoryStorage::create_directory(std::string_view path) {
  const std::lock_guard lock(state_->mutex);
  const auto where = state_->place(path);
  if (!where) return where.error();
  const auto found = where->parent->entries().find(where->name);
  if (found == where->parent->entries().end()) {
    where->parent->add(where->name, MemoryNode{nullptr, std::make_shared<MemoryDirectory>()});
  } else if (found->second.directory == nullptr) {
    return os_error(EEXIST, "creating the directory " + std::string(path));
  }
  return {};
}

Result<void> MemoryStorage::remove_tree(std::string_view path) {
  const std::lock_guard lock(state_->mutex);
  const auto where = state_->place(path);
  if (!where && where.error().code == ErrorCode::kNotFound) return {};
  if (!where) return where.error();
  if (where->parent->entries().contains(where->name)) where->parent->remove(where->name);
  return {};
}

Result<std::vector<std::string>> MemoryStorage::list(std::string_view directory) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->directory(directory);
  if (!found) return found.error();
  std::vector<std::string> names;
  for (const auto& [name, node] : (*found)->entries())
    names.push_back(name);
  return names;
}

Result<void> MemoryStorage::sync_directory(std::string_view directory) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->directory(directory);
  if (!found) return found.error();
  (*found)->sync();
  return {};
}

Result<std::unique_ptr<DirectoryLock>> MemoryStorage::lock(std::string_view path) {
  const std::lock_guard guard(state_->mutex);
  const auto where = state_->place(path);
  if (!where) return where.error();
  if (!state_->locks.emplace(path).second) {
    return Error{ErrorCode::kLocked, std::string(path) + " is locked by another process"};
  }
  if (!where->parent->entries().contains(where->name)) {
    where->parent->add(where->name,
                       MemoryNode{std::make_shared<MemoryFileData>(state_->used_bytes), nullptr});
  }
  return std::make_unique<MemoryLock>(state_, std::string(path));
}

Result<SpaceInfo> MemoryStorage::space() {
  const std::lock_guard lock(state_->mutex);
  return SpaceInfo{state_->capacity_bytes, state_->capacity_bytes - state_->used_bytes};
}

}  // namespace kachel::io
