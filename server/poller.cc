#include "server/poller.h"

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <chrono>
#include <span>
#include <sys/epoll.h>
#include <utility>

namespace kachel::server {

namespace asio = boost::asio;

namespace {
constexpr std::size_t kMaxEventsPerTurn = 128;
// Before those who ask for one value are looked for again. The others are told of again: epoll is
// level-triggered.
constexpr std::size_t kMaxInBulkPerTurn = 4;
constexpr std::chrono::microseconds kBulkTime{20};
}  // namespace

struct Poller::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, std::function<void()> after_looking)
      : epoll(context), looked_ahead(std::move(after_looking)) {}

  void wait() {
    epoll.async_wait(asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error || self->closed) return;
                       self->dispatch();
                       if (!self->closed) self->wait();
                     });
  }

  void dispatch() {
    const int found =
        ::epoll_wait(epoll.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    ready = found > 0 ? static_cast<std::size_t>(found) : 0;
    std::size_t in_bulk = 0;  // moved to the front, in their order
    for (std::size_t i = 0; i < ready; ++i) {
      if (i % kGroup == 0) look_ahead(i);
      const epoll_event event = events[i];
      if (event.data.ptr == nullptr) continue;
      if (target_of(event)->is_in_bulk()) {
        events[i].data.ptr = nullptr;
        events[in_bulk++] = event;
        continue;
      }
      events[i].data.ptr = nullptr;
      target_of(event)->on_events(event.events);
      if (closed) return;
    }
    take_in_bulk(in_bulk);
    ready = 0;
  }

  /// Those from `begin` on that will have their turn now. One alone has nobody to be looked at
  /// with.
  void look_ahead(std::size_t begin) {
    const std::size_t end = std::min(begin + kGroup, ready);
    if (!looked_ahead || end - begin < 2) return;
    for (std::size_t i = begin; i < end; ++i) {
      if (events[i].data.ptr == nullptr || target_of(events[i])->is_in_bulk()) continue;
      target_of(events[i])->look_ahead(events[i].events);
    }
    looked_ahead();
  }

  /// Some of the first `count` events, beginning after those of the last turn.
  void take_in_bulk(std::size_t count) {
    const std::size_t taken = std::min(count, kMaxInBulkPerTurn);
    const auto began = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < taken; ++i) {
      const epoll_event event = std::exchange(events[bulk_turn++ % count], {});
      if (event.data.ptr == nullptr) continue;
      target_of(event)->on_events(event.events);
      if (closed || std::chrono::steady_clock::now() - began >= kBulkTime) return;
    }
  }

  static Target* target_of(const epoll_event& event) {
    return static_cast<Target*>(event.data.ptr);
  }

  asio::posix::stream_descriptor epoll;
  const std::function<void()> looked_ahead;
  std::array<epoll_event, kMaxEventsPerTurn> events{};
  std::size_t ready = 0;  // events that may still be handled, of `events`
  std::size_t bulk_turn = 0;
  bool closed = false;
};

Poller::Poller(io::AsioLoop& loop, std::function<void()> looked_ahead)
    : state_(std::make_shared<State>(loop.context(), std::move(looked_ahead))) {
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
  for (epoll_event& event : std::span(state_->events).first(state_->ready)) {
    if (event.data.ptr == &target) event.data.ptr = nullptr;
  }
}

}  // namespace kachel::server
