#include "server/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/zeroizing.h"

namespace kachel::server {
namespace {

// One read of a request that is being received in place: a turn's worth, not a whole value.
constexpr std::size_t kMaxReadBytes = 256 * 1024;
constexpr std::size_t kMaxParts = 64;
// Sent to one client before the others get their turn.
constexpr std::size_t kMaxTurnOutputBytes = std::size_t{4} << 20;

SessionServices with_host(SessionServices const& services, SessionHost& host) {
  return {services.store,
          services.worker,
          services.state,
          services.counters,
          services.chunks,
          services.policy,
          host};
}

}  // namespace

Connection::Connection(ConnectionOwner& owner, int descriptor, const SessionServices& services,
                       ClientRegistry::Pointer client)
    : owner_(owner),
      descriptor_(descriptor),
      client_(std::move(client)),
      session_(new Session(with_host(services, *this), client_)) {}

Connection::~Connection() {
  if (is_open()) close();
}

Result<void> Connection::start() {
  auto added = owner_.poller().add(descriptor_, EPOLLIN, *this);
  if (added) interest_ = EPOLLIN;
  started_ = added.has_value();
  return added;
}

void Connection::close() {
  if (!is_open()) return;
  session_->abandon();
  if (started_) owner_.poller().remove(descriptor_, *this);
  ::close(descriptor_);
  descriptor_ = -1;
  owner_.closed(*this);
}

void Connection::begin_shutdown() {
  session_->end_of_input();
  owner_.flush_later(*this);
}

void Connection::on_events(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  if ((events & EPOLLOUT) != 0) flush();
  if (is_open() && (events & EPOLLIN) != 0) read();
}

void Connection::read() {
  // Only switched off once there is something to read: a session often wants input again
  // before that.
  if (!session_->wants_input()) return set_interest(interest_ & ~EPOLLIN);
  const std::span<char> in_place = session_->input_space();
  const std::span<char> room = in_place.empty() ? owner_.scratch() : in_place;
  const ssize_t got =
      ::recv(descriptor_, room.data(), std::min(room.size(), kMaxReadBytes), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) close();
    return;
  }
  client_->active_ms.store(monotonic_ms(), std::memory_order_relaxed);
  const auto bytes = static_cast<std::size_t>(got);
  if (bytes == 0) {
    session_->end_of_input();
  } else if (in_place.empty()) {
    session_->receive({room.data(), bytes});
    zeroize(room.data(), bytes);  // the session has kept what it needs
  } else {
    session_->receive_in_place(bytes);
  }
}

bool Connection::write_some() {
  OutputChain& output = session_->output();
  std::array<iovec, kMaxParts> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = output.gather(parts);
  const ssize_t sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno == EINTR) return true;
  if (sent < 0) {
    if (errno == EAGAIN) {
      set_interest(interest_ | EPOLLOUT);
    } else {
      close();
    }
    return false;
  }
  session_->sent(static_cast<std::size_t>(sent));
  return true;
}

void Connection::flush() {
  if (!is_open()) return;
  std::size_t budget = kMaxTurnOutputBytes;
  while (!session_->output().empty() && !session_->aborted()) {
    const std::size_t before = session_->output().bytes();
    if (!write_some()) break;
    const std::size_t after = session_->output().bytes();
    budget -= std::min(budget, before > after ? before - after : 0);
    if (budget == 0) {
      owner_.flush_later(*this);
      break;
    }
  }
  if (is_open()) finish_turn();
}

void Connection::finish_turn() {
  if (session_->aborted() || session_->ended()) return close();
  if (session_->output().empty()) set_interest(interest_ & ~EPOLLOUT);
}

void Connection::set_interest(std::uint32_t events) {
  if (events == interest_ || !started_) return;
  interest_ = events;
  owner_.poller().modify(descriptor_, events, *this);
}

void Connection::output_ready(Session&) {
  owner_.flush_later(*this);
}

void Connection::resume_later(Session& session) {
  owner_.resume_later(SessionPointer(&session));
}

/// While a command waits nothing is read, and so the end of input not seen either.
bool Connection::has_hung_up() {
  char next = 0;
  return ::recv(descriptor_, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void Connection::input_changed(Session& session) {
  if (session.wants_input()) set_interest(interest_ | EPOLLIN);
}

}  // namespace kachel::server
