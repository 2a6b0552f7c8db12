// Worker threads and the listener over real loopback sockets, on the fake store.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "server/forwarding_worker.h"
#include "server/listener.h"
#include "server/worker_thread.h"
#include "tests/unit/server/session_fixture.h"

namespace kachel::server {
namespace {

/// One door to the fake store for each worker; the fake has no locks, so only one worker
/// may use its data.
using Door = ForwardingWorker;

class ServedStore final : public Store {
 public:
  FakeStore fake;
  std::unique_ptr<Worker> attach(io::Loop&) override { return std::make_unique<Door>(fake); }
  std::uint64_t count(Namespace space) const override { return fake.count(space); }
  bool may_have_hashes(Namespace space) const override { return fake.may_have_hashes(space); }
  Stats stats() const override { return fake.stats(); }
  std::optional<Erasure> erasure(const ReceiptId& id) const override { return fake.erasure(id); }
  std::vector<Erasure> pending_erasures() const override { return fake.pending_erasures(); }
  Result<std::uint32_t> tenant_number(std::string_view name) override {
    return fake.tenant_number(name);
  }
  void record_policies(std::map<std::string, std::string> policies) override {
    fake.record_policies(std::move(policies));
  }
  Result<void> set_erase_within(std::chrono::milliseconds within) override {
    return fake.set_erase_within(within);
  }
  void set_quotas(std::map<std::uint32_t, std::uint64_t> bytes_by_tenant) override {
    fake.set_quotas(std::move(bytes_by_tenant));
  }
  Copies& copies() override { return fake.copies(); }
  void set_draining(bool draining) override { fake.set_draining(draining); }
  TenantUsage usage_of(std::uint32_t tenant) const override { return fake.usage_of(tenant); }
  std::int64_t now_ms() const override { return fake.now_ms(); }
  Result<void> set_memory(std::uint64_t bytes) override { return fake.set_memory(bytes); }
  Result<void> close() override { return {}; }
  void close_async(DoneHandler done) override { done({}); }
};

/// A blocking client.
class Client {
 public:
  explicit Client(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { ::close(descriptor_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end() { ::shutdown(descriptor_, SHUT_WR); }
  /// Exactly so many bytes, fewer if the server closes before.
  std::string read(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
      const ssize_t got = ::recv(descriptor_, text.data() + have, bytes - have, 0);
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
  }
  std::string ask(const std::vector<std::string>& arguments, std::size_t reply_bytes) {
    send(request(arguments));
    return read(reply_bytes);
  }
  std::string read_to_end() { return read(std::size_t{64} << 20); }

 private:
  int descriptor_;
  bool connected_ = false;
};

class SocketTest : public ::testing::Test {
 protected:
  void serve(unsigned threads) {
    auto socket = BoundSocket::bind("127.0.0.1", 0);
    ASSERT_TRUE(socket);
    port = socket->port();
    for (unsigned i = 0; i < threads; ++i) {
      state.counters.push_back(std::make_unique<WorkerCounters>());
      workers.push_back(std::make_unique<WorkerThread>(
          store, state, *state.counters.back(),
          io::AsioLoopOptions{.queue_depth = 8, .registered_buffers = 1}));
      workers.back()->start();
    }
    listener = std::make_unique<Listener>(std::move(*socket), false, state, workers);
    ASSERT_TRUE(listener->start());
  }
  void stop() {
    if (listener) listener->stop();
    listener.reset();
    for (auto& worker : workers) {
      worker->begin_shutdown(false);
    }
    for (auto& worker : workers) {
      EXPECT_TRUE(worker->wait_stopped(std::chrono::seconds(60)));
    }
    workers.clear();
  }
  void TearDown() override { stop(); }

  ServedStore store;
  ServerState state;
  std::vector<std::unique_ptr<WorkerThread>> workers;
  std::unique_ptr<Listener> listener;
  std::uint16_t port = 0;
};

TEST_F(SocketTest, AnswersPipelinedCommands) {
  serve(1);
  Client client(port);
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += request({"SET", "k", "v"}) + request({"GET", "k"});
  client.send(text);
  std::string expected;
  for (int i = 0; i < 5000; ++i)
    expected += "+OK\r\n$1\r\nv\r\n";
  EXPECT_EQ(client.read(expected.size()), expected);
}

TEST_F(SocketTest, CarriesLargeValuesBothWays) {
  serve(1);
  Client client(port);
  const std::string value(5'000'000, 'x');
  EXPECT_EQ(client.ask({"SET", "k", value}, 5), "+OK\r\n");
  const std::string expected = "$5000000\r\n" + value + "\r\n";
  // More than the socket's buffers: the server has to wait for the reader.
  client.send(request({"GET", "k"}) + request({"GET", "k"}) + request({"GET", "k"}));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(client.read(expected.size()) == expected);
}

TEST_F(SocketTest, ClientsAreSpreadOverTheWorkers) {
  serve(2);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<Client>(port));
    EXPECT_EQ(clients.back()->ask({"PING"}, 7), "+PONG\r\n");
  }
  EXPECT_EQ(workers[0]->load(), 3u);
  EXPECT_EQ(workers[1]->load(), 3u);
}

TEST_F(SocketTest, AHalfClosedClientIsAnsweredThenClosed) {
  serve(1);
  Client client(port);
  client.send(request({"SET", "k", "v"}) + request({"GET", "k"}) + "*2\r\n$3\r\nGET");
  client.end();
  EXPECT_EQ(client.read_to_end(), "+OK\r\n$1\r\nv\r\n");
}

TEST_F(SocketTest, TooManyClientsAreTurnedAway) {
  state.max_clients = 1;
  serve(1);
  Client first(port);
  EXPECT_EQ(first.ask({"PING"}, 7), "+PONG\r\n");
  Client second(port);
  EXPECT_EQ(second.read_to_end(), "-ERR max number of clients reached\r\n");
  EXPECT_EQ(state.totals().rejected, 1u);
}

TEST_F(SocketTest, AProtocolErrorClosesThatClientOnly) {
  serve(1);
  Client good(port);
  Client bad(port);
  bad.send("*1\r\n$x\r\n");
  EXPECT_EQ(bad.read_to_end(), "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_EQ(good.ask({"PING"}, 7), "+PONG\r\n");
}

TEST_F(SocketTest, KilledClientsAreClosed) {
  serve(2);
  // One after the other: two workers may register clients in either order.
  Client killer(port);
  ASSERT_EQ(killer.ask({"CLIENT", "ID"}, 4), ":1\r\n");
  Client victim(port);
  ASSERT_EQ(victim.ask({"CLIENT", "ID"}, 4), ":2\r\n");
  EXPECT_EQ(killer.ask({"CLIENT", "KILL", "ID", "2"}, 4), ":1\r\n");
  EXPECT_EQ(victim.read_to_end(), "");
}

TEST_F(SocketTest, StoppingAnswersWhatWasAskedAndClosesTheRest) {
  serve(1);
  Client client(port);
  Client idle(port);
  EXPECT_EQ(idle.ask({"PING"}, 7), "+PONG\r\n");
  EXPECT_EQ(client.ask({"SET", "k", "v"}, 5), "+OK\r\n");
  stop();
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_FALSE(Client(port).connected());
}

TEST(BoundSocket, ABusyPortIsNamed) {
  auto first = BoundSocket::bind("127.0.0.1", 0);
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->listen());
  const auto second = BoundSocket::bind("127.0.0.1", first->port());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("is in use by another process"), std::string::npos);
}

}  // namespace
}  // namespace kachel::server
