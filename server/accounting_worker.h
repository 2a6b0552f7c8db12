// A worker whose calls are accounted for: how long they took, from which tier whom they served, and
// what that saved. And a put of an OpenAI-shaped value is attributed to its model (attribution.h).
//
// Around the engine's own, so that every command and protocol is counted alike. A hit of the hot
// tier is the way that must stay short: it is counted each time and timed now and then.
#pragma once

#include <memory>
#include <utility>

#include "server/forwarding_worker.h"
#include "server/ledger.h"

namespace kachel::server {

class AccountingWorker final : public ForwardingWorker {
 public:
  /// `inner` and what `ledger` refers to outlive this, and `ledger` every handler.
  AccountingWorker(Worker& inner, std::shared_ptr<Ledger> ledger)
      : ForwardingWorker(inner), ledger_(std::move(ledger)) {}

  std::optional<Found> get_hot(Namespace space, std::string_view key) override;
  bool get(Namespace space, std::string_view key, GetHandler handler) override;
  bool glimpse(Namespace space, std::string_view key, GlimpseHandler handler) override;
  bool put(Namespace space, std::string_view key, std::string_view value, PutOptions options,
           PutHandler handler) override;
  bool erase(Namespace space, std::string_view key, std::optional<std::uint64_t> if_version,
             EraseHandler handler) override;
  bool change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                     ExpiryHandler handler) override;
  bool lease(Namespace space, std::string_view key, std::chrono::milliseconds ms,
             LeaseHandler handler) override;
  void when_unthrottled(UniqueFunction<void()> resume) override;

  /// While one lives, what is read serves nobody: reads made then are timed, and neither hits nor
  /// savings.
  class Inspection {
   public:
    explicit Inspection(Worker& worker) : worker_(dynamic_cast<AccountingWorker*>(&worker)) {
      if (worker_ != nullptr) worker_->inspecting_ = true;
    }
    ~Inspection() {
      if (worker_ != nullptr) worker_->inspecting_ = false;
    }
    Inspection(const Inspection&) = delete;
    Inspection& operator=(const Inspection&) = delete;

   private:
    AccountingWorker* worker_;  // nullptr: nobody counts
  };

 private:
  template <typename Value>
  auto timed(Operation operation, UniqueFunction<void(Result<Value>)> handler);

  // A prime, so that the turns of clients that pipeline do not fall in step with it.
  static constexpr std::uint64_t kHotHitsPerSample = 13;

  std::shared_ptr<Ledger> ledger_;  // shared with handlers, which may outlive this
  std::uint64_t untimed_hits_ = 0;  // since the last sample
  std::uint64_t until_sample_ = 0;  // hits; the first one is
  bool inspecting_ = false;
};

}  // namespace kachel::server
