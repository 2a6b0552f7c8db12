// StoreWorker: leases. leases.h says how they work.
#include <utility>

#include "engine/store_worker.h"

namespace kachel {
namespace {

// Of one worker. Who waits holds a connection, or as much.
constexpr std::size_t kMostWaits = 16'384;

}  // namespace

StoreWorker::~StoreWorker() {
  for (const LeaseWait::Pointer& wait : LeaseWait::Home(lease_waits_))
    wait->drop();
}

bool StoreWorker::lease(Namespace space, std::string_view text, std::chrono::milliseconds ms,
                        LeaseHandler handler) {
  if (ms < kShortestLease || ms > kLongestLease) {
    handler(Error{ErrorCode::kInvalidArgument, "a lease lasts from 1 ms to 10 minutes"});
    return true;
  }
  const auto wait = std::make_shared<LeaseWait>(core_, loop_, lease_waits_, space,
                                                key_of(space, text).mac, ms, std::move(handler));
  find_or_lease(wait, ZeroizingString(text), 0);
  return wait->answered();
}

/// `unreadable`: the version that was there and could not be read, if that has happened.
void StoreWorker::find_or_lease(const LeaseWait::Pointer& wait, const ZeroizingString& text,
                                std::uint64_t unreadable) {
  get(wait->space, text,
      [this, presence = presence(), wait, text, unreadable](Result<std::optional<Found>> found) {
        if (presence.expired()) return;
        if (!found) return wait->answer(found.error());
        if (*found) return wait->answer(LeaseAnswer{std::move(*found), 0});
        lease_missing(wait, text, unreadable);
      });
}

void StoreWorker::lease_missing(const LeaseWait::Pointer& wait, const ZeroizingString& text,
                                std::uint64_t unreadable) {
  decide({wait->space, wait->mac},
         [this, wait, text, unreadable](Shard& shard, const Current& current) -> io::Task {
           // Put since it was looked for; or damaged, and then it is there a second time.
           if (current.exists && current.version != unreadable) {
             return [this, wait, text, version = current.version] {
               find_or_lease(wait, text, version);
             };
           }
           const bool may_wait = takes_lease_waits_ && lease_waits_.size() < kMostWaits;
           if (auto answer = shard.leases.ask(core_, wait, may_wait)) {
             return [wait, answer = std::move(*answer)] { wait->answer(answer); };
           }
           lease_waits_.insert(wait);
           return [wait] { wait->watch(); };
         });
}

void StoreWorker::end_lease(Shard& shard, const Mac& mac, LeaseEnd why) {
  if (!shard.leases.empty()) shard.leases.end(core_, mac, why);
}

void StoreWorker::give_up_lease(Namespace space, std::string_view text, LeaseToken token) {
  const Mac mac = key_of(space, text).mac;
  Shard& shard = core_.shard(mac);
  const std::lock_guard lock(shard.mutex);
  shard.leases.give_up(core_, mac, token);
}

void StoreWorker::end_lease_waits() {
  takes_lease_waits_ = false;
  for (const LeaseWait::Pointer& wait : LeaseWait::Home(lease_waits_))
    wait->send_away();
}

}  // namespace kachel
