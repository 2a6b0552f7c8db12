#include "io/closed_files.h"

#include <unistd.h>

namespace kachel::io {

void ClosedFiles::add(std::uint64_t file_id) {
  const std::lock_guard lock(mutex_);
  if (wake_fd_ < 0) return;
  ids_.push_back(file_id);
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the ring is awake already.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

std::vector<std::uint64_t> ClosedFiles::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ids_, {});
}

void ClosedFiles::detach() {
  const std::lock_guard lock(mutex_);
  wake_fd_ = -1;
  ids_.clear();
}

}  // namespace kachel::io
