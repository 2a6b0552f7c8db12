// One thread that serves clients: its loop, its door to the store, its connections.
//
// start(), adopt(), begin_shutdown() and the rest of the public calls: from the thread that
// owns the server, or where said. Everything private runs on the loop's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "io/asio_loop.h"
#include "server/accounting_worker.h"
#include "server/connection.h"
#include "server/server_state.h"

namespace kachel::server {

class WorkerThread final : private ConnectionOwner {
 public:
  /// The arguments outlive the thread. `counters` is written by it alone.
  WorkerThread(Store& store, ServerState& state, WorkerCounters& counters,
               const io::AsioLoopOptions& options);
  ~WorkerThread() override;
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  /// Returns once the thread serves.
  void start();
  /// Takes over a connected socket. Any thread.
  void adopt(AcceptedSocket socket);
  /// Connections now. Any thread.
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  /// Runs on the loop's thread, with this worker's poller.
  void run(std::function<void(Poller&, io::AsioLoop&)> task);

  /// Clients get the answers to what they have asked, then are closed; at once when `force`.
  void begin_shutdown(bool force);
  /// Waits until no client and no operation is left and the thread has ended; false when
  /// `patience` is over before.
  bool wait_stopped(std::chrono::milliseconds patience);

  bool uses_io_uring() const { return loop_.uses_io_uring(); }
  std::string fallback_reason() const { return loop_.fallback_reason(); }

 private:
  Poller& poller() override { return *poller_; }
  io::Loop& loop() override { return loop_; }
  std::span<char> scratch() override { return scratch_; }
  std::span<char> scratch_ahead() override;
  void foresee(const Worker::Foreseen& key) override;
  void looked_ahead();
  void flush_later(Connection& connection) override;
  void resume_later(SessionPointer session) override;
  void closed(Connection& connection) override;

  void open(AcceptedSocket socket);
  void kill(std::uint64_t client_id);
  void at_turn_end();
  void schedule_turn_end();
  void sweep();
  void stop_if_done();

  Store& store_;
  ServerState& state_;
  WorkerCounters& counters_;
  io::AsioLoop loop_;
  std::thread thread_;
  std::promise<void> stopped_;
  std::future<void> stopped_future_ = stopped_.get_future();
  std::atomic<std::size_t> load_{0};

  // Loop thread only, from here.
  std::unique_ptr<Worker> worker_;
  std::optional<AccountingWorker> accounted_;  // the same, as sessions see it
  std::unique_ptr<Poller> poller_;
  ChunkPool chunks_;
  PolicyReader policy_{state_.policy};
  std::vector<char> scratch_;
  std::vector<char> scratch_ahead_;  // for each of a group that looks ahead
  std::size_t scratches_taken_ = 0;
  std::vector<Worker::Foreseen> foreseen_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> closed_;  // until the end of the turn
  std::vector<Connection*> flushes_;
  std::vector<SessionPointer> orphans_;  // closed, with operations under way
  std::vector<SessionPointer> resumes_;  // after this turn
  bool turn_end_scheduled_ = false;
  bool stopping_ = false;
};

}  // namespace kachel::server
