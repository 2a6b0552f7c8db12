#include "server/listener.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <future>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace kachel::server {
namespace {

constexpr int kBacklog = 511;
constexpr int kMaxAcceptsPerTurn = 64;
// Out of descriptors: the pending connection would wake the loop for ever.
constexpr std::chrono::milliseconds kAcceptPause{100};

struct Address {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> make_address(const std::string& host, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof(*v4);
    return address;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return std::nullopt;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  address.length = sizeof(*v6);
  return address;
}

std::string format_address(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    return format_endpoint(text, ntohs(v6->sin6_port));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  return format_endpoint(text, ntohs(v4->sin_port));
}

std::uint16_t bound_port(int descriptor) {
  Address address;
  ::getsockname(descriptor, address.get(), &address.length);
  // The port lies at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
}

Error bind_error(int error_number, const std::string& host, std::uint16_t port,
                 std::string_view flag) {
  const std::string endpoint = format_endpoint(host, port);
  if (error_number == EADDRINUSE) {
    return {ErrorCode::kAlreadyExists,
            fmt::format("{} is in use by another process; choose another with {}", endpoint, flag),
            error_number};
  }
  return os_error(error_number, "cannot listen on " + endpoint);
}

}  // namespace

std::string format_endpoint(std::string_view host, std::uint16_t port) {
  if (host.find(':') != std::string_view::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

BoundSocket::BoundSocket(BoundSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      port_(other.port_),
      entrance_(other.entrance_),
      flag_(other.flag_) {}

BoundSocket& BoundSocket::operator=(BoundSocket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(port_, other.port_);
  std::swap(entrance_, other.entrance_);
  std::swap(flag_, other.flag_);
  return *this;
}

BoundSocket::~BoundSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<BoundSocket> BoundSocket::bind(const std::string& host, std::uint16_t port,
                                      std::string_view flag) {
  auto address = make_address(host, port);
  if (!address) return Error{ErrorCode::kInvalidArgument, host + " is not a numeric IP address"};
  const int descriptor =
      ::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return bind_error(errno, host, port, flag);
  BoundSocket socket(descriptor, port, is_loopback(host) ? Entrance::kLoopback : Entrance::kNetwork,
                     flag);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(descriptor, address->get(), address->length) != 0) {
    return bind_error(errno, host, port, flag);
  }
  socket.port_ = bound_port(descriptor);
  return socket;
}

Result<void> BoundSocket::listen() {
  if (::listen(descriptor_, kBacklog) == 0) return {};
  if (errno == EADDRINUSE) {
    return Error{
        ErrorCode::kAlreadyExists,
        fmt::format("port {} is in use by another process; choose another with {}", port_, flag_),
        errno};
  }
  return os_error(errno, "listen");
}

struct Listener::State final : Poller::Target, std::enable_shared_from_this<State> {
  State(BoundSocket bound, bool encrypts, ServerState& server_state,
        std::vector<std::unique_ptr<WorkerThread>>& worker_threads)
      : socket(std::move(bound)),
        with_tls(encrypts),
        server(server_state),
        workers(worker_threads) {}

  void on_events(std::uint32_t) override {
    for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
      if (!accept_one()) return;
    }
  }

  bool accept_one() {
    Address peer;
    const int descriptor =
        ::accept4(socket.descriptor(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
      return errno == ECONNABORTED || errno == EINTR;
    }
    const TlsContextPointer tls = with_tls ? server.tls->current() : nullptr;
    if (accepted_beyond_limit()) {
      refuse(descriptor);
      return true;
    }
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    Address local;
    ::getsockname(descriptor, local.get(), &local.length);
    least_loaded().adopt(
        {descriptor, format_address(peer), format_address(local), socket.entrance(), tls});
    return true;
  }

  // By the workers' loads, which count a client from its acceptance on.
  bool accepted_beyond_limit() const {
    std::size_t clients = 0;
    for (const auto& worker : workers)
      clients += worker->load();
    return clients >= server.max_clients;
  }

  void refuse(int descriptor) {
    static constexpr std::string_view kRefusal = "-ERR max number of clients reached\r\n";
    server.rejected_connections.fetch_add(1, std::memory_order_relaxed);
    if (!with_tls) {
      [[maybe_unused]] const ssize_t sent =
          ::send(descriptor, kRefusal.data(), kRefusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ::close(descriptor);
  }

  WorkerThread& least_loaded() const {
    return **std::min_element(workers.begin(), workers.end(),
                              [](const auto& a, const auto& b) { return a->load() < b->load(); });
  }

  void pause() {
    poller->modify(socket.descriptor(), 0, *this);
    loop->schedule_after(kAcceptPause, [self = shared_from_this()] {
      if (self->poller != nullptr) self->poller->modify(self->socket.descriptor(), EPOLLIN, *self);
    });
  }

  BoundSocket socket;
  const bool with_tls;
  ServerState& server;
  std::vector<std::unique_ptr<WorkerThread>>& workers;
  Poller* poller = nullptr;  // first worker's thread only; null while not accepting
  io::AsioLoop* loop = nullptr;
};

Listener::Listener(BoundSocket socket, bool with_tls, ServerState& state,
                   std::vector<std::unique_ptr<WorkerThread>>& workers)
    : state_(std::make_shared<State>(std::move(socket), with_tls, state, workers)) {}

Listener::~Listener() = default;

Result<void> Listener::start() {
  if (auto listening = state_->socket.listen(); !listening) return listening;
  std::promise<Result<void>> added;
  state_->workers.front()->run([&added, state = state_](Poller& poller, io::AsioLoop& loop) {
    auto result = poller.add(state->socket.descriptor(), EPOLLIN, *state);
    if (result) {
      state->poller = &poller;
      state->loop = &loop;
    }
    added.set_value(std::move(result));
  });
  return added.get_future().get();
}

void Listener::stop() {
  std::promise<void> removed;
  state_->workers.front()->run([&removed, state = state_](Poller& poller, io::AsioLoop&) {
    if (state->poller != nullptr) poller.remove(state->socket.descriptor(), *state);
    state->poller = nullptr;
    removed.set_value();
  });
  removed.get_future().wait();
}

}  // namespace kachel::server
