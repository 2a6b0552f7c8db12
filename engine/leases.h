// Leases: who computes a value that is missing, and who waits for it meanwhile. As memcached has
// them ("Scaling Memcache at Facebook", 2013), one a key: the first who asks for what is not there
// gets a token, the others wait. A put that names the token is refused when it comes too late:
// after an erase of its key, its database or one of its scopes, or after the lease has ended.
//
// In memory only: a restart ends them all, and what names one of them then is refused.
//
// Lease and key change together, under the lock of the key's shard. Whoever waits has a timer on
// its own loop for its own limit; that of the first in line also ends the lease in time, so that
// timers are as few as waits. Times are of the monotonic clock.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/store.h"

namespace kachel {

struct Core;

/// One call of Worker::lease(): on its way, then perhaps in line. On its loop's thread but for
/// what says otherwise; whether it is in line is known under the shard's lock.
class LeaseWait : public std::enable_shared_from_this<LeaseWait> {
 public:
  using Pointer = std::shared_ptr<LeaseWait>;
  /// Those in line of one worker.
  using Home = std::set<Pointer>;

  LeaseWait(Core& core, io::Loop& loop, Home& home, Namespace space, const Mac& mac,
            std::chrono::milliseconds ms, LeaseHandler handler);

  const Namespace space;
  const Mac mac;
  const std::chrono::milliseconds ms;  // of waiting, and the life of the lease it gets
  const std::int64_t limit_ns;

  void answer(Result<LeaseAnswer> answer);
  bool answered() const { return !handler_; }
  /// It is in line from here on: sets its timer.
  void watch();
  /// Leaves without an answer, or with the one that there is nothing for it yet.
  void drop();
  void send_away();

  /// Any thread.
  void post_answer(LeaseAnswer answer);
  void post_watch();

 private:
  void on_timer();
  void step_out();

  Core& core_;
  io::Loop& loop_;
  Home& home_;
  LeaseHandler handler_;  // nothing once answered, or dropped
  io::Loop::TimerId timer_ = 0;
};

/// Why a token is good no more.
enum class LeaseEnd : std::uint8_t {
  kErased,   // an erase that concerns it has come since
  kExpired,  // nobody filled it in time
  kUnknown,  // used, overtaken by another put, another key's, before a restart, or long ago
};

/// The leases of a shard's keys. Every call under the shard's lock.
class LeaseTable {
 public:
  static constexpr std::size_t kMostLeases = 256;
  static constexpr std::size_t kMostWaits = 1024;  // for one lease

  bool empty() const { return leases_.empty(); }
  std::size_t size() const { return leases_.size(); }
  std::size_t waits() const { return waits_; }

  /// For a key that is not there: a token, or nothing where it waits in line from here on. Who
  /// may not, or finds the line full, is answered that he has to ask again.
  std::optional<LeaseAnswer> ask(Core& core, const LeaseWait::Pointer& wait, bool may_wait);

  /// Takes a fill's token. True when the fill may go on: then fill() or end() follows before the
  /// lock is let go. False: it is refused, and counted. With the gate of the fences.
  bool redeem(Core& core, Namespace space, const Mac& mac, LeaseToken token, const ScopeTags& tags);
  /// The key is there: whoever waits has it, and the lease is over. It is as in memcached when
  /// the put was another's: what the holder computed may be older, and is refused.
  void fill(const Mac& mac, const Found& found);
  /// The lease is over and the key is not there: the first in line gets one of its own.
  void end(Core& core, const Mac& mac, LeaseEnd why);
  /// As end(), for the holder of this token only.
  void give_up(Core& core, const Mac& mac, LeaseToken token);

  /// Until when this one waits, unless it is answered before; nothing: it has been.
  std::optional<std::int64_t> due_ns(const LeaseWait& wait) const;
  /// Ends the key's lease if its time is over. Whether the limit of `wait` is too, and it has
  /// left the line without an answer.
  bool tick(Core& core, const LeaseWait& wait);
  /// Whether it was in line.
  bool leave(const LeaseWait& wait);

 private:
  struct Lease {
    LeaseToken token = 0;     // 0: being filled
    std::uint64_t since = 0;  // the lowest sequence that a fill could have had at once
    std::int64_t expires_ns = 0;
    std::vector<LeaseWait::Pointer> line;
  };
  static constexpr std::size_t kMostRemembered = 256;

  LeaseToken grant(Core& core, Lease& lease, std::chrono::milliseconds life);
  void hand_on(Core& core, const Mac& mac, Lease& lease);
  void remember(LeaseToken token, LeaseEnd why);
  LeaseEnd end_of(LeaseToken token) const;
  bool has_room(std::int64_t now_ns);

  boost::unordered_flat_map<Mac, Lease, MacHash> leases_;
  std::size_t waits_ = 0;
  std::deque<std::pair<LeaseToken, LeaseEnd>> ended_;  // the last few, to tell why
};

}  // namespace kachel
