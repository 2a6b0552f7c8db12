#include "server/watching_worker.h"

#include <memory>
#include <utility>

#include "engine/field_key.h"
#include "server/transaction.h"

namespace kachel::server {

WatchedKey* WatchingWorker::find(Namespace space, std::string_view key) const {
  const auto parsed = has_fields(space) ? parse_field_key(key) : std::nullopt;
  for (WatchedKey& watched : transaction_.watched()) {
    if (watched.is_ours) continue;
    if (watched.space == space && watched.key == key) return &watched;
    if (parsed && fields_of(watched.space) == space && watched.key == parsed->hash) return &watched;
  }
  return nullptr;
}

void WatchingWorker::wrote(Namespace space, std::string_view key) {
  if (WatchedKey* const watched = find(space, key)) watched->is_ours = true;
}

void WatchingWorker::fail() {
  transaction_.fail();
}

/// A string has the version that WATCH saw. Of a hash's fields only the newest was noted: one
/// that is newer has been written since.
template <typename Go, typename Refuse>
bool WatchingWorker::with_version(const WatchedKey& watched, Namespace space, std::string_view key,
                                  std::optional<std::uint64_t> wanted, Go go, Refuse refuse) {
  if (!has_fields(space)) {
    if (!wanted || *wanted == watched.state.version) return go(watched.state.version);
    fail();
    refuse();
    return true;
  }
  const std::uint64_t newest = watched.state.newest;
  if (wanted) {
    if (*wanted <= newest) return go(*wanted);
    fail();
    refuse();
    return true;
  }
  worker_.glimpse(space, key, [this, newest, go, refuse](Result<std::optional<Glimpse>> seen) {
    const std::uint64_t version = seen && *seen ? (*seen)->version : 0;
    if (version <= newest) return static_cast<void>(go(version));
    fail();
    refuse();
  });
  return false;
}

bool WatchingWorker::put(Namespace space, std::string_view key, std::string_view value,
                         PutOptions options, PutHandler handler) {
  const WatchedKey* const watched = find(space, key);
  if (watched == nullptr) {
    return worker_.put(space, key, value, std::move(options), std::move(handler));
  }
  struct Put {
    ZeroizingString key;
    ZeroizingString value;
    PutOptions options;
    PutHandler handler;
  };
  const auto wanted = options.if_version;
  const std::shared_ptr<Put> put(new Put{key, value, std::move(options), std::move(handler)});
  return with_version(
      *watched, space, key, wanted,
      [this, space, put](std::uint64_t version) {
        put->options.if_version = version;
        return worker_.put(space, put->key, put->value, put->options,
                           [this, space, put](Result<PutOutcome> outcome) {
                             if (outcome && *outcome == PutOutcome::kVersionChanged) fail();
                             if (outcome && *outcome == PutOutcome::kStored) wrote(space, put->key);
                             put->handler(std::move(outcome));
                           });
      },
      [put] { put->handler(PutOutcome::kVersionChanged); });
}

bool WatchingWorker::erase(Namespace space, std::string_view key,
                           std::optional<std::uint64_t> if_version, EraseHandler handler) {
  const WatchedKey* const watched = find(space, key);
  if (watched == nullptr) return worker_.erase(space, key, if_version, std::move(handler));
  const auto answer = std::make_shared<EraseHandler>(std::move(handler));
  return with_version(
      *watched, space, key, if_version,
      [this, space, text = ZeroizingString(key), answer](std::uint64_t version) {
        return worker_.erase(space, text, version,
                             [this, space, text, answer](Result<EraseOutcome> outcome) {
                               if (outcome && *outcome == EraseOutcome::kVersionChanged) fail();
                               if (outcome && *outcome == EraseOutcome::kErased) wrote(space, text);
                               (*answer)(std::move(outcome));
                             });
      },
      [answer] { (*answer)(EraseOutcome::kVersionChanged); });
}

bool WatchingWorker::change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                                   ExpiryHandler handler) {
  const WatchedKey* const watched = find(space, key);
  if (watched == nullptr) return worker_.change_expiry(space, key, change, std::move(handler));
  const auto answer = std::make_shared<ExpiryHandler>(std::move(handler));
  return with_version(
      *watched, space, key, change.if_version,
      [this, space, text = ZeroizingString(key), change, answer](std::uint64_t version) {
        ExpiryChange guarded = change;
        guarded.if_version = version;
        return worker_.change_expiry(space, text, guarded,
                                     [this, space, text, answer](Result<ExpiryOutcome> outcome) {
                                       if (outcome && *outcome == ExpiryOutcome::kVersionChanged)
                                         fail();
                                       if (outcome && *outcome == ExpiryOutcome::kErased)
                                         wrote(space, text);
                                       (*answer)(std::move(outcome));
                                     });
      },
      [answer] { (*answer)(ExpiryOutcome::kVersionChanged); });
}

}  // namespace kachel::server
