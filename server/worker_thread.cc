#include "server/worker_thread.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <utility>

namespace kachel::server {
namespace {

constexpr std::size_t kScratchBytes = 64 * 1024;
constexpr std::size_t kScratchAheadBytes = 16 * 1024;  // what a connection reads at once
static_assert(Poller::kGroup <= Worker::kMostForeseen);
constexpr std::chrono::milliseconds kSweepInterval{1000};
constexpr std::chrono::milliseconds kStoppingSweepInterval{5};
// Of a TLS handshake, from the connection on: its client can do nothing else meanwhile.
constexpr std::chrono::milliseconds kHandshakePatience{10'000};

}  // namespace

WorkerThread::WorkerThread(Store& store, ServerState& state, WorkerCounters& counters,
                           const io::AsioLoopOptions& options)
    : store_(store), state_(state), counters_(counters), loop_(options) {}

WorkerThread::~WorkerThread() {
  if (!thread_.joinable()) return;
  begin_shutdown(true);
  thread_.join();
}

void WorkerThread::start() {
  std::promise<void> ready;
  loop_.post([this, &ready] {
    worker_ = store_.attach(loop_);
    accounted_.emplace(*worker_,
                       std::make_shared<Ledger>(counters_.meter, state_.models, state_.policy));
    poller_ = std::make_unique<Poller>(loop_, [this] { looked_ahead(); });
    scratch_.resize(kScratchBytes);
    scratch_ahead_.resize(Poller::kGroup * kScratchAheadBytes);
    sweep();
    ready.set_value();
  });
  thread_ = std::thread([this] {
    if (auto confined = confine_this_thread(state_.worker_cpus); !confined) {
      spdlog::warn("a worker runs on any processor: {}", confined.error().message);
    }
    loop_.run();
    stopped_.set_value();
  });
  ready.get_future().wait();
}

std::span<char> WorkerThread::scratch_ahead() {
  const std::size_t at = scratches_taken_ * kScratchAheadBytes;
  if (at == scratch_ahead_.size()) return {};
  ++scratches_taken_;
  return std::span(scratch_ahead_).subspan(at, kScratchAheadBytes);
}

void WorkerThread::foresee(const Worker::Foreseen& key) {
  foreseen_.push_back(key);
}

/// By the time the next group does, this one's events are over.
void WorkerThread::looked_ahead() {
  if (foreseen_.size() > 1) accounted_->foresee(foreseen_);
  foreseen_.clear();
  scratches_taken_ = 0;
}

void WorkerThread::run(std::function<void(Poller&, io::AsioLoop&)> task) {
  loop_.post([this, task = std::move(task)] {
    if (poller_) task(*poller_, loop_);
  });
}

void WorkerThread::adopt(AcceptedSocket socket) {
  load_.fetch_add(1, std::memory_order_relaxed);
  loop_.post([this, socket = std::move(socket)]() mutable { open(std::move(socket)); });
}

void WorkerThread::open(AcceptedSocket socket) {
  if (stopping_) {
    load_.fetch_sub(1, std::memory_order_relaxed);
    ::close(socket.descriptor);
    return;
  }
  const auto client = std::make_shared<ClientRecord>();
  client->address = std::move(socket.peer);
  client->local_address = std::move(socket.local);
  client->descriptor = socket.descriptor;
  client->created_ms = monotonic_ms();
  client->active_ms = client->created_ms;
  // Before others can see it. The record outlives its own member.
  client->kill = [this, record = client.get()] {
    loop_.post([this, id = record->id] { kill(id); });
  };
  state_.clients.add(client);
  WorkerCounters::add(counters_.connections, 1);

  struct NoHost final : SessionHost {  // stands in until the connection takes its place
    explicit NoHost(io::Loop& own) : own_loop(own) {}
    void output_ready(Session&) override {}
    void resume_later(Session&) override {}
    void input_changed(Session&) override {}
    io::Loop& loop() override { return own_loop; }
    io::Loop& own_loop;
  } nobody{loop_};
  const SessionServices services{store_, *accounted_, state_, counters_, chunks_, policy_, nobody};
  ConnectionOwner& owner = *this;
  auto connection = std::make_unique<Connection>(owner, socket, services, client);
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  if (!connections_.back()->start()) connections_.back()->close();
}

void WorkerThread::kill(std::uint64_t client_id) {
  for (const auto& connection : connections_) {
    if (connection->client().id == client_id) return connection->close();
  }
}

// Swapped out of the list at once; destroyed at the end of the turn, as its caller may still
// be using it.
void WorkerThread::closed(Connection& connection) {
  state_.clients.remove(connection.client().id);
  load_.fetch_sub(1, std::memory_order_relaxed);
  if (connection.session()->pending() > 0) orphans_.push_back(connection.session());
  const std::size_t index = connection.index;
  closed_.push_back(std::move(connections_[index]));
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  schedule_turn_end();
}

void WorkerThread::flush_later(Connection& connection) {
  if (connection.flush_queued || !connection.is_open()) return;
  connection.flush_queued = true;
  flushes_.push_back(&connection);
  schedule_turn_end();
}

/// Once the replies of this turn have left: the loop runs what is posted meanwhile in the same
/// turn.
void WorkerThread::resume_later(SessionPointer session) {
  resumes_.push_back(std::move(session));
  schedule_turn_end();
}

void WorkerThread::schedule_turn_end() {
  if (std::exchange(turn_end_scheduled_, true)) return;
  loop_.at_turn_end([this] { at_turn_end(); });
}

// One gather write for each client that has got replies in this turn.
void WorkerThread::at_turn_end() {
  turn_end_scheduled_ = false;
  std::vector<Connection*> flushes;
  flushes.swap(flushes_);
  for (Connection* connection : flushes) {
    connection->flush_queued = false;
    connection->flush();
  }
  for (SessionPointer& session : std::exchange(resumes_, {}))
    loop_.post([session = std::move(session)] { session->resume(); });
  // Those closed while queued again stay until the next turn's end has passed them.
  std::erase_if(closed_, [](const auto& connection) { return !connection->flush_queued; });
  if (!closed_.empty()) schedule_turn_end();
  if (flushes_.empty()) {
    flushes.clear();
    flushes_.swap(flushes);  // keep the memory
  }
  stop_if_done();
}

void WorkerThread::sweep() {
  const std::int64_t idle_since_ms = monotonic_ms() - state_.idle_timeout_s * 1000;
  const std::int64_t shaking_since_ms = monotonic_ms() - kHandshakePatience.count();
  for (std::size_t i = connections_.size(); i > 0; --i) {
    Connection& connection = *connections_[i - 1];
    const std::int64_t active_ms = connection.client().active_ms.load(std::memory_order_relaxed);
    const bool idle = state_.idle_timeout_s > 0 && active_ms < idle_since_ms &&
                      connection.session()->pending() == 0;
    const bool stalls = connection.is_shaking_hands() && active_ms < shaking_since_ms;
    // Closing swaps the last one, already seen, into this place.
    if (idle || stalls) connection.close();
  }
  std::erase_if(orphans_, [](const SessionPointer& session) { return session->pending() == 0; });
  stop_if_done();
  if (worker_) {
    loop_.schedule_after(stopping_ ? kStoppingSweepInterval : kSweepInterval, [this] { sweep(); });
  }
}

void WorkerThread::begin_shutdown(bool force) {
  loop_.post([this, force] {
    if (!worker_) return;
    stopping_ = true;
    worker_->end_lease_waits();
    for (std::size_t i = connections_.size(); i > 0; --i) {
      if (force) {
        connections_[i - 1]->close();
      } else {
        connections_[i - 1]->begin_shutdown();
      }
    }
    sweep();
  });
}

void WorkerThread::stop_if_done() {
  if (!stopping_ || !worker_ || !connections_.empty() || !closed_.empty() || !orphans_.empty()) {
    return;
  }
  poller_.reset();
  accounted_.reset();
  worker_.reset();
  loop_.stop();
}

bool WorkerThread::wait_stopped(std::chrono::milliseconds patience) {
  if (stopped_future_.wait_for(patience) != std::future_status::ready) return false;
  thread_.join();
  return true;
}

}  // namespace kachel::server
