// MULTI, EXEC and WATCH of one session.
//
// EXEC's commands run one after the other, each when the one before has answered; other clients'
// commands may come between. What makes the usual optimistic locking safe all the same: the first
// write of a watched key inside EXEC is made on the condition that the key is as WATCH saw it, and
// when it is not, EXEC answers that nothing was done.
//
// Worker thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "server/command.h"

namespace kachel::server {

inline constexpr std::size_t kMaxQueuedCommands = 16 * 1024;
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxWatchedKeys = 1024;

/// What a key was, string or hash: another one whenever it has changed.
struct KeyState {
  std::uint64_t version = 0;  // of the string; 0: there is none
  std::int64_t expires_at_ms = 0;
  std::uint64_t fields = 0;  // of the hash
  std::uint64_t newest = 0;  // version among them
  friend bool operator==(const KeyState&, const KeyState&) = default;
};

struct WatchedKey {
  Namespace space;
  ZeroizingString key;
  KeyState state;
  bool is_ours = false;  // this EXEC has written it
};

struct QueuedCommand {
  explicit QueuedCommand(Arguments arguments) : texts(arguments.begin(), arguments.end()) {}
  std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
  std::vector<ZeroizingString> texts;
};

/// The worker as EXEC's commands have it.
class WatchingWorker;

class Transaction {
 public:
  Transaction();
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  bool is_open() const { return is_open_; }
  /// MULTI.
  void open() { is_open_ = true; }
  /// An error has been replied to what should have been queued: EXEC will refuse.
  void spoil() { is_spoilt_ = is_open_; }
  bool is_spoilt() const { return is_spoilt_; }
  /// False when the queue is full.
  bool queue(Arguments arguments);
  std::size_t queued() const { return queue_.size(); }

  bool is_watched(Namespace space, std::string_view key) const;
  std::vector<WatchedKey>& watched() { return watched_; }

  /// EXEC has begun, in this slot; its commands are next() until there is none.
  void begin(Worker& worker, std::uint64_t slot);
  bool is_running() const { return running_ != nullptr; }
  std::uint64_t slot() const { return slot_; }
  const QueuedCommand* current() const { return at_ < queue_.size() ? &queue_[at_] : nullptr; }
  void advance() { ++at_; }
  /// A watched key was not as it should be.
  bool has_failed() const { return has_failed_; }
  void fail() { has_failed_ = true; }
  Worker& worker() const;

  /// Whether the client is to be closed when EXEC has answered.
  bool closes = false;

  /// UNWATCH.
  void forget_watched() { watched_.clear(); }
  /// All is as before MULTI and WATCH.
  void reset();

 private:
  std::vector<QueuedCommand> queue_;
  std::vector<WatchedKey> watched_;
  std::unique_ptr<WatchingWorker> running_;
  std::size_t queued_bytes_ = 0;
  std::size_t at_ = 0;
  std::uint64_t slot_ = 0;
  bool is_open_ = false;
  bool is_spoilt_ = false;
  bool has_failed_ = false;
};

using KeyStateHandler = UniqueFunction<void(Result<KeyState>)>;
/// Looks the key up; a hash is gone through as a whole.
void read_key_state(Worker& worker, const Store& store, Namespace space, std::string_view key,
                    KeyStateHandler handler);

}  // namespace kachel::server
