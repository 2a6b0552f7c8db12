// A file of the host's file system, as the queues need to see it. Internal to io/.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/closed_files.h"
#include "io/file.h"

namespace kachel::io {

class PosixFile final : public File {
 public:
  /// Takes both descriptors; `direct_fd` is -1 where O_DIRECT is refused. `path` is for
  /// messages.
  PosixFile(int buffered_fd, int direct_fd, std::string path);
  ~PosixFile() override;

  Result<std::uint64_t> size() const override;
  Result<void> reserve(std::uint64_t bytes) override;
  Result<void> truncate(std::uint64_t bytes) override;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override;
  Result<void> write_at(std::uint64_t offset, std::span<iovec> parts) override;
  Result<void> sync() override;
  void prefetch(std::uint64_t offset, std::uint64_t length) const override;
  void drop_cache(std::uint64_t offset, std::uint64_t length) override;

  /// Unique in this process for all time, unlike a descriptor or an address.
  std::uint64_t id() const { return id_; }
  int buffered_fd() const { return buffered_fd_; }
  /// What queue reads go through: the direct descriptor, or the buffered one without it.
  int read_fd() const { return direct_fd_ >= 0 ? direct_fd_ : buffered_fd_; }
  bool is_direct() const { return direct_fd_ >= 0; }
  /// Has `closed` told of this file's id when it is destroyed. Any thread.
  void tell_when_closed(const std::shared_ptr<ClosedFiles>& closed);

 private:
  Error error(int error_number, const char* action) const;

  const std::uint64_t id_;
  const int buffered_fd_;
  const int direct_fd_;
  const std::string path_;
  std::mutex mutex_;
  // Guarded by mutex_; one per ring that read this file. Weak: rings come and go.
  std::vector<std::weak_ptr<ClosedFiles>> watchers_;
};

/// The file as a PosixFile, nullptr when it is another kind.
PosixFile* as_posix_file(File& file);

}  // namespace kachel::io
