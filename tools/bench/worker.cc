#include "tools/bench/worker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace kachel::bench {
namespace {

constexpr int kMaxEvents = 256;
// A start that is later than this is counted as late.
constexpr std::int64_t kLateNs = 1'000'000;
// Nothing is waited for longer, so that what others ask is noticed.
constexpr std::int64_t kLongestWaitNs = 100'000'000;
// After the last request, for replies that do not come.
constexpr std::int64_t kDrainNs = 10'000'000'000;
constexpr std::size_t kMaxKindsOfErrors = 32;

std::size_t connections_of(const Plan& plan, std::uint64_t part) {
  return plan.connections / plan.threads + (part < plan.connections % plan.threads ? 1 : 0);
}

timespec timespec_of(std::int64_t ns) {
  return {ns / 1'000'000'000, ns % 1'000'000'000};
}

bool is_misuse(std::string_view word) {
  return word == "NOAUTH" || word == "NOPERM" || word == "WRONGPASS" || word == "READONLY";
}

}  // namespace

std::int64_t monotonic_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Worker::Worker(const Plan& plan, const PhasePlan& phase, std::uint64_t part, Gathering& gathering)
    : plan_(plan),
      phase_(phase),
      protocol_(*plan.protocol),
      gathering_(gathering),
      part_(part),
      source_(plan, phase, part),
      key_text_(plan.key_prefix),
      judge_(kLateNs),
      with_room_(connections_of(plan, part)),
      events_(kMaxEvents),
      left_(source_.count()) {}

Worker::~Worker() {
  join();
  if (epoll_ >= 0) ::close(epoll_);
}

Result<void> Worker::connect() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return os_error(errno, "epoll_create1");
  const std::size_t count = connections_of(plan_, part_);
  connections_.reserve(count);
  to_send_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto opened = Connection::open(plan_.server, protocol_, plan_.pipeline);
    if (!opened) return opened.error();
    connections_.push_back(std::move(*opened));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back().descriptor(), &event) != 0) {
      return os_error(errno, "epoll_ctl");
    }
  }
  return {};
}

void Worker::start(std::int64_t begin_ns) {
  begin_ns_ = begin_ns;
  if (phase_.duration_ns > 0) end_ns_ = begin_ns + phase_.duration_ns;
  if (phase_.rate) {
    schedule_.emplace(plan_.arrivals, *phase_.rate, begin_ns, part_, plan_.threads, plan_.seed);
  }
  ++gathering_.running;
  thread_ = std::thread([this] { run(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::take(Stats& to) {
  const std::lock_guard lock(mutex_);
  to.add(stats_);
  stats_.clear();
}

ThreadMeter::Reading Worker::cpu() const {
  const std::lock_guard lock(mutex_);
  const auto reading = meter_ ? meter_->read() : std::nullopt;
  const ThreadMeter::Reading& now = reading ? *reading : last_;
  return {now.cpu_ns - at_begin_.cpu_ns, now.waiting_ns - at_begin_.waiting_ns};
}

void Worker::run() {
  // Timers are late by 50 us otherwise.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  {
    const std::lock_guard lock(mutex_);
    meter_ = ThreadMeter::of_this_thread();
    at_begin_ = last_ = meter_->read().value_or(ThreadMeter::Reading{});
  }
  const timespec begin = timespec_of(begin_ns_);
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &begin, nullptr) == EINTR) {
  }
  loop();
  {
    const std::lock_guard lock(mutex_);
    stats_.unanswered += unanswered_;
    last_ = meter_->read().value_or(last_);
    meter_.reset();
  }
  if (failure_) gathering_.stop = true;
  gathering_.ended_ns = now_ns_;
  --gathering_.running;
}

void Worker::loop() {
  issue_first();
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      turn();
      if (failure_ || is_finished(now_ns_)) return;
    }
    wait();
  }
}

void Worker::issue_first() {
  const std::lock_guard lock(mutex_);
  now_ns_ = monotonic_ns();
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (phase_.is_open()) {
      note_room(i);
    } else {
      issue_closed(connections_[i]);
    }
  }
}

void Worker::turn() {
  now_ns_ = monotonic_ns();
  for (int i = 0; i < ready_ && !failure_; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    handle_event(connections_[event.data.u64], event.events);
  }
  ready_ = 0;
  if (phase_.is_open()) issue_open();
}

bool Worker::is_finished(std::int64_t now_ns) {
  if (may_go_on(now_ns)) return false;
  if (issuing_ended_ns_ == 0) {
    issuing_ended_ns_ = now_ns;
    if (phase_.is_open()) count_not_sent();
  }
  return unanswered_ == 0 || now_ns - issuing_ended_ns_ > kDrainNs;
}

std::int64_t Worker::wait_ns(std::int64_t now_ns) const {
  std::int64_t until = std::min(now_ns + kLongestWaitNs, std::max(end_ns_, now_ns));
  if (issuing_ended_ns_ != 0) until = now_ns + kLongestWaitNs;
  // Without room only a reply lets us go on.
  if (phase_.is_open() && issuing_ended_ns_ == 0 && !with_room_.empty()) {
    until = std::min(until, due_ns());
  }
  return std::max<std::int64_t>(0, until - now_ns);
}

void Worker::wait() {
  const timespec longest = timespec_of(wait_ns(monotonic_ns()));
  ready_ = ::epoll_pwait2(epoll_, events_.data(), kMaxEvents, &longest, nullptr);
  if (ready_ < 0 && errno != EINTR) fail(os_error(errno, "epoll_pwait2"));
  ready_ = std::max(ready_, 0);
}

void Worker::handle_event(Connection& connection, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) send(connection);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  if (const auto received = receive(connection); !received) {
    Error error = received.error();
    error.message = fmt::format("{}: {}", plan_.server.endpoint, error.message);
    return fail(std::move(error));
  }
  if (phase_.is_open()) {
    issue_fills(connection);
    note_room(static_cast<std::size_t>(&connection - connections_.data()));
  } else if (connection.unanswered() == 0) {
    issue_closed(connection);
  }
}

Result<void> Worker::receive(Connection& connection) {
  const auto got = connection.receive();
  if (!got) return got.error();
  stats_.bytes_received += *got;
  now_ns_ = monotonic_ns();
  Connection::Answer answer;
  while (!failure_) {
    const auto taken = connection.take_reply(protocol_, answer);
    if (!taken) return taken.error();
    if (!*taken) return {};
    --unanswered_;
    count_reply(connection, answer.pending, answer.reply);
  }
  return {};
}

void Worker::count_reply(Connection& connection, const Pending& pending, const Reply& reply) {
  stats_.latencies(pending.kind).record(now_ns_ - pending.begin_ns);
  ++stats_.answered[static_cast<std::size_t>(pending.kind)];
  if (pending.is_fill) ++stats_.fills;
  if (reply.kind == ReplyKind::kError) return count_error(reply.text);
  if (pending.kind != OperationKind::kGet) return;
  if (reply.kind == ReplyKind::kMiss) {
    ++stats_.misses;
    if (plan_.fill_misses && phase_.kind != PhaseKind::kCold) connection.fills().push(pending.key);
  } else {
    ++stats_.hits;
    if (plan_.check) check_value(pending.key, reply.text);
  }
}

void Worker::count_error(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  if (stats_.first_error.empty()) stats_.first_error = text;
  const auto found = stats_.errors.find(word);
  if (found != stats_.errors.end()) {
    ++found->second;
  } else {
    const bool is_full = stats_.errors.size() == kMaxKindsOfErrors;
    ++stats_.errors[is_full ? std::string("(others)") : std::string(word)];
  }
  if (is_misuse(word)) {
    fail({ErrorCode::kPermission, fmt::format("the server answered \"{}\"", text)});
  }
}

void Worker::check_value(std::uint64_t key, std::string_view value) {
  if (value == plan_.values->value(key, expected_)) return;
  ++stats_.mismatches;
  if (stats_.first_mismatch.empty()) stats_.first_mismatch = key_text_.of(key);
}

void Worker::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
}

}  // namespace kachel::bench
