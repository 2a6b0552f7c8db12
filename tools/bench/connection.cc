#include "tools/bench/connection.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "tools/connect_socket.h"

namespace kachel::bench {
namespace {

constexpr std::chrono::seconds kPatience{10};
// With less room than this, what is received is moved to the buffer's beginning.
constexpr std::size_t kLittleRoom = 8 * 1024;
// A buffer that was filled at once grows, for the sake of fewer calls, up to this.
constexpr std::size_t kEnoughRoom = 256 * 1024;

Error closed() {
  return {ErrorCode::kIo, "the server closed the connection"};
}

Error refused(const Reply& reply) {
  const bool is_loading = reply.text.starts_with("LOADING");
  Error error{is_loading ? ErrorCode::kThrottled : ErrorCode::kPermission,
              fmt::format("the server answered \"{}\"", reply.text)};
  if (reply.text.starts_with("NOAUTH")) {
    error.message += ": it wants to know who you are; give --user and --password, or KACHEL_AUTH";
  }
  return error;
}

}  // namespace

Connection::Connection(int descriptor, std::size_t pipeline)
    : descriptor_(descriptor), pending_(pipeline), fills_(pipeline) {}

Connection::Connection(Connection&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      wanted_(other.wanted_),
      requests_(std::move(other.requests_)),
      replies_(std::move(other.replies_)),
      pending_(std::move(other.pending_)),
      fills_(std::move(other.fills_)) {}

Connection::~Connection() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<Connection> Connection::open(const ServerAddress& server, const Protocol& protocol,
                                    std::size_t pipeline) {
  const auto address = tools::split_endpoint(server.endpoint);
  if (!address) return address.error();
  const auto descriptor = tools::connect_socket(*address, server.endpoint, kPatience, "a server");
  if (!descriptor) return descriptor.error();
  Connection connection(*descriptor, pipeline);
  const int yes = 1;
  ::setsockopt(connection.descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  if (auto greeted = connection.greet(server, protocol); !greeted) {
    Error error = greeted.error();
    error.message = fmt::format("{}: {}", server.endpoint, error.message);
    return error;
  }
  const int flags = ::fcntl(connection.descriptor_, F_GETFL);
  if (flags < 0 || ::fcntl(connection.descriptor_, F_SETFL, flags | O_NONBLOCK) < 0) {
    return os_error(errno, "fcntl");
  }
  return connection;
}

/// While the socket still blocks.
Result<void> Connection::greet(const ServerAddress& server, const Protocol& protocol) {
  if (!server.password.empty()) {
    if (!protocol.authenticate(requests_, server.user, server.password)) {
      return invalid("this protocol knows no users; leave --user and --password out");
    }
    const auto reply = ask(protocol);
    if (!reply) return reply.error();
    if (reply->kind == ReplyKind::kError) return refused(*reply);
  }
  protocol.ping(requests_);
  const auto reply = ask(protocol);
  if (!reply) return reply.error();
  if (reply->kind == ReplyKind::kError) return refused(*reply);
  return {};
}

Result<Reply> Connection::ask(const Protocol& protocol) {
  pending_.push({});
  while (!requests_.waiting().empty()) {
    if (const auto sent = send(); !sent) return sent.error();
  }
  while (true) {
    Answer answer;
    const auto taken = take_reply(protocol, answer);
    if (!taken) return taken.error();
    if (*taken) return answer.reply;
    const auto got = receive();
    if (!got) return got.error();
    if (*got == 0) {
      return Error{
          ErrorCode::kIo,
          fmt::format("no answer in {} s; is another protocol spoken there?", kPatience.count())};
    }
  }
}

Result<std::size_t> Connection::send() {
  std::size_t all = 0;
  while (!requests_.waiting().empty()) {
    const std::string_view waiting = requests_.waiting();
    const ssize_t sent = ::send(descriptor_, waiting.data(), waiting.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      if (errno == EPIPE || errno == ECONNRESET) return closed();
      return os_error(errno, "send");
    }
    requests_.sent(static_cast<std::size_t>(sent));
    all += static_cast<std::size_t>(sent);
  }
  return all;
}

Result<std::size_t> Connection::receive() {
  if (wanted_ > 0) replies_.make_room(wanted_);
  if (replies_.free_bytes() < kLittleRoom) {
    replies_.make_room(std::max(wanted_, replies_.received().size() + kLittleRoom));
  }
  if (was_filled_ && replies_.capacity() < kEnoughRoom) replies_.make_room(2 * replies_.capacity());
  while (true) {
    const ssize_t got = ::recv(descriptor_, replies_.free_begin(), replies_.free_bytes(), 0);
    if (got > 0) {
      replies_.add(static_cast<std::size_t>(got));
      was_filled_ = replies_.free_bytes() == 0;
      return static_cast<std::size_t>(got);
    }
    if (got == 0) return closed();
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return std::size_t{0};
    if (errno == ECONNRESET) return closed();
    return os_error(errno, "receive");
  }
}

Result<bool> Connection::take_reply(const Protocol& protocol, Answer& answer) {
  const std::string_view received = replies_.received();
  if (received.empty() || received.size() < wanted_) return false;
  const auto parsed = protocol.parse(received);
  if (!parsed) return parsed.error();
  wanted_ = parsed->wanted;
  if (parsed->used == 0) return false;
  if (pending_.empty()) return Error{ErrorCode::kForeign, "the server answers more than was asked"};
  answer = {pending_.pop(), parsed->reply};
  replies_.take(parsed->used);
  return true;
}

}  // namespace kachel::bench
