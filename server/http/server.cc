#include "server/http/server.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <future>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "io/random.h"
#include "server/accounting_worker.h"

namespace kachel::server::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Out of descriptors: the pending connection would wake the loop for ever.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kStopCheck{5};

}  // namespace

struct HttpServer::State final : ConnectionHome {
  State(std::vector<Door> bound, const HttpLimits& chosen, const io::AsioLoopOptions& options)
      : doors(std::move(bound)), bounds(chosen), loop(options) {
    for (std::size_t i = 0; i < doors.size(); ++i)
      acceptors.emplace_back(loop.context());
    io::SystemRandom random;
    random.fill(std::as_writable_bytes(std::span(&first_id, 1)));
  }

  // ConnectionHome
  const HttpLimits& limits() const override { return bounds; }
  Services* services() override { return stopping || !given ? nullptr : &*given; }
  bool is_stopping() const override { return stopping; }
  HttpNumbers& numbers() override { return counts; }
  std::string next_request_id() override { return fmt::format("{:016x}-{}", first_id, ++requests); }
  std::uint64_t& large_body_bytes() override { return body_bytes; }
  void ended(HttpConnection& connection) override {
    std::erase_if(connections, [&](const auto& each) { return each.get() == &connection; });
    counts.connections = connections.size();
  }

  void accept(std::size_t door) {
    acceptors[door].async_accept([this, door](const error_code& error, tcp::socket accepted) {
      if (stopping || error == boost::asio::error::operation_aborted) return;
      if (error) {
        loop.schedule_after(kAcceptPause, [this, door] { accept(door); });
        return;
      }
      adopt(std::move(accepted), doors[door]);
      accept(door);
    });
  }

  void adopt(tcp::socket accepted, const Door& door) {
    ++counts.connections_total;
    if (connections.size() >= bounds.connections) {
      static constexpr std::string_view kRefusal =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
          "Content-Length: 0\r\n\r\n";
      ++counts.connections_refused;
      error_code ignored;
      accepted.non_blocking(true, ignored);
      if (door.tls == nullptr) accepted.write_some(boost::asio::buffer(kRefusal), ignored);
      return;
    }
    error_code ignored;
    accepted.set_option(tcp::no_delay(true), ignored);
    connections.push_back(
        std::make_shared<HttpConnection>(*this, std::move(accepted), door.socket.entrance(),
                                         door.tls == nullptr ? nullptr : door.tls->current()));
    counts.connections = connections.size();
    connections.back()->start();
  }

  void begin_stop(bool force) {
    stopping = true;
    error_code ignored;
    for (tcp::acceptor& acceptor : acceptors)
      acceptor.close(ignored);
    if (worker) worker->end_lease_waits();
    // Ending takes a connection out of the list.
    const auto all = connections;
    for (const auto& connection : all) {
      if (force && !connection->is_handling()) {
        connection->abort();
      } else {
        connection->stop();
      }
    }
    check_stopped();
  }

  void check_stopped() {
    if (!connections.empty()) {
      loop.schedule_after(kStopCheck, [this] { check_stopped(); });
      return;
    }
    given.reset();
    accounted.reset();
    worker.reset();
    loop.stop();
  }

  std::vector<Door> doors;
  HttpLimits bounds;
  io::AsioLoop loop;
  std::thread thread;
  std::promise<void> stopped;
  std::future<void> stopped_future = stopped.get_future();

  // Loop thread only, from here.
  std::vector<tcp::acceptor> acceptors;  // of the doors
  std::unique_ptr<Worker> worker;
  std::optional<AccountingWorker> accounted;
  std::optional<PolicyReader> policies;
  std::optional<Services> given;
  HttpNumbers counts;
  std::vector<std::shared_ptr<HttpConnection>> connections;
  std::uint64_t body_bytes = 0;
  std::uint64_t first_id = 0;
  std::uint64_t requests = 0;
  bool stopping = false;
};

HttpServer::HttpServer(std::vector<Door> doors, const HttpLimits& limits,
                       const io::AsioLoopOptions& options)
    : state_(std::make_shared<State>(std::move(doors), limits, options)) {}

HttpServer::~HttpServer() {
  if (!state_->thread.joinable()) return;
  state_->loop.post([state = state_.get()] { state->begin_stop(true); });
  state_->thread.join();
}

Result<void> HttpServer::start() {
  for (Door& door : state_->doors)
    if (auto listening = door.socket.listen(); !listening) return listening;
  State* const state = state_.get();
  std::promise<void> accepting;
  state->loop.post([state, &accepting] {
    for (std::size_t i = 0; i < state->doors.size(); ++i) {
      // A copy of the descriptor: Asio closes the one it is given.
      const int descriptor = ::fcntl(state->doors[i].socket.descriptor(), F_DUPFD_CLOEXEC, 0);
      sockaddr_storage address{};
      socklen_t length = sizeof(address);
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
      state->acceptors[i].assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), descriptor);
      state->accept(i);
    }
    accepting.set_value();
  });
  state->thread = std::thread([state] {
    state->loop.run();
    state->stopped.set_value();
  });
  accepting.get_future().wait();
  return {};
}

void HttpServer::open(Store& store, ServerState& state, WorkerCounters& counters) {
  std::promise<void> opened;
  state_->loop.post([&, mine = state_.get()] {
    mine->worker = store.attach(mine->loop);
    mine->accounted.emplace(*mine->worker,
                            std::make_shared<Ledger>(counters.meter, state.models, state.policy));
    mine->policies.emplace(state.policy);
    mine->given.emplace(Services{store, *mine->accounted, state, counters, *mine->policies});
    opened.set_value();
  });
  opened.get_future().wait();
}

bool HttpServer::stop(std::chrono::milliseconds patience) {
  for (const bool force : {false, true}) {
    state_->loop.post([state = state_.get(), force] { state->begin_stop(force); });
    if (state_->stopped_future.wait_for(patience) != std::future_status::ready) continue;
    state_->thread.join();
    return true;
  }
  return false;
}

std::uint16_t HttpServer::port(std::size_t door) const {
  return state_->doors[door].socket.port();
}

}  // namespace kachel::server::http
