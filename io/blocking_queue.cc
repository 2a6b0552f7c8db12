#include "io/blocking_queue.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace kachel::io {

BlockingQueue::BlockingQueue(const BlockingQueueOptions& options)
    : buffers_(options.pooled_buffers, options.pooled_buffer_bytes),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  pool_ = std::make_unique<ThreadPool>(options.threads);
}

BlockingQueue::~BlockingQueue() {
  run_until_idle(*this);
  pool_.reset();
  ::close(wake_fd_);
}

void BlockingQueue::submit(IoRequest& request) {
  queued_.push_back(request);
  ++in_flight_;
}

void BlockingQueue::flush() {
  while (IoRequest* request = queued_.pop_front()) {
    pool_->run([this, request] { run_on_pool(*request); });
  }
}

void BlockingQueue::run_on_pool(IoRequest& request) {
  execute(request, counters_);
  const std::lock_guard lock(mutex_);
  done_.push_back(request);
  if (!waiting_) return;
  waiting_ = false;
  // Under the lock, so that the owner can't be gone with its descriptor in between.
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

std::size_t BlockingQueue::reap() {
  RequestList done;
  {
    const std::lock_guard lock(mutex_);
    done = done_.take();
  }
  std::size_t count = 0;
  while (IoRequest* request = done.pop_front()) {
    --in_flight_;
    ++count;
    request->on_complete(*request);
  }
  return count;
}

bool BlockingQueue::prepare_to_wait() {
  if (!queued_.empty()) return false;
  const std::lock_guard lock(mutex_);
  waiting_ = done_.empty();
  return waiting_;
}

void BlockingQueue::end_wait() {
  const std::lock_guard lock(mutex_);
  waiting_ = false;
}

}  // namespace kachel::io
