#include "server/poller.h"

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <sys/epoll.h>

namespace kachel::server {

namespace asio = boost::asio;

namespace {
constexpr int kMaxEventsPerTurn = 128;
}

struct Poller::State : std::enable_shared_from_this<State> {
  explicit State(asio::io_context& context) : epoll(context) {}

  void wait() {
    epoll.async_wait(asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error || self->closed) return;
                       self->dispatch();
                       if (!self->closed) self->wait();
                     });
  }

  void dispatch() {
    const int found = ::epoll_wait(epoll.native_handle(), events.data(), kMaxEventsPerTurn, 0);
    ready = found > 0 ? found : 0;
    for (next = 0; next < ready;) {
      const epoll_event event = events[static_cast<std::size_t>(next++)];
      if (event.data.ptr != nullptr) static_cast<Target*>(event.data.ptr)->on_events(event.events);
      if (closed) return;
    }
    ready = 0;
  }

  asio::posix::stream_descriptor epoll;
  std::array<epoll_event, kMaxEventsPerTurn> events{};
  int ready = 0;
  int next = 0;
  bool closed = false;
};

Poller::Poller(io::AsioLoop& loop) : state_(std::make_shared<State>(loop.context())) {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category());
  state_->epoll.assign(descriptor);
  state_->wait();
}

Poller::~Poller() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->epoll.close(ignored);
}

Result<void> Poller::add(int descriptor, std::uint32_t events, Target& target) {
  epoll_event event{events, {&target}};
  if (::epoll_ctl(state_->epoll.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0) {
    return {};
  }
  return os_error(errno, "epoll_ctl");
}

void Poller::modify(int descriptor, std::uint32_t events, Target& target) {
  epoll_event event{events, {&target}};
  ::epoll_ctl(state_->epoll.native_handle(), EPOLL_CTL_MOD, descriptor, &event);
}

void Poller::remove(int descriptor, Target& target) {
  ::epoll_ctl(state_->epoll.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr);
  for (int i = state_->next; i < state_->ready; ++i) {
    auto& event = state_->events[static_cast<std::size_t>(i)];
    if (event.data.ptr == &target) event.data.ptr = nullptr;
  }
}

}  // namespace kachel::server
