#include "process.h"

namespace kachel::sim {

rocksdb::IOStatus to_io_status(const Error& error) {
  using rocksdb::IOStatus;
  switch (error.code) {
    case ErrorCode::kNotFound:
      return IOStatus::PathNotFound(error.message);
    case ErrorCode::kNoSpace: {
      IOStatus status = IOStatus::NoSpace(error.message);
      status.SetRetryable(true);
      return status;
    }
    default:
      return IOStatus::IOError(error.message);
  }
}

rocksdb::IOStatus Process::died() {
  return rocksdb::IOStatus::IOError("the process has died");
}

void Process::die() {
  const std::lock_guard lock(mutex_);
  die_locked();
}

void Process::die_locked() {
  dead_ = true;
  locks_.clear();
}

void Process::die_after(std::uint64_t changes) {
  const std::lock_guard lock(mutex_);
  last_change_ = changes_ + changes;
}

bool Process::is_dead() const {
  const std::lock_guard lock(mutex_);
  return dead_;
}

std::uint64_t Process::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

rocksdb::IOStatus Process::take_lock(io::Storage& storage, const std::string& path,
                                     const void* name) {
  const std::lock_guard lock(mutex_);
  if (dead_) return died();
  auto taken = storage.lock(path);
  if (!taken) return to_io_status(taken.error());
  locks_.emplace(name, std::move(*taken));
  return rocksdb::IOStatus::OK();
}

void Process::release_lock(const void* name) {
  const std::lock_guard lock(mutex_);
  locks_.erase(name);
}

}  // namespace kachel::sim
