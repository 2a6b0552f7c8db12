#include "server/session.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

#include "server/log.h"
#include "server/requests_ahead.h"

namespace kachel::server {
namespace {

constexpr std::size_t kMaxQuotedBytes = 128;
constexpr std::size_t kCommandsPerLook = 4;  // at the clock
constexpr std::size_t kDeepPipeline = 8;
constexpr std::size_t kWorthAWriteBytes = std::size_t{32} << 10;
constexpr unsigned kTurnsAWrite = 8;

/// As C's %.*s prints it: at most `limit` bytes, up to the first zero byte.
std::string_view quoted(std::string_view text, std::size_t limit = kMaxQuotedBytes) {
  text = text.substr(0, limit);
  return text.substr(0, text.find('\0'));
}

/// A web page may make a browser post to a port of this machine. Redis hangs up on these
/// two words for the same reason.
bool looks_like_http(std::string_view name) {
  return equals_ignoring_case(name, "post") || equals_ignoring_case(name, "host:");
}

}  // namespace

PendingReply::~PendingReply() {
  if (!session_) return;
  writer().error("ERR the operation was abandoned");
  finish();
}

ReplyWriter PendingReply::writer() const {
  Session::Slot& slot = session_->slot(slot_);
  return {slot.reply, slot.protocol};
}

ReplyWriter PendingReply::writer(Protocol protocol) const {
  return {session_->slot(slot_).reply, protocol};
}

void PendingReply::finish() {
  const SessionPointer session = std::exchange(session_, nullptr);
  session->finish(slot_);
}

std::uint64_t PendingReply::detach() {
  session_ = nullptr;
  return slot_;
}

Session::Session(const SessionServices& services, ClientRegistry::Pointer client)
    : services_(services),
      client_(std::move(client)),
      limits_(services.state.limits),
      parser_(services.state.limits.parser),
      output_(&services.chunks) {
  become(nullptr);
}

Session::~Session() = default;

void Session::receive(std::string_view bytes) {
  WorkerCounters::add(services_.counters.input_bytes, bytes.size());
  if (closing_) return;
  if (input_.empty()) {
    external_ = bytes;
  } else {
    input_.append(bytes);
  }
  turn_commands_ = turn_bytes_ = 0;
  run();
  keep_unread();
}

std::span<char> Session::input_space() {
  if (input_.empty()) return {};
  return input_.space(parser_.wanted());
}

void Session::receive_in_place(std::size_t bytes) {
  WorkerCounters::add(services_.counters.input_bytes, bytes);
  input_.commit(bytes);
  turn_commands_ = turn_bytes_ = 0;
  run();
}

void Session::keep_unread() {
  if (external_.empty()) return;
  const std::string_view rest = std::exchange(external_, {});
  if (!closing_) input_.append(rest);
}

void Session::end_of_input() {
  eof_ = true;
  run();
}

bool Session::may_start() const {
  // EXEC's reply leaves as a whole: waiting for it to drain would be for ever.
  return !closing_ && !yielded_ && !throttled_ && !awaits_turn_ && (!full_ || is_executing()) &&
         holding_ == 0 && !key_types_.is_looking() && slots_.size() < limits_.max_pending;
}

bool Session::wants_input() const {
  return !eof_ && may_start() && !is_executing();
}

void Session::consume(std::size_t bytes) {
  turn_bytes_ += bytes;
  if (external_.empty()) {
    input_.consume(bytes);
  } else {
    external_.remove_prefix(bytes);
  }
}

void Session::run() {
  if (running_ || abandoned_) return;
  running_ = true;
  while (may_start() && step()) {
    if (is_turn_over()) give_way();
  }
  running_ = false;
  // A client that sends no more has been heard out once what it sent is no whole request.
  if (eof_ && may_start() && !is_executing()) closing_ = true;
  if (closing_) input_.release();
  if ((!output_.empty() && !waits_for_more_output()) || ended() || aborted_) {
    turns_kept_ = 0;
    services_.host.output_ready(*this);
  }
  services_.host.input_changed(*this);
}

/// Of a deep pipeline the next turn brings more replies: one write takes those of a few.
bool Session::waits_for_more_output() {
  return yielded_ && !full_ && output_.bytes() < kWorthAWriteBytes && ++turns_kept_ < kTurnsAWrite;
}

bool Session::is_turn_over() {
  if (turn_commands_ >= limits_.turn_commands || turn_bytes_ >= limits_.turn_input_bytes) {
    return true;
  }
  // Short turns, which most are, cost no look at the clock.
  if (turn_commands_ == 0 || turn_commands_ % kCommandsPerLook != 0) return false;
  const auto now = std::chrono::steady_clock::now();
  if (turn_commands_ == kCommandsPerLook) turn_started_ = now;
  return now - turn_started_ >= limits_.turn_time;
}

void Session::give_way() {
  if (std::exchange(yielded_, true)) return;
  services_.host.resume_later(*this);
}

/// `bytes` begin with a whole request.
void Session::look_ahead(std::string_view bytes) {
  if (foreseen_ > 0) {
    --foreseen_;
    return;
  }
  if (bytes.size() == parser_.length() || !is_recognised_) return;
  std::array<std::string_view, Worker::kMostForeseen> keys;
  const std::size_t count = gets_ahead(bytes, keys);
  if (count < 2) return;
  std::array<Worker::Foreseen, Worker::kMostForeseen> foreseen;
  for (std::size_t i = 0; i < count; ++i)
    foreseen[i] = {space(), keys[i]};
  services_.worker.foresee(std::span(foreseen).first(count));
  foreseen_ = count - 1;
}

std::optional<Worker::Foreseen> Session::foresee(std::string_view bytes) const {
  if (!is_recognised_) return std::nullopt;
  std::array<std::string_view, 2> keys;
  if (gets_ahead(bytes, keys) != 1) return std::nullopt;
  return Worker::Foreseen{space(), keys[0]};
}

// One request; false when there is none to start now.
bool Session::step() {
  if (is_executing()) return step_transaction();
  const std::string_view bytes = unread();
  switch (parser_.parse(bytes)) {
    case RequestParser::Status::kNeedMore:
      return false;
    case RequestParser::Status::kError:
      protocol_error();
      return false;
    case RequestParser::Status::kRequest:
      break;
  }
  look_ahead(bytes);
  const Arguments arguments = parser_.arguments(bytes);
  if (!arguments.empty() && !start(look_up(arguments), arguments)) return false;
  consume(parser_.length());
  parser_.next();
  return true;
}

/// False: it must wait, and be started again then.
bool Session::start(const CommandSpec* spec, Arguments arguments) {
  const bool is_queued = transaction_ && transaction_->is_open() && !is_executing();
  // Nothing is looked up for who may not know it.
  if (spec != nullptr && !is_executing() && wait_for_quota(*spec)) return false;
  if (spec != nullptr && !is_queued && refusal_of(*spec).empty() &&
      (wait_while_throttled(*spec) || key_types_.wait(*this, *spec, arguments))) {
    return false;
  }
  if (spec != nullptr && !is_executing() && wait_for_earlier(*spec)) return false;
  has_turn_ = false;
  execute(spec, arguments);
  key_types_.forget();
  return true;
}

bool Session::wait_while_throttled(const CommandSpec& spec) {
  if ((spec.flags & command_flag::kWrite) == 0 || !worker().throttled()) return false;
  throttled_ = true;
  worker().when_unthrottled([self = SessionPointer(this)] {
    self->throttled_ = false;
    self->run();
  });
  return throttled_;
}

/// What the tenant's policy allows; 0: as many as there are.
std::uint64_t Session::requests_per_second() {
  if (const std::uint64_t now = services_.policy.generation(); now != policy_seen_) {
    policy_seen_ = now;
    requests_per_second_ = policy().requests_per_second.value_or(0);
    quota_ = requests_per_second_ == 0 ? nullptr : state().quotas.of(principal_->name);
  }
  return requests_per_second_;
}

bool Session::wait_for_quota(const CommandSpec& spec) {
  if (has_turn_ || !is_recognised_ || (spec.flags & command_flag::kNoAuth) != 0) return false;
  const std::uint64_t rate = requests_per_second();
  has_turn_ = rate == 0 || quota_->try_take(rate, state().quotas.now_ns());
  if (has_turn_) return false;
  awaits_turn_ = true;
  quota_->delayed.fetch_add(1, std::memory_order_relaxed);
  quota_->waiting.fetch_add(1, std::memory_order_relaxed);
  loop().schedule_after(quota_->patience(rate), [self = SessionPointer(this), quota = quota_] {
    quota->waiting.fetch_sub(1, std::memory_order_relaxed);
    self->awaits_turn_ = false;
    self->run();
  });
  return true;
}

/// A read under way has been located; yet a fence would make it find nothing.
bool Session::wait_for_earlier(const CommandSpec& spec) {
  if ((spec.flags & command_flag::kAfterAll) == 0) return false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].done) continue;
    hold_for(first_slot_ + i);
    return true;
  }
  return false;
}

const CommandSpec* Session::look_up(Arguments arguments) const {
  const CommandSpec* const spec = find_command(arguments[0]);
  if (spec == nullptr || arguments.size() < 2 || !has_subcommands(*spec)) return spec;
  return find_command(fmt::format("{}|{}", spec->name, quoted(arguments[1])));
}

void Session::begin_timing(const CommandSpec& spec, Arguments arguments) {
  timed_ = {};
  if (!state().slow_log.is_on() || (spec.flags & command_flag::kWaits) != 0) return;
  timed_ = {&spec, SlowLog::now_ns(), 0, static_cast<std::uint32_t>(arguments.size()), started_};
  for (const std::string_view argument : arguments)
    timed_.request_bytes += argument.size();
}

void Session::end_timing(Timed& timed) {
  const CommandSpec* const spec = std::exchange(timed.spec, nullptr);
  if (spec == nullptr) return;
  const std::int64_t duration_ns = SlowLog::now_ns() - timed.started_ns;
  SlowLog& log = state().slow_log;
  if (!log.is_on() || !log.is_slow(duration_ns)) return;
  log.note({0, store().now_ms(), duration_ns / 1000, spec->name, timed.arguments,
            timed.request_bytes, client_->address, state().clients.name(*client_)});
  if (!log.may_tell(SlowLog::now_ns())) return;
  log_event(spdlog::level::info, "a slow command; SLOWLOG GET has the others",
            {{"request", fmt::format("{}-{}", client_->id, timed.number)},
             {"command", std::string(spec->name)},
             {"duration_us", std::to_string(duration_ns / 1000)},
             {"request_bytes", std::to_string(timed.request_bytes)},
             {"client", client_->address}});
}

void Session::execute(const CommandSpec* spec, Arguments arguments) {
  ++turn_commands_;
  ++started_;
  WorkerCounters::add(services_.counters.commands, 1);
  if (spec == nullptr) {
    if (transaction_) transaction_->spoil();
    return reject_unknown(arguments);
  }
  client_->last_command.store(spec, std::memory_order_relaxed);
  if (!arity_fits(*spec, arguments.size())) {
    if (transaction_) transaction_->spoil();
    return reply().error(fmt::format("ERR wrong number of arguments for '{}' command", spec->name));
  }
  if (const std::string refusal = refusal_of(*spec); !refusal.empty()) {
    if (transaction_) transaction_->spoil();
    return reply().error(refusal);
  }
  if (queue_in_transaction(*spec, arguments)) return;
  if (!key_types_.refusal().empty()) return reply().error(key_types_.refusal());
  spec_ = spec;
  begin_timing(*spec, arguments);
  spec->handler(*this, arguments);
  end_timing(timed_);
  if (!slots_.empty() && slots_.back().done) count_finished(slots_.back());
  check_output();
}

/// Why the client may not run it; empty when it may.
std::string Session::refusal_of(const CommandSpec& spec) {
  const Authenticator& authenticator = services_.state.authenticator;
  if (const std::uint64_t now = authenticator.generation(); now != accounts_seen_) {
    become(is_recognised_ ? authenticator.find(principal_->name, entrance()) : nullptr);
  }
  if ((spec.flags & command_flag::kNoAuth) != 0) return {};
  if (!is_recognised_) return "NOAUTH Authentication required.";
  if ((spec.flags & command_flag::kAdmin) == 0 || principal_->is_admin) return {};
  return fmt::format("NOPERM User {} has no permissions to run the '{}' command", principal_->name,
                     spec.name);
}

void Session::show_certificate(std::string_view name) {
  certified_ = name;
  become(nullptr);
}

void Session::become(PrincipalPointer principal) {
  const Authenticator& authenticator = services_.state.authenticator;
  accounts_seen_ = authenticator.generation();
  if (!principal && !certified_.empty()) {
    principal = authenticator.find(certified_, Entrance::kNetwork);
  }
  if (!principal && certified_.empty()) principal = authenticator.anonymous(entrance());
  is_recognised_ = principal != nullptr;
  policy_seen_ = 0;
  if (principal) principal_ = std::move(principal);
  services_.state.clients.set_user(*client_, is_recognised_ ? principal_->name : "");
}

void Session::reject_unknown(Arguments arguments) {
  WorkerCounters::add(services_.counters.errors, 1);
  if (looks_like_http(arguments[0])) return abort();
  if (const CommandSpec* const parent = find_command(arguments[0])) {
    return reject_subcommand(parent->name, arguments[1]);
  }
  ZeroizingString rest;
  for (std::size_t i = 1; i < arguments.size() && rest.size() < kMaxQuotedBytes; ++i) {
    rest.append("'").append(quoted(arguments[i], kMaxQuotedBytes - rest.size())).append("' ");
  }
  ZeroizingString line = "ERR unknown command '";
  line.append(quoted(arguments[0])).append("', with args beginning with: ").append(rest);
  reply().error(line);
}

void Session::reject_subcommand(std::string_view parent, std::string_view name) {
  std::string shown(parent);
  std::transform(shown.begin(), shown.end(), shown.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  reply().error(fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", quoted(name), shown));
}

void Session::protocol_error() {
  WorkerCounters::add(services_.counters.errors, 1);
  reply().error("ERR " + parser_.error());
  closing_ = true;
}

ReplyWriter Session::reply() {
  if (slots_.empty()) return {output_, protocol_};
  slots_.push_back({OutputChain(), protocol_, true, false, 0, {}});
  return {slots_.back().reply, protocol_};
}

PendingReply Session::defer() {
  slots_.push_back({OutputChain(), protocol_, false, false, 0, std::exchange(timed_, {})});
  return {SessionPointer(this), first_slot_ + slots_.size() - 1};
}

void Session::hold_for(std::uint64_t id) {
  if (id < first_slot_) return;
  Slot& held = slot(id);
  if (held.done || held.holds) return;
  held.holds = true;
  ++holding_;
}

void Session::finish(std::uint64_t id) {
  Slot& finished = slot(id);
  finished.done = true;
  end_timing(finished.timed);
  count_finished(finished);
  if (finished.holds) --holding_;
  release_finished();
  if (aborted_ || running_) return;
  check_output();
  // Answers to a deep pipeline come in batches; what follows has its turn after the others'.
  if (turn_commands_ >= kDeepPipeline && !unread().empty() && !is_executing()) give_way();
  run();
}

void Session::count_finished(Slot& slot) {
  finished_bytes_ += slot.reply.bytes() - slot.counted_bytes;
  slot.counted_bytes = slot.reply.bytes();
}

// Replies leave from the front; one filled at once while another was pending waits here too.
void Session::release_finished() {
  while (!slots_.empty() && slots_.front().done) {
    finished_bytes_ -= slots_.front().counted_bytes;
    output_.splice(std::move(slots_.front().reply));
    slots_.pop_front();
    ++first_slot_;
  }
}

void Session::check_output() {
  const std::size_t bytes = output_.bytes() + finished_bytes_;
  client_->output_bytes.store(bytes, std::memory_order_relaxed);
  if (bytes > limits_.output_hard_bytes) abort();
  if (bytes > limits_.output_soft_bytes) full_ = true;
}

void Session::sent(std::size_t bytes) {
  WorkerCounters::add(services_.counters.output_bytes, bytes);
  output_.consume(bytes);
  check_output();
  if (full_ && output_.bytes() + finished_bytes_ <= limits_.output_soft_bytes / 2) {
    full_ = false;
    run();
  }
}

void Session::resume() {
  yielded_ = false;
  turn_commands_ = turn_bytes_ = 0;
  run();
}

void Session::close_after_reply() {
  if (is_executing()) {
    transaction_->closes = true;
  } else {
    closing_ = true;
  }
}

void Session::abort() {
  closing_ = aborted_ = true;
}

void Session::abandon() {
  abandoned_ = closing_ = aborted_ = eof_ = true;
  input_.release();
}

void Session::select(std::uint8_t database) {
  database_ = database;
  client_->database.store(database, std::memory_order_relaxed);
}

void Session::set_protocol(Protocol protocol) {
  protocol_ = protocol;
  client_->protocol.store(static_cast<std::uint8_t>(protocol), std::memory_order_relaxed);
}

}  // namespace kachel::server
