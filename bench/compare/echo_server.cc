// The least that a server on sockets costs: it counts what look like beginnings of requests and
// answers each with the same bulk reply, without parsing, looking up or storing anything. One
// thread, one epoll, one read and one write for a pipeline. Not a cache; a floor to compare with.
//
// Usage: compare_echo_server VALUE_BYTES     prints the port it took on the loopback
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kRepliesAtOnce = 64;
constexpr std::size_t kMaxValueBytes = 1024 * 1024;
constexpr int kMaxEvents = 64;
constexpr char kBeginningOfRequest = '*';  // keys of the load generator have none

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(3);
}

/// What is sent is the same reply over and over, so how much is owed is all there is to keep.
struct Client {
  std::size_t owed_bytes = 0;
  std::size_t sent_of_reply = 0;  // where in a reply the next byte is
  bool waits_for_room = false;
};

class EchoServer {
 public:
  explicit EchoServer(std::size_t value_bytes) {
    const std::string header = '$' + std::to_string(value_bytes) + "\r\n";
    const std::string reply = header + std::string(value_bytes, 'x') + "\r\n";
    reply_bytes_ = reply.size();
    for (std::size_t i = 0; i < kRepliesAtOnce; ++i)
      replies_ += reply;
  }

  void listen_on_loopback();
  [[noreturn]] void serve();

 private:
  void watch(int op, int fd, std::uint32_t events) const;
  void accept_client();
  void read_from(int fd, Client& client);
  /// False when the connection is lost.
  bool write_to(int fd, Client& client) const;
  void drop(int fd);

  std::string replies_;
  std::size_t reply_bytes_ = 0;
  int listener_ = -1;
  int epoll_ = -1;
  std::map<int, Client> clients_;
  std::array<char, kReadBytes> input_{};
};

void EchoServer::watch(int op, int fd, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_, op, fd, &event) != 0) fail("epoll_ctl");
}

void EchoServer::listen_on_loopback() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0) fail("bind");
  if (::listen(listener_, SOMAXCONN) != 0) fail("listen");
  if (::getsockname(listener_, generic, &size) != 0) fail("getsockname");
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("epoll_create1");
  watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
}

void EchoServer::accept_client() {
  const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  clients_[fd] = Client{};
  watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

void EchoServer::read_from(int fd, Client& client) {
  const ssize_t got = ::read(fd, input_.data(), input_.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(fd);
  const std::string_view text(input_.data(), static_cast<std::size_t>(got));
  const auto requests =
      static_cast<std::size_t>(std::count(text.begin(), text.end(), kBeginningOfRequest));
  client.owed_bytes += requests * reply_bytes_;
  if (!write_to(fd, client)) drop(fd);
}

bool EchoServer::write_to(int fd, Client& client) const {
  while (client.owed_bytes > 0) {
    const std::string_view rest = std::string_view(replies_).substr(client.sent_of_reply);
    const std::size_t wanted = std::min(rest.size(), client.owed_bytes);
    const ssize_t sent = ::send(fd, rest.data(), wanted, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent < 0) break;
    client.owed_bytes -= static_cast<std::size_t>(sent);
    client.sent_of_reply = (client.sent_of_reply + static_cast<std::size_t>(sent)) % reply_bytes_;
  }
  const bool has_to_wait = client.owed_bytes > 0;
  if (has_to_wait != client.waits_for_room) {
    client.waits_for_room = has_to_wait;
    // Who does not take replies is not asked for more requests.
    watch(EPOLL_CTL_MOD, fd, has_to_wait ? EPOLLOUT : EPOLLIN);
  }
  return true;
}

void EchoServer::drop(int fd) {
  clients_.erase(fd);
  ::close(fd);
}

void EchoServer::serve() {
  std::array<epoll_event, kMaxEvents> events{};
  while (true) {
    const int count = ::epoll_wait(epoll_, events.data(), kMaxEvents, -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events.at(static_cast<std::size_t>(i));
      if (event.data.fd == listener_) {
        accept_client();
        continue;
      }
      Client& client = clients_.at(event.data.fd);
      if ((event.events & EPOLLOUT) == 0) {
        read_from(event.data.fd, client);
      } else if (!write_to(event.data.fd, client)) {
        drop(event.data.fd);
      }
    }
  }
}

std::optional<std::size_t> value_bytes_of(std::string_view text) {
  std::size_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || bytes == 0 || bytes > kMaxValueBytes) return std::nullopt;
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const auto bytes = argc == 2 ? value_bytes_of(argv[1]) : std::nullopt;
  if (!bytes) {
    std::fputs("usage: compare_echo_server VALUE_BYTES     (1 to 1048576)\n", stderr);
    return 2;
  }
  EchoServer server(*bytes);
  server.listen_on_loopback();
  server.serve();
}
