// The HTTP port: a thread of its own with its own door to the store, so that a scrape disturbs
// nobody who is served. It answers from the start on; what needs the store, once it is open.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "engine/store.h"
#include "io/asio_loop.h"
#include "server/http/connection.h"
#include "server/listener.h"
#include "server/server_state.h"
#include "server/tls.h"

namespace kachel::server::http {

/// Where clients come in. With `tls` they come encrypted, by what that has when they come.
struct Door {
  BoundSocket socket;
  const TlsSource* tls = nullptr;
};

class HttpServer {
 public:
  HttpServer(std::vector<Door> doors, const HttpLimits& limits, const io::AsioLoopOptions& options);
  /// Without waiting for requests under way: stop() does.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Listens and answers.
  Result<void> start();
  /// From here on requests are served from it. The arguments outlive stop(); `counters` is written
  /// by this thread alone.
  void open(Store& store, ServerState& state, WorkerCounters& counters);
  /// Requests get their answers, then their connections are closed, and the thread ends. False when
  /// operations would not come to an end within `patience`.
  bool stop(std::chrono::milliseconds patience);

  /// Of the door of this number.
  std::uint16_t port(std::size_t door = 0) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kachel::server::http
