// The worker as EXEC's commands have it: what they write under a watched key is written on the
// condition that the key is as WATCH saw it.
#pragma once

#include "server/forwarding_worker.h"

namespace kachel::server {

class Transaction;
struct WatchedKey;

class WatchingWorker final : public ForwardingWorker {
 public:
  WatchingWorker(Worker& worker, Transaction& transaction)
      : ForwardingWorker(worker), transaction_(transaction) {}

  bool put(Namespace space, std::string_view key, std::string_view value, PutOptions options,
           PutHandler handler) override;
  bool erase(Namespace space, std::string_view key, std::optional<std::uint64_t> if_version,
             EraseHandler handler) override;
  bool change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                     ExpiryHandler handler) override;

 private:
  /// The watched key that the entry is, or is a field of; nullptr when there is none, or this
  /// EXEC has written it already. Then `version` is what its entry must have; nothing: see
  /// with_version().
  WatchedKey* find(Namespace space, std::string_view key) const;
  /// Runs `go(version)` with the version that an entry of a watched key has and may have;
  /// otherwise `refuse()`.
  template <typename Go, typename Refuse>
  bool with_version(const WatchedKey& watched, Namespace space, std::string_view key,
                    std::optional<std::uint64_t> wanted, Go go, Refuse refuse);
  void wrote(Namespace space, std::string_view key);
  void fail();

  Transaction& transaction_;
};

}  // namespace kachel::server
