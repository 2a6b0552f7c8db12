#include "engine/leases.h"

#include <algorithm>

#include "engine/core.h"

namespace kachel {
namespace {

LeaseToken draw_token(io::Random& random) {
  LeaseToken token = 0;
  while (token == 0)
    random.fill(std::as_writable_bytes(std::span(&token, 1)));
  return token;
}

void count_refused(Counters& counters, LeaseEnd why) {
  switch (why) {
    case LeaseEnd::kErased:
      return bump(counters.fills_refused_erased);
    case LeaseEnd::kExpired:
      return bump(counters.fills_refused_expired);
    case LeaseEnd::kUnknown:
      return bump(counters.fills_refused_unknown);
  }
}

}  // namespace

// ---- who waits -----------------------------------------------------------------------------

LeaseWait::LeaseWait(Core& core, io::Loop& loop, Home& home, Namespace whose, const Mac& key,
                     std::chrono::milliseconds most, LeaseHandler handler)
    : space(whose),
      mac(key),
      ms(most),
      limit_ns(core.env.clock.monotonic_ns() + most.count() * kNsPerMs),
      core_(core),
      loop_(loop),
      home_(home),
      handler_(std::move(handler)) {}

void LeaseWait::step_out() {
  loop_.cancel(std::exchange(timer_, 0));
  home_.erase(shared_from_this());
}

void LeaseWait::answer(Result<LeaseAnswer> answer) {
  if (!handler_) return;
  const Pointer keep = shared_from_this();
  step_out();
  if (answer && !answer->found && answer->token == 0) bump(core_.counters.lease_retries);
  std::exchange(handler_, nullptr)(std::move(answer));
}

void LeaseWait::post_answer(LeaseAnswer answer) {
  loop_.post([self = shared_from_this(), answer = std::move(answer)]() mutable {
    if (!self->handler_) return;
    // It may have been erased on the way here.
    const auto& found = answer.found;
    if (found && self->core_.is_refused(self->space, found->entry->version, found->entry->tags)) {
      answer = {};
    }
    self->answer(std::move(answer));
  });
}

void LeaseWait::post_watch() {
  loop_.post([self = shared_from_this()] { self->watch(); });
}

void LeaseWait::watch() {
  if (!handler_) return;
  std::optional<std::int64_t> due_ns;
  {
    Shard& shard = core_.shard(mac);
    const std::lock_guard lock(shard.mutex);
    due_ns = shard.leases.due_ns(*this);
  }
  if (!due_ns) return;
  const std::int64_t left_ns = *due_ns - core_.env.clock.monotonic_ns();
  const std::chrono::milliseconds left{(std::max<std::int64_t>(left_ns, 0) + kNsPerMs - 1) /
                                       kNsPerMs};
  loop_.cancel(timer_);
  timer_ = loop_.schedule_after(left, [self = shared_from_this()] { self->on_timer(); });
}

void LeaseWait::on_timer() {
  timer_ = 0;
  bool over = false;
  {
    Shard& shard = core_.shard(mac);
    const std::lock_guard lock(shard.mutex);
    over = shard.leases.tick(core_, *this);
  }
  if (over) return answer(LeaseAnswer{});
  watch();
}

void LeaseWait::drop() {
  {
    Shard& shard = core_.shard(mac);
    const std::lock_guard lock(shard.mutex);
    shard.leases.leave(*this);
  }
  const Pointer keep = shared_from_this();
  step_out();
  handler_ = nullptr;
}

void LeaseWait::send_away() {
  bool waited = false;
  {
    Shard& shard = core_.shard(mac);
    const std::lock_guard lock(shard.mutex);
    waited = shard.leases.leave(*this);
  }
  if (waited) answer(LeaseAnswer{});
}

// ---- the leases ----------------------------------------------------------------------------

LeaseToken LeaseTable::grant(Core& core, Lease& lease, std::chrono::milliseconds life) {
  lease.token = draw_token(core.env.random);
  lease.since = core.queue.last_sequence() + 1;
  lease.expires_ns = core.env.clock.monotonic_ns() + life.count() * kNsPerMs;
  bump(core.counters.leases_granted);
  return lease.token;
}

/// Those that nobody has missed make room first.
bool LeaseTable::has_room(std::int64_t now_ns) {
  if (leases_.size() < kMostLeases) return true;
  boost::unordered::erase_if(leases_, [&](const auto& item) {
    return item.second.expires_ns <= now_ns && item.second.line.empty();
  });
  return leases_.size() < kMostLeases;
}

std::optional<LeaseAnswer> LeaseTable::ask(Core& core, const LeaseWait::Pointer& wait,
                                           bool may_wait) {
  const std::int64_t now_ns = core.env.clock.monotonic_ns();
  auto found = leases_.find(wait->mac);
  if (found != leases_.end() && found->second.expires_ns <= now_ns) {
    end(core, wait->mac, LeaseEnd::kExpired);
    found = leases_.find(wait->mac);
  }
  if (found == leases_.end()) {
    if (!has_room(now_ns)) return LeaseAnswer{};
    return LeaseAnswer{{}, grant(core, leases_[wait->mac], wait->ms)};
  }
  auto& line = found->second.line;
  if (!may_wait || line.size() == kMostWaits) return LeaseAnswer{};
  line.push_back(wait);
  ++waits_;
  return std::nullopt;
}

bool LeaseTable::redeem(Core& core, Namespace space, const Mac& mac, LeaseToken token,
                        const ScopeTags& tags) {
  const auto found = leases_.find(mac);
  if (found == leases_.end() || found->second.token != token) {
    count_refused(core.counters, end_of(token));
    return false;
  }
  Lease& lease = found->second;
  const bool erased = core.fences.has_fenced(space, lease.since, tags);
  const bool expired = lease.expires_ns <= core.env.clock.monotonic_ns();
  if (!erased && !expired) {
    lease.token = 0;
    return true;
  }
  const LeaseEnd why = erased ? LeaseEnd::kErased : LeaseEnd::kExpired;
  count_refused(core.counters, why);
  end(core, mac, why);
  return false;
}

void LeaseTable::fill(const Mac& mac, const Found& found) {
  const auto at = leases_.find(mac);
  if (at == leases_.end()) return;
  for (const LeaseWait::Pointer& wait : at->second.line)
    wait->post_answer({found, 0});
  waits_ -= at->second.line.size();
  leases_.erase(at);
}

void LeaseTable::end(Core& core, const Mac& mac, LeaseEnd why) {
  const auto found = leases_.find(mac);
  if (found == leases_.end()) return;
  remember(found->second.token, why);
  hand_on(core, mac, found->second);
}

void LeaseTable::give_up(Core& core, const Mac& mac, LeaseToken token) {
  const auto found = leases_.find(mac);
  if (found == leases_.end() || found->second.token != token) return;
  hand_on(core, mac, found->second);
}

void LeaseTable::hand_on(Core& core, const Mac& mac, Lease& lease) {
  if (lease.line.empty()) {
    leases_.erase(mac);
    return;
  }
  const LeaseWait::Pointer next = std::move(lease.line.front());
  lease.line.erase(lease.line.begin());
  --waits_;
  next->post_answer({{}, grant(core, lease, next->ms)});
  if (!lease.line.empty()) lease.line.front()->post_watch();
}

std::optional<std::int64_t> LeaseTable::due_ns(const LeaseWait& wait) const {
  const auto found = leases_.find(wait.mac);
  if (found == leases_.end()) return std::nullopt;
  const auto& line = found->second.line;
  const auto at =
      std::find_if(line.begin(), line.end(), [&](const auto& one) { return one.get() == &wait; });
  if (at == line.end()) return std::nullopt;
  if (at != line.begin()) return wait.limit_ns;
  return std::min(wait.limit_ns, found->second.expires_ns);
}

bool LeaseTable::tick(Core& core, const LeaseWait& wait) {
  const std::int64_t now_ns = core.env.clock.monotonic_ns();
  const auto found = leases_.find(wait.mac);
  if (found == leases_.end()) return false;
  // The lease first: at the end of both it is better to get one than to be sent away.
  if (found->second.expires_ns <= now_ns) end(core, wait.mac, LeaseEnd::kExpired);
  return wait.limit_ns <= now_ns && leave(wait);
}

bool LeaseTable::leave(const LeaseWait& wait) {
  const auto found = leases_.find(wait.mac);
  if (found == leases_.end()) return false;
  auto& line = found->second.line;
  const auto at =
      std::find_if(line.begin(), line.end(), [&](const auto& one) { return one.get() == &wait; });
  if (at == line.end()) return false;
  const bool was_first = at == line.begin();
  line.erase(at);
  --waits_;
  if (was_first && !line.empty()) line.front()->post_watch();
  return true;
}

void LeaseTable::remember(LeaseToken token, LeaseEnd why) {
  if (token == 0) return;
  ended_.emplace_back(token, why);
  if (ended_.size() > kMostRemembered) ended_.pop_front();
}

LeaseEnd LeaseTable::end_of(LeaseToken token) const {
  const auto found = std::find_if(ended_.rbegin(), ended_.rend(),
                                  [&](const auto& ended) { return ended.first == token; });
  return found == ended_.rend() ? LeaseEnd::kUnknown : found->second;
}

}  // namespace kachel
