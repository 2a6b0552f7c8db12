// A worker whose calls are accounted for: how long they took, from which tier whom they served, and
// what that saved. And a put of an OpenAI-shaped value is attributed to its model (attribution.h).
//
// Around the engine's own, so that every command and protocol is counted alike. A hit of the hot
// tier is the way that must stay short: it is counted each time and timed now and then.
#pragma once

#include <memory>
#include <utility>

#include "server/ledger.h"

namespace kachel::server {

class AccountingWorker final : public Worker {
 public:
  /// `inner` and what `ledger` refers to outlive this, and `ledger` every handler.
  AccountingWorker(Worker& inner, std::shared_ptr<Ledger> ledger)
      : inner_(inner), ledger_(std::move(ledger)) {}

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

  // As they are.
  void give_up_lease(Namespace space, std::string_view key, LeaseToken token) override {
    inner_.give_up_lease(space, key, token);
  }
  void end_lease_waits() override { inner_.end_lease_waits(); }
  void scan(Namespace space, std::uint64_t cursor, std::size_t count,
            ScanHandler handler) override {
    inner_.scan(space, cursor, count, std::move(handler));
  }
  bool erase_all(Namespace space, DoneHandler handler) override {
    return inner_.erase_all(space, std::move(handler));
  }
  bool request_erase(EraseRequest request, ReceiptHandler handler) override {
    return inner_.request_erase(std::move(request), std::move(handler));
  }
  void count_erase(const EraseRequest& request, ScopeCountHandler handler) override {
    inner_.count_erase(request, std::move(handler));
  }
  void receipt(const ReceiptId& id, ReceiptTextHandler handler) override {
    inner_.receipt(id, std::move(handler));
  }
  void place_hold(HoldRequest request, HoldHandler handler) override {
    inner_.place_hold(std::move(request), std::move(handler));
  }
  void release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                    DoneHandler handler) override {
    inner_.release_hold(tenant, id, std::move(reason), std::move(handler));
  }
  void list_holds(std::uint32_t tenant, HoldsHandler handler) override {
    inner_.list_holds(tenant, std::move(handler));
  }
  bool throttled() const override { return inner_.throttled(); }

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

  Worker& inner_;
  std::shared_ptr<Ledger> ledger_;  // shared with handlers, which may outlive this
  std::uint64_t untimed_hits_ = 0;  // since the last sample
  std::uint64_t until_sample_ = 0;  // hits; the first one is
  bool inspecting_ = false;
};

}  // namespace kachel::server
