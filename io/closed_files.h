// How a ring learns that a file it has registered was closed. A registered slot keeps the
// file open inside the kernel, so a removed segment would hold its blocks until the slot is
// emptied; but only the ring's own thread may touch its slots, and files close anywhere.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace kachel::io {

class ClosedFiles {
 public:
  /// `wake_fd`: an eventfd written to for every closed file, until detach().
  explicit ClosedFiles(int wake_fd) : wake_fd_(wake_fd) {}

  /// Any thread.
  void add(std::uint64_t file_id);
  /// What was added since the last call. Ring thread.
  std::vector<std::uint64_t> take();
  /// The ring is going away. Ring thread.
  void detach();

 private:
  std::mutex mutex_;
  int wake_fd_;                     // guarded by mutex_; -1 once detached
  std::vector<std::uint64_t> ids_;  // guarded by mutex_; at most one per slot of the ring
};

}  // namespace kachel::io
