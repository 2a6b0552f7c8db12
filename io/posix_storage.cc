#include "io/posix_storage.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/descriptor.h"
#include "io/posix_file.h"
#include "io/storage_path.h"

namespace kachel::io {

namespace {

Error failed(const char* action, std::string_view path) {
  const int error_number = errno;
  return os_error(error_number, std::string(action) + " " + std::string(path));
}

class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(int fd) : descriptor_(fd) {}

 private:
  Descriptor descriptor_;  // an open file description lock goes with its last descriptor
};

constexpr std::size_t kHolderBytes = 16;

/// The process id that a lock's holder left in the file, 0 when there is none to read.
int read_holder(int fd) {
  std::array<char, kHolderBytes> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  int pid = 0;
  if (got > 0) std::from_chars(text.data(), text.data() + got, pid);
  return pid;
}

Error locked_by_another(std::string_view path, int holder) {
  std::string message(path);
  message += " is locked by another process";
  if (holder > 0) message += " (pid " + std::to_string(holder) + ")";
  return {ErrorCode::kLocked, std::move(message)};
}

class PosixStorage final : public Storage {
 public:
  PosixStorage(std::filesystem::path root, int root_fd, bool read_only)
      : root_(std::move(root)), root_fd_(root_fd), read_only_(read_only) {}

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> link(std::string_view from, std::string_view to) override;
  Result<bool> exists(std::string_view path) override;
  Result<void> create_directory(std::string_view path) override;
  Result<void> remove_tree(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> sync_directory(std::string_view directory) override;
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view path) override;
  Result<SpaceInfo> space() override;
  std::string native_root() const override { return root_.string(); }

 private:
  /// Checks the path; `writing`: also that the storage may be altered.
  Result<void> check(std::string_view path, bool writing) const;
  Result<int> open_directory(std::string_view directory) const;

  const std::filesystem::path root_;
  const Descriptor root_fd_;
  const bool read_only_;
};

Result<void> PosixStorage::check(std::string_view path, bool writing) const {
  if (const auto split = split_file_path(path); !split) return split.error();
  if (writing && read_only_) {
    return Error{ErrorCode::kPermission,
                 "the storage is open read-only; " + std::string(path) + " can't be altered"};
  }
  return {};
}

Result<std::unique_ptr<File>> PosixStorage::open(std::string_view path, OpenMode mode) {
  if (auto checked = check(path, mode != OpenMode::kRead); !checked) return checked.error();
  const std::string name(path);
  int flags = O_CLOEXEC | (mode == OpenMode::kRead ? O_RDONLY : O_RDWR);
  if (creates(mode)) flags |= O_CREAT | O_EXCL;
  const mode_t permissions = mode == OpenMode::kCreateKey ? 0600 : 0640;
  Descriptor buffered(::openat(root_fd_.get(), name.c_str(), flags, permissions));
  if (buffered.get() < 0) {
    return failed(creates(mode) ? "creating" : "opening", path);
  }
  struct stat status {};
  if (::fstat(buffered.get(), &status) != 0) return failed("opening", path);
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, name + " is not a regular file"};
  }
  // By way of the first descriptor, so that both are the same file whatever is renamed
  // meanwhile. Refused on tmpfs and some network file systems: then there is no second one.
  const std::string self = "/proc/self/fd/" + std::to_string(buffered.get());
  const int direct = ::open(self.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  return std::make_unique<PosixFile>(buffered.take(), direct, name);
}

Result<void> PosixStorage::remove(std::string_view path) {
  if (auto checked = check(path, true); !checked) return checked;
  if (::unlinkat(root_fd_.get(), std::string(path).c_str(), 0) != 0) {
    return failed("removing", path);
  }
  return {};
}

Result<void> PosixStorage::rename(std::string_view from, std::string_view to) {
  if (auto checked = check(from, true); !checked) return checked;
  if (auto checked = check(to, true); !checked) return checked;
  if (::renameat(root_fd_.get(), std::string(from).c_str(), root_fd_.get(),
                 std::string(to).c_str()) != 0) {
    return failed("renaming", from);
  }
  return {};
}

Result<void> PosixStorage::link(std::string_view from, std::string_view to) {
  if (auto checked = check(from, true); !checked) return checked;
  if (auto checked = check(to, true); !checked) return checked;
  if (::linkat(root_fd_.get(), std::string(from).c_str(), root_fd_.get(), std::string(to).c_str(),
               0) != 0) {
    return failed("linking", from);
  }
  return {};
}

Result<bool> PosixStorage::exists(std::string_view path) {
  if (auto checked = check(path, false); !checked) return checked.error();
  if (::faccessat(root_fd_.get(), std::string(path).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return true;
  }
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return failed("looking for", path);
}

Result<void> PosixStorage::create_directory(std::string_view path) {
  if (auto checked = check(path, true); !checked) return checked;
  const std::string name(path);
  if (::mkdirat(root_fd_.get(), name.c_str(), 0750) == 0) return {};
  const int error_number = errno;
  struct stat status {};
  if (error_number == EEXIST && ::fstatat(root_fd_.get(), name.c_str(), &status, 0) == 0 &&
      S_ISDIR(status.st_mode)) {
    return {};
  }
  return os_error(error_number, "creating the directory " + name);
}

Result<void> PosixStorage::remove_tree(std::string_view path) {
  if (auto checked = check(path, true); !checked) return checked;
  std::error_code error;
  std::filesystem::remove_all(root_ / path, error);
  if (error) return os_error(error.value(), "removing the directory " + std::string(path));
  return {};
}

Result<int> PosixStorage::open_directory(std::string_view directory) const {
  const auto split = split_directory_path(directory);
  if (!split) return split.error();
  const std::string name = split->empty() ? "." : std::string(directory);
  const int fd = ::openat(root_fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("opening the directory", name);
  return fd;
}

Result<std::vector<std::string>> PosixStorage::list(std::string_view directory) {
  const auto fd = open_directory(directory);
  if (!fd) return fd.error();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(*fd), ::closedir);
  if (stream == nullptr) {
    const Error error = failed("listing", directory);
    ::close(*fd);
    return error;
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return failed("listing", directory);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixStorage::sync_directory(std::string_view directory) {
  const auto fd = open_directory(directory);
  if (!fd) return fd.error();
  const Descriptor descriptor(*fd);
  if (::fsync(descriptor.get()) != 0) return failed("syncing the directory", directory);
  return {};
}

Result<std::unique_ptr<DirectoryLock>> PosixStorage::lock(std::string_view path) {
  if (auto checked = check(path, false); !checked) return checked.error();
  const int flags = O_CLOEXEC | (read_only_ ? O_RDONLY : O_RDWR | O_CREAT);
  Descriptor file(::openat(root_fd_.get(), std::string(path).c_str(), flags, 0640));
  if (file.get() < 0) return failed("opening the lock", path);

  struct flock request {};
  request.l_type = read_only_ ? F_RDLCK : F_WRLCK;
  request.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_OFD_SETLK, &request) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return locked_by_another(path, read_holder(file.get()));
    }
    return failed("locking", path);
  }
  if (!read_only_) {
    // Always of one size and in place: a full disk has no block for a file cut to nothing.
    std::string pid = std::to_string(::getpid());
    pid.resize(kHolderBytes - 1, ' ');
    pid += '\n';
    if (::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return failed("writing the lock", path);
    }
  }
  return std::make_unique<PosixLock>(file.take());
}

Result<SpaceInfo> PosixStorage::space() {
  struct statvfs status {};
  if (::fstatvfs(root_fd_.get(), &status) != 0) return failed("asking for space in", native_root());
  return SpaceInfo{status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize};
}

}  // namespace

Result<std::unique_ptr<Storage>> open_posix_storage(const std::filesystem::path& root,
                                                    const PosixStorageOptions& options) {
  if (options.create && ::mkdir(root.c_str(), 0750) != 0 && errno != EEXIST) {
    return failed("creating the directory", root.string());
  }
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("opening the directory", root.string());
  const int wanted = R_OK | X_OK | (options.read_only ? 0 : W_OK);
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(root, error);
  if (error || ::faccessat(fd, ".", wanted, AT_EACCESS) != 0) {
    Error refused = failed("opening the directory", root.string());
    ::close(fd);
    return refused;
  }
  return std::make_unique<PosixStorage>(absolute, fd, options.read_only);
}

}  // namespace kachel::io
