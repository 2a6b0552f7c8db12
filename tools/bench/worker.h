// One thread of load: its connections, its share of the operations, its counts. The loops differ
// in when an operation begins:
//   closed  a connection sends a full pipeline, waits until all of it is answered, and goes on;
//   open    operations begin when they are due, on whichever connection has room.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <sys/epoll.h>
#include <thread>
#include <vector>

#include "tools/bench/connection.h"
#include "tools/bench/cpu_meter.h"
#include "tools/bench/key_text.h"
#include "tools/bench/operation_source.h"
#include "tools/bench/plan.h"
#include "tools/bench/schedule.h"
#include "tools/bench/stats.h"

namespace kachel::bench {

/// What the workers of a phase share.
struct Gathering {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> running{0};
  std::atomic<std::int64_t> ended_ns{0};  // when the last one that has ended did
};

class Worker {
 public:
  /// Thread `part` of the plan's. All that is given outlives it.
  Worker(const Plan& plan, const PhasePlan& phase, std::uint64_t part, Gathering& gathering);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<void> connect();
  void start(std::int64_t begin_ns);
  void join();

  /// Adds what was counted since the last call. Any thread.
  void take(Stats& to);
  /// Since the thread began. Any thread.
  ThreadMeter::Reading cpu() const;
  /// Once joined: what ended it before its time.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  void run();
  void loop();
  void issue_first();
  void turn();
  bool is_finished(std::int64_t now_ns);
  void wait();
  std::int64_t wait_ns(std::int64_t now_ns) const;
  void handle_event(Connection& connection, std::uint32_t events);
  Result<void> receive(Connection& connection);
  void count_reply(Connection& connection, const Pending& pending, const Reply& reply);
  void count_error(std::string_view text);
  void check_value(std::uint64_t key, std::string_view value);
  void fail(Error error);

  // worker_issue.cc: what is sent, and when.
  bool may_issue(std::int64_t now_ns) const;
  bool may_go_on(std::int64_t now_ns) const;
  void issue_closed(Connection& connection);
  void issue_open();
  void issue_fills(Connection& connection);
  void put(Connection& connection, const Operation& operation, std::int64_t begin_ns, bool is_fill);
  void send(Connection& connection);
  std::int64_t due_ns() const;
  void count_not_sent();
  void note_room(std::size_t connection);

  const Plan& plan_;
  const PhasePlan& phase_;
  const Protocol& protocol_;
  Gathering& gathering_;
  const std::size_t part_;
  OperationSource source_;
  KeyText key_text_;
  std::vector<char> written_;   // scratch for values
  std::vector<char> expected_;  // the same
  std::vector<Connection> connections_;
  std::optional<RateSchedule> schedule_;
  LatenessJudge judge_;
  FixedQueue<std::size_t> with_room_;  // connections, of the open loop
  std::vector<std::size_t> to_send_;
  int epoll_ = -1;
  int ready_ = 0;
  std::vector<epoll_event> events_;
  std::int64_t begin_ns_ = 0;
  std::int64_t end_ns_ = INT64_MAX;  // of issuing
  std::int64_t now_ns_ = 0;          // at the begin of the turn
  std::int64_t issuing_ended_ns_ = 0;
  std::uint64_t left_ = 0;  // operations to issue
  std::uint64_t unanswered_ = 0;
  std::optional<Error> failure_;
  std::thread thread_;

  mutable std::mutex mutex_;  // guards what follows; held for a turn, taken once an interval
  Stats stats_;
  std::optional<ThreadMeter> meter_;
  ThreadMeter::Reading at_begin_;
  ThreadMeter::Reading last_;
};

std::int64_t monotonic_ns();

}  // namespace kachel::bench
