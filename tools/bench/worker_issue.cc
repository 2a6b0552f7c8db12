// What a worker sends, and when.
#include <cerrno>

#include "tools/bench/worker.h"

namespace kachel::bench {
namespace {
constexpr std::int64_t kNever = INT64_MAX;
}  // namespace

/// Of an open loop, what is due before the end begins, be it a moment later.
bool Worker::may_issue(std::int64_t now_ns) const {
  if (left_ == 0 || gathering_.stop.load(std::memory_order_relaxed)) return false;
  return (phase_.is_open() ? due_ns() : now_ns) < end_ns_;
}

/// After the end it would have begun, were there room.
bool Worker::may_go_on(std::int64_t now_ns) const {
  return now_ns < end_ns_ && may_issue(now_ns);
}

void Worker::put(Connection& connection, const Operation& operation, std::int64_t begin_ns,
                 bool is_fill) {
  RequestBuffer& out = connection.requests();
  const std::string_view key = key_text_.of(operation.key);
  switch (operation.kind) {
    case OperationKind::kGet:
      protocol_.get(out, key);
      break;
    case OperationKind::kSet:
      protocol_.set(out, key, plan_.values->value(operation.key, written_),
                    source_.draw_set_ttl_ms());
      break;
    case OperationKind::kDel:
      protocol_.remove(out, key);
      break;
    case OperationKind::kExpire:
      protocol_.expire(out, key, source_.draw_ttl_ms());
      break;
    case OperationKind::kPing:
      protocol_.ping(out);
      break;
  }
  connection.expect({operation.kind, is_fill, operation.key, begin_ns});
  ++unanswered_;
}

void Worker::send(Connection& connection) {
  const auto sent = connection.send();
  if (!sent) return fail(sent.error());
  stats_.bytes_sent += *sent;
  const bool wants_writable = !connection.requests().waiting().empty();
  if (wants_writable == connection.wants_writable) return;
  epoll_event event{};
  event.events = EPOLLIN | (wants_writable ? EPOLLOUT : 0U);
  event.data.u64 = static_cast<std::uint64_t>(&connection - connections_.data());
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor(), &event) != 0) {
    return fail(os_error(errno, "epoll_ctl"));
  }
  connection.wants_writable = wants_writable;
}

/// A pipeline of a connection that has nothing under way: what misses left to set, and then what
/// is next.
void Worker::issue_closed(Connection& connection) {
  const std::int64_t now_ns = now_ns_;
  for (std::size_t room = plan_.pipeline; room > 0; --room) {
    if (!connection.fills().empty()) {
      put(connection, {OperationKind::kSet, connection.fills().pop()}, now_ns, true);
    } else if (may_issue(now_ns)) {
      --left_;
      put(connection, source_.next(), now_ns, false);
    } else {
      break;
    }
  }
  if (connection.unanswered() > 0) send(connection);
}

/// The replies have made room for as many.
void Worker::issue_fills(Connection& connection) {
  if (connection.fills().empty()) return;
  while (!connection.fills().empty())
    put(connection, {OperationKind::kSet, connection.fills().pop()}, now_ns_, true);
  send(connection);
}

void Worker::note_room(std::size_t index) {
  Connection& connection = connections_[index];
  if (connection.is_free || connection.unanswered() >= plan_.pipeline) return;
  connection.is_free = true;
  with_room_.push(index);
  judge_.room(now_ns_);
}

std::int64_t Worker::due_ns() const {
  if (left_ == 0) return kNever;
  if (schedule_) return schedule_->due_ns();
  return trace_due_ns(begin_ns_, source_.trace_at_ns(), *phase_.speed_up);
}

/// All that is due by now, one after the other on the connections that have room.
void Worker::issue_open() {
  const std::int64_t now_ns = now_ns_;
  while (may_issue(now_ns) && due_ns() <= now_ns) {
    if (with_room_.empty()) {
      judge_.no_room();
      break;
    }
    const std::size_t index = with_room_.pop();
    Connection& connection = connections_[index];
    connection.is_free = false;
    // By a fill, meanwhile.
    if (connection.unanswered() >= plan_.pipeline) continue;
    const std::int64_t due = due_ns();
    const auto verdict = judge_.judge(due, now_ns);
    if (verdict == LatenessJudge::Verdict::kServerSlow) ++stats_.late_by_server;
    if (verdict == LatenessJudge::Verdict::kGeneratorSlow) ++stats_.late_by_generator;
    if (connection.requests().waiting().empty()) to_send_.push_back(index);
    --left_;
    put(connection, source_.next(), due, false);
    if (schedule_) schedule_->advance();
    note_room(index);
  }
  for (const std::size_t index : to_send_)
    send(connections_[index]);
  to_send_.clear();
}

/// Those that would have come while all connections were busy, until the end.
void Worker::count_not_sent() {
  if (gathering_.stop.load()) return;
  while (left_ > 0 && due_ns() < end_ns_) {
    ++stats_.not_sent;
    --left_;
    if (schedule_) {
      schedule_->advance();
    } else {
      source_.next();
    }
  }
}

}  // namespace kachel::bench
