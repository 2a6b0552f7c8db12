// The listening socket: accepted clients go to the worker with the fewest. One acceptor for
// all workers, because SO_REUSEPORT spreads few clients unevenly, and few is the usual case.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.h"
#include "server/worker_thread.h"

namespace kachel::server {

/// A socket bound and not yet listening: a busy port is known before the store is opened,
/// and no client gets in before it is.
class BoundSocket {
 public:
  /// `host`: a numeric IPv4 or IPv6 address. Port 0: any free one. `flag`: for errors.
  static Result<BoundSocket> bind(const std::string& host, std::uint16_t port,
                                  std::string_view flag = "--listen");
  BoundSocket(BoundSocket&& other) noexcept;
  BoundSocket& operator=(BoundSocket&& other) noexcept;
  ~BoundSocket();

  std::uint16_t port() const { return port_; }
  /// By its address.
  Entrance entrance() const { return entrance_; }
  Result<void> listen();
  int descriptor() const { return descriptor_; }

 private:
  BoundSocket(int descriptor, std::uint16_t port, Entrance entrance, std::string_view flag)
      : descriptor_(descriptor), port_(port), entrance_(entrance), flag_(flag) {}
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
  Entrance entrance_ = Entrance::kLoopback;
  std::string_view flag_;  // static
};

/// Lives on the first worker's thread while it accepts.
class Listener {
 public:
  /// With TLS what comes is encrypted, by what `state.tls` has by then.
  Listener(BoundSocket socket, bool with_tls, ServerState& state,
           std::vector<std::unique_ptr<WorkerThread>>& workers);
  ~Listener();

  Result<void> start();
  /// No client is accepted once this returns.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with tasks posted to the worker
};

/// "127.0.0.1:6380", "[::1]:6380".
std::string format_endpoint(std::string_view host, std::uint16_t port);
bool is_loopback(const std::string& host);

}  // namespace kachel::server
