#include "io/polled_queue.h"

#include <poll.h>
#include <unistd.h>

namespace kachel::io {

void run_until_idle(PolledQueue& queue) {
  run_until(queue, [] { return false; });
}

void run_until(PolledQueue& queue, const std::function<bool()>& holds) {
  while (queue.in_flight() > 0 && !holds()) {
    queue.flush();
    if (queue.reap() == 0 && queue.prepare_to_wait()) {
      pollfd wake{queue.wake_fd(), POLLIN, 0};
      ::poll(&wake, 1, -1);
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(queue.wake_fd(), &count, sizeof count);
    }
    queue.end_wait();
  }
}

}  // namespace kachel::io
