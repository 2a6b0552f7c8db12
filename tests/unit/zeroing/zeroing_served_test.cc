// A server on a real store: nothing that its threads give back to the heap holds a key, a value or
// a subject.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <initializer_list>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "engine/kachel.h"
#include "server/listener.h"
#include "server/worker_thread.h"
#include "tests/contract/temp_directory.h"
#include "tests/unit/zeroing/freed_memory.h"

namespace kachel::server {
namespace {

constexpr std::string_view kKey = "patient/4711/summary/of/the/last/visit";
constexpr std::string_view kShortKey = "patient 4711";  // lies inside a string
constexpr std::string_view kValue = "She was told on Tuesday that the lump is benign.";
constexpr std::string_view kSubject = "alice.of.the.north@example.org";
constexpr std::string_view kShortSubject = "bob@exa.org";

/// A client whose own buffers are never given back.
class StaticClient {
 public:
  explicit StaticClient(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~StaticClient() { ::close(descriptor_); }
  StaticClient(const StaticClient&) = delete;
  StaticClient& operator=(const StaticClient&) = delete;

  void add(std::string_view text) {
    ASSERT_LE(used_ + text.size(), buffer_.size());
    std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void add(std::initializer_list<std::string_view> arguments) {
    add("*" + std::to_string(arguments.size()) + "\r\n");
    for (const std::string_view argument : arguments) {
      add("$" + std::to_string(argument.size()) + "\r\n");
      add(argument);
      add("\r\n");
    }
  }
  /// Sends what has been added, and a PING; all that comes until that is answered. Valid until the
  /// next call.
  std::string_view ask() {
    if (!connected_) return "not connected";
    add({"PING", "sent"});
    std::size_t sent = 0;
    while (sent < used_) {
      // In pieces, so that requests are received in place as well.
      const std::size_t piece = std::min<std::size_t>(used_ - sent, 1000);
      const ssize_t done = ::send(descriptor_, buffer_.data() + sent, piece, MSG_NOSIGNAL);
      if (done <= 0) return "not sent";
      sent += static_cast<std::size_t>(done);
    }
    used_ = 0;
    constexpr std::string_view kEnd = "$4\r\nsent\r\n";
    std::size_t have = 0;
    while (true) {
      const ssize_t got = ::recv(descriptor_, buffer_.data() + have, buffer_.size() - have, 0);
      if (got <= 0) return "closed";
      have += static_cast<std::size_t>(got);
      const std::string_view all(buffer_.data(), have);
      if (all.ends_with(kEnd)) return all.substr(0, have - kEnd.size());
    }
  }
  std::string_view ask(std::initializer_list<std::string_view> arguments) {
    add(arguments);
    return ask();
  }

 private:
  static inline std::array<char, (1 << 20)> buffer_;
  int descriptor_;
  bool connected_ = false;
  std::size_t used_ = 0;
};

class ZeroingServedTest : public ::testing::Test {
 protected:
  void start() {
    Options options;
    options.memory_bytes = 16 * kMiB;
    options.capacity_bytes = 64 * kMiB;
    options.segment_bytes = 256 * 1024;
    store_ = LocalStore::open(directory_.path() / "data", options).value();
    state_ = std::make_unique<ServerState>();
    state_->counters.push_back(std::make_unique<WorkerCounters>());
    workers_.push_back(std::make_unique<WorkerThread>(
        store_->store(), *state_, *state_->counters[0], io::AsioLoopOptions{.queue_depth = 8}));
    workers_[0]->start();
    auto socket = BoundSocket::bind("127.0.0.1", 0);
    ASSERT_TRUE(socket);
    port_ = socket->port();
    listener_ = std::make_unique<Listener>(std::move(*socket), false, *state_, workers_);
    ASSERT_TRUE(listener_->start());
  }
  void stop() {
    if (listener_) listener_->stop();
    listener_.reset();
    for (auto& worker : workers_) {
      worker->begin_shutdown(false);
      EXPECT_TRUE(worker->wait_stopped(std::chrono::seconds(60)));
    }
    workers_.clear();
    store_.reset();
    state_.reset();
  }
  void TearDown() override { stop(); }

  io::TempDirectory directory_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<ServerState> state_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::unique_ptr<Listener> listener_;
  std::uint16_t port_ = 0;
};

TEST_F(ZeroingServedTest, NothingThatIsFreedHoldsWhatClientsSaid) {
  // Long enough to be referenced by a reply, not copied; the same text all over, to find any part.
  static std::array<char, 100'000> large;
  for (std::size_t at = 0; at < large.size(); ++at)
    large[at] = kValue[at % kValue.size()];
  const std::string_view large_value(large.data(), large.size());

  const FreedMemory freed({kKey, kShortKey, kValue, kSubject, kShortSubject});
  start();
  {
    StaticClient client(port_);
    client.add({"SET", kKey, kValue});
    client.add({"SET", "large", large_value});
    client.add({"KACHEL.SET", kShortKey, kValue, "SUBJECT", kSubject, "SUBJECT", kShortSubject});
    client.add({"GET", kKey});
    client.add({"KACHEL.META", kShortKey});
    client.add({"MSET", "a", kValue, "b", kValue});
    client.add({"MGET", kKey, kShortKey, "a", "none"});
    client.add({"SET", kKey, kValue, "XX", "GET"});
    client.add({"EXPIRE", kKey, "1000", "XX", "LT"});
    client.add({"GETEX", kKey, "PERSIST"});
    client.add({kKey, kShortKey, kValue});  // no such command
    client.add("SET inline \"");
    client.add(kShortKey);
    client.add("\"\r\n");
    EXPECT_NE(client.ask().find(kShortSubject), std::string_view::npos);
    EXPECT_EQ(freed.found(), 0u);
    EXPECT_GT(client.ask({"GET", "large"}).size(), large.size());
    client.add({"SCAN", "0", "MATCH", kShortKey});
    EXPECT_NE(client.ask().find(kShortKey), std::string_view::npos);
    client.add({"KACHEL.LEASE", kShortSubject, "10"});
    client.add({"KACHEL.ERASE", "KEY", "a", kSubject});
    client.add({"KACHEL.HOLD", "SUBJECT", kKey, "REASON", "case 4711"});
    client.add({"KACHEL.ERASE", "SUBJECT", kValue});
    client.add({"KACHEL.ERASE", "SUBJECT", kSubject, "DRYRUN"});
    EXPECT_NE(client.ask().find("entries"), std::string_view::npos);
    client.add({"SET", "unfinished", kValue});
  }
  stop();
  EXPECT_EQ(freed.found(), 0u);

  start();  // everything is cold now
  {
    StaticClient client(port_);
    EXPECT_NE(client.ask({"GET", kKey}).find(kValue), std::string_view::npos);
    EXPECT_NE(client.ask({"KACHEL.META", kShortKey}).find(kSubject), std::string_view::npos);
    EXPECT_GT(client.ask({"GET", "large"}).size(), large.size());
    client.add({"MGET", kKey, kShortKey, "b"});
    client.add({"GETDEL", kKey});
    client.add({"KACHEL.ERASE", "SUBJECT", kShortSubject});
    client.add({"GET", kShortKey});
    EXPECT_NE(client.ask().find(kValue), std::string_view::npos);
  }
  stop();
  EXPECT_EQ(freed.found(), 0u);
}

/// As after a kill: recovery scans segments that have no table.
TEST_F(ZeroingServedTest, NothingThatARecoveryFreesHoldsIt) {
  start();
  {
    StaticClient client(port_);
    client.add({"KACHEL.SET", kKey, kValue, "SUBJECT", kSubject});
    client.add({"KACHEL.SET", kShortKey, kValue, "SUBJECT", kShortSubject});
    EXPECT_NE(client.ask().find("OK"), std::string_view::npos);
    // While the store is open: its segment has no footer yet.
    std::filesystem::copy(directory_.path() / "data" / "segments", directory_.path() / "segments");
  }
  stop();
  std::filesystem::remove_all(directory_.path() / "data" / "segments");
  std::filesystem::rename(directory_.path() / "segments", directory_.path() / "data" / "segments");
  std::filesystem::remove_all(directory_.path() / "data" / "index");

  const FreedMemory freed({kKey, kShortKey, kValue, kSubject, kShortSubject});
  start();
  StaticClient client(port_);
  EXPECT_NE(client.ask({"GET", kKey}).find(kValue), std::string_view::npos);
  EXPECT_NE(client.ask({"GET", kShortKey}).find(kValue), std::string_view::npos);
  stop();
  EXPECT_EQ(freed.found(), 0u);
}

}  // namespace
}  // namespace kachel::server
