#include "server/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "io/zeroizing.h"

namespace kachel::server {
namespace {

// One read of a request that is being received in place: a turn's worth, not a whole value.
constexpr std::size_t kMaxReadBytes = 16 * 1024;
constexpr std::size_t kMaxParts = 64;
// What a TLS record holds at most.
constexpr std::size_t kRecordBytes = 16 * 1024;
// Sent to one client before the others get their turn.
constexpr std::size_t kMaxTurnOutputBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxSendBytes = std::size_t{64} << 10;

/// Cuts the parts so that they have no more bytes together; how many are left.
std::size_t at_most(std::size_t bytes, std::span<iovec> parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].iov_len = std::min(parts[i].iov_len, bytes);
    bytes -= parts[i].iov_len;
    if (bytes == 0) return i + 1;
  }
  return parts.size();
}

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

Connection::Connection(ConnectionOwner& owner, const AcceptedSocket& socket,
                       const SessionServices& services, ClientRegistry::Pointer client)
    : owner_(owner),
      descriptor_(socket.descriptor),
      entrance_(socket.entrance),
      tls_(socket.tls ? std::make_unique<TlsStream>(*socket.tls, socket.descriptor) : nullptr),
      counters_(services.counters),
      is_shaking_hands_(tls_ != nullptr),
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
  forget_ahead();
  if (started_) owner_.poller().remove(descriptor_, *this);
  if (is_shaking_hands_) WorkerCounters::add(counters_.tls_handshakes_failed, 1);
  is_shaking_hands_ = false;
  if (tls_) tls_->shut_down();
  ::close(descriptor_);
  descriptor_ = -1;
  owner_.closed(*this);
}

void Connection::begin_shutdown() {
  if (is_shaking_hands_) return close();
  session_->end_of_input();
  owner_.flush_later(*this);
}

void Connection::on_events(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  if (is_shaking_hands_) return shake_hands();
  if ((events & EPOLLOUT) != 0) flush();
  if (is_open() && (events & EPOLLIN) != 0) read();
}

void Connection::shake_hands() {
  switch (tls_->handshake().status) {
    case TlsStatus::kDone:
      break;
    case TlsStatus::kWantsRead:
      return set_interest(EPOLLIN);
    case TlsStatus::kWantsWrite:
      return set_interest(EPOLLIN | EPOLLOUT);
    case TlsStatus::kClosed:
    case TlsStatus::kFailed:
      return close();
  }
  is_shaking_hands_ = false;
  WorkerCounters::add(counters_.tls_handshakes, 1);
  set_interest(EPOLLIN);
  if (const std::string name = tls_->client_name(); !name.empty()) session_->show_certificate(name);
  read();
}

void Connection::read() {
  // Of a TLS record all that has come: the socket does not tell of it again.
  while (read_once() && has_unread()) {
  }
}

/// What is usual, a whole request in clear, is read already, that its key be foreseen.
void Connection::look_ahead(std::uint32_t events) {
  const bool is_usual = events == EPOLLIN && !tls_ && session_->wants_input();
  if (!is_usual || !session_->input_space().empty()) return;
  ahead_ = owner_.scratch_ahead();
  if (ahead_.empty()) return;
  got_ahead_ = receive(ahead_.first(std::min(ahead_.size(), kMaxReadBytes)));
  if (got_ahead_.outcome != Outcome::kDone) return;
  if (const auto key = session_->foresee({ahead_.data(), got_ahead_.bytes})) owner_.foresee(*key);
}

void Connection::forget_ahead() {
  if (got_ahead_.outcome == Outcome::kDone) zeroize(ahead_.data(), got_ahead_.bytes);
  ahead_ = {};
  got_ahead_ = {};
}

/// Whether it is worth another one.
bool Connection::read_once() {
  // Only switched off once there is something to read: a session often wants input again
  // before that.
  const bool is_ahead = !ahead_.empty();
  if (!is_ahead && !session_->wants_input()) {
    set_interest(interest_ & ~EPOLLIN);
    return false;
  }
  const std::span<char> in_place = is_ahead ? std::span<char>() : session_->input_space();
  const std::span<char> room = is_ahead           ? std::exchange(ahead_, {})
                               : in_place.empty() ? owner_.scratch()
                                                  : in_place;
  const Transfer got = is_ahead ? std::exchange(got_ahead_, {})
                                : receive(room.first(std::min(room.size(), kMaxReadBytes)));
  is_in_bulk_ = got.outcome == Outcome::kDone && got.bytes == kMaxReadBytes;
  if (got.outcome == Outcome::kFailed) close();
  if (got.outcome == Outcome::kFailed || got.outcome == Outcome::kNotNow) return false;
  client_->active_ms.store(monotonic_ms(), std::memory_order_relaxed);
  if (got.outcome == Outcome::kEnd) {
    session_->end_of_input();
    return false;
  }
  if (in_place.empty()) {
    session_->receive({room.data(), got.bytes});
    zeroize(room.data(), got.bytes);  // the session has kept what it needs
  } else {
    session_->receive_in_place(got.bytes);
  }
  return is_open();
}

Connection::Transfer Connection::receive(std::span<char> room) {
  if (tls_) return transfer_of(tls_->read(room));
  const ssize_t got = ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT);
  if (got > 0) return {Outcome::kDone, static_cast<std::size_t>(got)};
  if (got == 0) return {Outcome::kEnd};
  return {errno == EAGAIN || errno == EINTR ? Outcome::kNotNow : Outcome::kFailed};
}

Connection::Transfer Connection::transfer_of(const TlsOutcome& outcome) {
  switch (outcome.status) {
    case TlsStatus::kDone:
      return {Outcome::kDone, outcome.bytes};
    case TlsStatus::kWantsWrite:
      set_interest(interest_ | EPOLLOUT);
      return {Outcome::kNotNow};
    case TlsStatus::kWantsRead:
      return {Outcome::kNotNow};
    case TlsStatus::kClosed:
      return {Outcome::kEnd};
    case TlsStatus::kFailed:
      break;
  }
  return {Outcome::kFailed};
}

Connection::Transfer Connection::send() {
  std::array<iovec, kMaxParts> parts;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen =
      at_most(kMaxSendBytes, std::span(parts).first(session_->output().gather(parts)));
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const ssize_t sent = message.msg_iovlen == 1
                           ? ::send(descriptor_, parts[0].iov_base, parts[0].iov_len, kFlags)
                           : ::sendmsg(descriptor_, &message, kFlags);
  if (sent >= 0) return {Outcome::kDone, static_cast<std::size_t>(sent)};
  if (errno == EINTR) return {Outcome::kDone, 0};
  if (errno != EAGAIN) return {Outcome::kFailed};
  set_interest(interest_ | EPOLLOUT);
  return {Outcome::kNotNow};
}

/// A record's worth: small replies share one.
Connection::Transfer Connection::send_encrypted() {
  std::array<iovec, kMaxParts> parts;
  const std::size_t count = session_->output().gather(parts);
  const std::string_view first(static_cast<const char*>(parts[0].iov_base), parts[0].iov_len);
  if (count == 1 || first.size() >= kRecordBytes) return transfer_of(tls_->write(first));
  const std::span<char> record = owner_.scratch().first(kRecordBytes);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count && bytes < record.size(); ++i) {
    const std::size_t taken = std::min(parts[i].iov_len, record.size() - bytes);
    std::memcpy(record.data() + bytes, parts[i].iov_base, taken);
    bytes += taken;
  }
  const TlsOutcome outcome = tls_->write({record.data(), bytes});
  zeroize(record.data(), bytes);
  return transfer_of(outcome);
}

bool Connection::write_some() {
  const Transfer sent = tls_ ? send_encrypted() : send();
  if (sent.outcome == Outcome::kFailed || sent.outcome == Outcome::kEnd) close();
  if (sent.outcome != Outcome::kDone) return false;
  session_->sent(sent.bytes);
  return true;
}

void Connection::flush() {
  if (!is_open() || is_shaking_hands_) return;
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
  // Decrypted while the session wanted no more; of which no event will come.
  if (is_open() && has_unread() && session_->wants_input()) read();
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
  if (tls_) {
    pollfd socket{descriptor_, POLLRDHUP, 0};
    return ::poll(&socket, 1, 0) == 1 && (socket.revents & (POLLRDHUP | POLLHUP)) != 0;
  }
  char next = 0;
  return ::recv(descriptor_, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void Connection::input_changed(Session& session) {
  if (!session.wants_input()) return;
  if (!is_shaking_hands_) set_interest(interest_ | EPOLLIN);
  if (has_unread()) owner_.flush_later(*this);
}

}  // namespace kachel::server
