// A worker that passes everything on: for those that change some of it.
#pragma once

#include <utility>

#include "engine/store.h"

namespace kachel::server {

class ForwardingWorker : public Worker {
 public:
  explicit ForwardingWorker(Worker& worker) : worker_(worker) {}
  std::optional<Found> get_hot(Namespace space, std::string_view key) override {
    return worker_.get_hot(space, key);
  }
  void foresee(std::span<const Foreseen> keys) override { worker_.foresee(keys); }
  bool get(Namespace space, std::string_view key, GetHandler handler) override {
    return worker_.get(space, key, std::move(handler));
  }
  bool glimpse(Namespace space, std::string_view key, GlimpseHandler handler) override {
    return worker_.glimpse(space, key, std::move(handler));
  }
  bool put(Namespace space, std::string_view key, std::string_view value, PutOptions options,
           PutHandler handler) override {
    return worker_.put(space, key, value, std::move(options), std::move(handler));
  }
  bool erase(Namespace space, std::string_view key, std::optional<std::uint64_t> if_version,
             EraseHandler handler) override {
    return worker_.erase(space, key, if_version, std::move(handler));
  }
  bool change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                     ExpiryHandler handler) override {
    return worker_.change_expiry(space, key, change, std::move(handler));
  }
  bool lease(Namespace space, std::string_view key, std::chrono::milliseconds ms,
             LeaseHandler handler) override {
    return worker_.lease(space, key, ms, std::move(handler));
  }
  void give_up_lease(Namespace space, std::string_view key, LeaseToken token) override {
    worker_.give_up_lease(space, key, token);
  }
  void end_lease_waits() override { worker_.end_lease_waits(); }
  void scan(Namespace space, std::uint64_t cursor, std::size_t count,
            ScanHandler handler) override {
    worker_.scan(space, cursor, count, std::move(handler));
  }
  void glimpse_hash(Namespace space, std::string_view hash, GlimpseHandler handler) override {
    worker_.glimpse_hash(space, hash, std::move(handler));
  }
  void list_fields(Namespace space, std::string_view hash, std::uint64_t cursor, std::size_t count,
                   Texts texts, FieldsHandler handler) override {
    worker_.list_fields(space, hash, cursor, count, texts, std::move(handler));
  }
  void scan_hashes(Namespace space, std::uint64_t cursor, std::size_t count, Texts texts,
                   ScanHandler handler) override {
    worker_.scan_hashes(space, cursor, count, texts, std::move(handler));
  }
  bool request_erase(EraseRequest request, ReceiptHandler handler) override {
    return worker_.request_erase(std::move(request), std::move(handler));
  }
  void count_erase(const EraseRequest& request, ScopeCountHandler handler) override {
    worker_.count_erase(request, std::move(handler));
  }
  void receipt(std::uint32_t tenant, const ReceiptId& id, ReceiptTextHandler handler) override {
    worker_.receipt(tenant, id, std::move(handler));
  }
  void place_hold(HoldRequest request, HoldHandler handler) override {
    worker_.place_hold(std::move(request), std::move(handler));
  }
  void release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                    DoneHandler handler) override {
    worker_.release_hold(tenant, id, std::move(reason), std::move(handler));
  }
  void list_holds(std::uint32_t tenant, HoldsHandler handler) override {
    worker_.list_holds(tenant, std::move(handler));
  }
  bool erase_all(Namespace space, DoneHandler handler) override {
    return worker_.erase_all(space, std::move(handler));
  }
  bool throttled() const override { return worker_.throttled(); }
  void when_unthrottled(UniqueFunction<void()> resume) override {
    worker_.when_unthrottled(std::move(resume));
  }

 protected:
  Worker& worker_;
};

}  // namespace kachel::server
