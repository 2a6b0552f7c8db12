#include "server/transaction.h"

#include <algorithm>
#include <utility>

#include "server/hash_walk.h"
#include "server/watching_worker.h"

namespace kachel::server {

Transaction::Transaction() = default;
Transaction::~Transaction() = default;

bool Transaction::queue(Arguments arguments) {
  std::size_t bytes = 0;
  for (const std::string_view argument : arguments)
    bytes += argument.size() + sizeof(ZeroizingString);
  if (queue_.size() == kMaxQueuedCommands || queued_bytes_ + bytes > kMaxQueuedBytes) return false;
  queued_bytes_ += bytes;
  queue_.emplace_back(arguments);
  return true;
}

bool Transaction::is_watched(Namespace space, std::string_view key) const {
  return std::any_of(watched_.begin(), watched_.end(), [&](const WatchedKey& watched) {
    return watched.space == space && watched.key == key;
  });
}

void Transaction::begin(Worker& worker, std::uint64_t slot) {
  running_ = std::make_unique<WatchingWorker>(worker, *this);
  slot_ = slot;
  at_ = 0;
}

Worker& Transaction::worker() const {
  return *running_;
}

void Transaction::reset() {
  queue_.clear();
  watched_.clear();
  running_.reset();
  queued_bytes_ = at_ = 0;
  closes = is_open_ = is_spoilt_ = has_failed_ = false;
}

namespace {

class HashState final : public HashWalk {
 public:
  HashState(KeyState state, KeyStateHandler handler)
      : HashWalk(Texts::kLeft, kRowsPage), state_(state), handler_(std::move(handler)) {}

 private:
  void on_page(std::vector<HashField> fields) override {
    for (const HashField& field : fields) {
      ++state_.fields;
      state_.newest = std::max(state_.newest, field.seen.version);
      state_.expires_at_ms = std::max(state_.expires_at_ms, field.seen.expires_at_ms);
    }
    next_page();
  }
  void on_end(const Result<void>& end) override {
    if (!end) return handler_(end.error());
    handler_(state_);
  }

  KeyState state_;
  KeyStateHandler handler_;
};

}  // namespace

void read_key_state(Worker& worker, const Store& store, Namespace space, std::string_view key,
                    KeyStateHandler handler) {
  worker.glimpse(
      space, key,
      [&worker, &store, space, text = ZeroizingString(key),
       handler = std::move(handler)](Result<std::optional<Glimpse>> seen) mutable {
        if (!seen) return handler(seen.error());
        KeyState state;
        if (*seen) {
          state.version = (*seen)->version;
          state.expires_at_ms = (*seen)->expires_at_ms;
        }
        if (!store.may_have_hashes(space)) return handler(state);
        const boost::intrusive_ptr<HashState> walk(new HashState(state, std::move(handler)));
        walk->start(worker, space, text);
      });
}

}  // namespace kachel::server
