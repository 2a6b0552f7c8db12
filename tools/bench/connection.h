// One connection to the server: requests gathered and sent at once, replies matched to them in
// order. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "io/error.h"
#include "tools/bench/byte_buffers.h"
#include "tools/bench/fixed_queue.h"
#include "tools/bench/operation.h"
#include "tools/bench/plan.h"
#include "tools/bench/protocol.h"

namespace kachel::bench {

struct Pending {
  OperationKind kind = OperationKind::kGet;
  bool is_fill = false;
  std::uint64_t key = 0;
  std::int64_t begin_ns = 0;  // where its latency is measured from
};

class Connection {
 public:
  /// Connected, authenticated, and answered a ping. kThrottled while the server is loading,
  /// kPermission if it wants somebody else.
  static Result<Connection> open(const ServerAddress& server, const Protocol& protocol,
                                 std::size_t pipeline);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  int descriptor() const { return descriptor_; }
  RequestBuffer& requests() { return requests_; }
  void expect(const Pending& pending) { pending_.push(pending); }
  std::size_t unanswered() const { return pending_.size(); }
  /// Keys that were missed and are to be set.
  FixedQueue<std::uint64_t>& fills() { return fills_; }

  /// Sends what the kernel takes now; the bytes. What is left is in requests().
  Result<std::size_t> send();
  /// Receives once; the bytes, which take_reply() then parses.
  Result<std::size_t> receive();
  struct Answer {
    Pending pending;
    Reply reply;
  };
  /// False: no more replies are complete. `answer`'s text is good until the next receive().
  Result<bool> take_reply(const Protocol& protocol, Answer& answer);

  bool wants_writable = false;  // the worker's note of what it asked epoll for
  bool is_free = false;         // and that it is among those with room, of an open loop

 private:
  Connection(int descriptor, std::size_t pipeline);
  Result<void> greet(const ServerAddress& server, const Protocol& protocol);
  Result<Reply> ask(const Protocol& protocol);

  int descriptor_;
  std::size_t wanted_ = 0;   // bytes of the next reply, as far as is known
  bool was_filled_ = false;  // the buffer, by what was received last
  RequestBuffer requests_;
  ReplyBuffer replies_;
  FixedQueue<Pending> pending_;
  FixedQueue<std::uint64_t> fills_;
};

}  // namespace kachel::bench
