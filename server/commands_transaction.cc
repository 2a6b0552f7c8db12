// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

#include "server/command.h"
#include "server/operations.h"
#include "server/session.h"
#include "server/transaction.h"

namespace kachel::server {
namespace {

using namespace command_flag;

void multi(Session& session, Arguments) {
  Transaction& transaction = session.transaction();
  if (transaction.is_open()) {
    transaction.spoil();
    return session.reply().error("ERR MULTI calls can not be nested");
  }
  transaction.open();
  session.reply().ok();
}

void discard(Session& session, Arguments) {
  Transaction& transaction = session.transaction();
  if (!transaction.is_open()) return session.reply().error("ERR DISCARD without MULTI");
  transaction.reset();
  session.reply().ok();
}

/// Looks all watched keys up again, then lets EXEC's commands run, or not.
class CheckWatched final
    : public boost::intrusive_ref_counter<CheckWatched, boost::thread_unsafe_counter> {
 public:
  void start(Session& session) {
    reply_ = session.defer();
    session.hold_for(reply_.slot());
    check();
  }

 private:
  void check() {
    Session& session = reply_.session();
    const std::vector<WatchedKey>& watched = session.transaction().watched();
    if (next_ == watched.size()) return session.execute_transaction(std::move(reply_));
    const WatchedKey& key = watched[next_++];
    read_key_state(session.worker(), session.store(), key.space, key.key,
                   [keep = boost::intrusive_ptr(this), was = key.state](Result<KeyState> now) {
                     if (now && *now == was) return keep->check();
                     keep->refuse(now);
                   });
  }

  void refuse(const Result<KeyState>& now) {
    if (now) {
      reply_.writer().null_array();
    } else {
      reply_.writer().error(now.error());
    }
    reply_.session().transaction().reset();
    reply_.finish();
  }

  PendingReply reply_;
  std::size_t next_ = 0;
};

void exec(Session& session, Arguments) {
  Transaction& transaction = session.transaction();
  if (!transaction.is_open()) return session.reply().error("ERR EXEC without MULTI");
  if (transaction.is_spoilt()) {
    transaction.reset();
    return session.reply().error("EXECABORT Transaction discarded because of previous errors.");
  }
  const boost::intrusive_ptr<CheckWatched> check(new CheckWatched);
  check->start(session);
}

class Watch final : public FanOut {
 public:
  Watch() : FanOut(Order::kInOrder) {}

 private:
  bool issue(std::size_t element) override {
    const std::string_view key = argument(element + 1);
    read_key_state(worker(), session().store(), space(), key,
                   [keep = self(), this, text = ZeroizingString(key)](Result<KeyState> state) {
                     if (!state) {
                       fail("ERR " + state.error().message);
                     } else {
                       add(text, *state);
                     }
                     completed();
                   });
    return false;
  }
  void add(const ZeroizingString& key, const KeyState& state) {
    Transaction& transaction = session().transaction();
    if (transaction.is_watched(space(), key)) return;
    if (transaction.watched().size() == kMaxWatchedKeys) {
      return fail(fmt::format("ERR WATCH takes {} keys at most", kMaxWatchedKeys));
    }
    transaction.watched().push_back({space(), key, state, false});
  }
  void write(ReplyWriter reply) override { reply.ok(); }
};

void watch(Session& session, Arguments arguments) {
  Transaction& transaction = session.transaction();
  if (transaction.is_open()) {
    transaction.spoil();
    return session.reply().error("ERR WATCH inside MULTI is not allowed");
  }
  const boost::intrusive_ptr<Watch> operation(new Watch);
  operation->start(session, arguments, arguments.size() - 1);
}

void unwatch(Session& session, Arguments) {
  if (!session.is_executing()) session.transaction().forget_watched();
  session.reply().ok();
}

constexpr std::uint32_t kFlags = kLoading | kStale | kFast;
constexpr KeyPositions kNoKey{0, 0, 0};
constexpr std::string_view kGroup = "transactions";

constexpr CommandSpec kCommands[] = {
    {"multi", 1, kFlags | kNotQueued, kNoKey, multi, kGroup, "Starts a transaction."},
    {"exec", 1, kLoading | kStale | kNotQueued | kAfterAll, kNoKey, exec, kGroup,
     "Executes all commands in a transaction."},
    {"discard", 1, kFlags | kNotQueued, kNoKey, discard, kGroup, "Discards a transaction."},
    {"watch",
     -2,
     kFlags | kNotQueued,
     {1, -1, 1},
     watch,
     kGroup,
     "Monitors changes to keys to determine the execution of a transaction."},
    {"unwatch", 1, kFlags, kNoKey, unwatch, kGroup, "Forgets about watched keys of a transaction."},
};

}  // namespace

std::span<const CommandSpec> transaction_commands() {
  return kCommands;
}

}  // namespace kachel::server
