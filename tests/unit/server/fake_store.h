// A store in a map, for sessions tested alone. Calls are answered at once, or kept until the
// test says which to complete: in any order, settled or not.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/field_key.h"
#include "engine/store.h"
#include "io/clock.h"

namespace kachel::server {

/// Of nothing: every call fails.
class FakeCopies final : public Copies {
 public:
  void create_snapshot(std::string, std::chrono::milliseconds, io::Loop&,
                       Handler<SnapshotInfo> handler) override {
    handler(none());
  }
  void remove_snapshot(std::string, io::Loop&, Handler<void> handler) override { handler(none()); }
  std::vector<SnapshotInfo> snapshots() const override { return {}; }
  void list_files(std::string, io::Loop&, Handler<std::vector<SnapshotFile>> handler) override {
    handler(none());
  }
  void read_file(std::string, std::string, std::uint64_t, std::size_t, io::Loop&,
                 Handler<ZeroizingBytes> handler) override {
    handler(none());
  }
  format::StoreId store_id() const override { return {}; }
  std::uint64_t last_sequence() const override { return 0; }
  std::uint64_t doubtful_through() const override { return 0; }
  std::int64_t copied_ms() const override { return 0; }
  std::uint64_t arriving_segments() const override { return 0; }
  std::vector<Namespace> namespaces() const override { return {}; }
  void list_alive(Namespace, Mac, std::size_t, io::Loop&, Handler<AlivePage> handler) override {
    handler(none());
  }
  void confirm_alive(AliveRange, std::vector<AliveEntry>, io::Loop&,
                     Handler<std::uint64_t> handler) override {
    handler(none());
  }
  void follow(std::string, std::chrono::milliseconds, io::Loop&, Handler<void> handler) override {
    handler(none());
  }
  void end_doubt(DoubtEnd, io::Loop&, Handler<void> handler) override { handler(none()); }

 private:
  static Error none() { return {ErrorCode::kNotFound, "there are no copies of this"}; }
};

class FakeStore final : public Store, public Worker {
 public:
  enum class Mode {
    kAtOnce,     // handlers run inside the call
    kSettled,    // effects at once, handlers when the test says so
    kUnsettled,  // effects and handlers when the test says so
  };
  Mode mode = Mode::kAtOnce;
  bool hot = false;  // whether get_hot() finds anything
  bool throttle = false;
  std::optional<Error> failure;              // the next calls answer this
  std::optional<PutOutcome> forced_outcome;  // of puts
  unsigned version_conflicts = 0;            // conditional writes that fail first
  io::ManualClock clock;
  std::vector<std::string> foreseen;  // keys, all there were
  std::uint64_t memory = 0;
  Stats numbers;

  struct Row {
    Entry::Pointer entry;
    std::int64_t expires_at_ms = 0;
  };
  std::map<std::pair<unsigned, std::string>, Row> rows;
  std::vector<std::string> calls;  // as they were made
  std::deque<std::function<void()>> waiting;
  std::deque<UniqueFunction<void()>> throttled_clients;

  /// Completes the call kept at `index`.
  void complete(std::size_t index) {
    const std::function<void()> call = std::move(waiting.at(index));
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(index));
    call();
  }
  void complete_all() {
    while (!waiting.empty())
      complete(0);
  }
  void unthrottle() {
    throttle = false;
    std::deque<UniqueFunction<void()>> resumed;
    resumed.swap(throttled_clients);
    for (auto& resume : resumed)
      resume();
  }
  const Row* row(std::string_view key, unsigned database = 0) {
    return find({0, static_cast<std::uint8_t>(database)}, key);
  }

  FakeCopies fake_copies;
  Copies& copies() override { return fake_copies; }

  // Worker
  void foresee(std::span<const Foreseen> keys) override {
    for (const Foreseen& key : keys)
      foreseen.emplace_back(key.key);
  }
  std::optional<Found> get_hot(Namespace space, std::string_view key) override {
    const Row* found = hot && !failure ? find(space, key) : nullptr;
    if (found == nullptr) return std::nullopt;
    return Found{found->entry, found->expires_at_ms, Tier::kHot};
  }
  bool get(Namespace space, std::string_view key, GetHandler handler) override {
    return answer("get", key, std::move(handler),
                  [=, this, key = std::string(key)]() -> std::optional<Found> {
                    const Row* found = find(space, key);
                    if (found == nullptr) return std::nullopt;
                    return Found{found->entry, found->expires_at_ms, Tier::kFlash};
                  });
  }
  bool glimpse(Namespace space, std::string_view key, GlimpseHandler handler) override {
    return answer("glimpse", key, std::move(handler),
                  [=, this, key = std::string(key)]() -> std::optional<Glimpse> {
                    const Row* found = find(space, key);
                    if (found == nullptr) return std::nullopt;
                    return Glimpse{found->expires_at_ms, found->entry->value().size(),
                                   found->entry->version, Tier::kFlash};
                  });
  }
  bool put(Namespace space, std::string_view key, std::string_view value, PutOptions options,
           PutHandler handler) override {
    last_fill = options.lease;
    return answer("put", key, std::move(handler),
                  [=, this, key = std::string(key), value = std::string(value)] {
                    return apply_put(space, key, value, options);
                  });
  }
  bool erase(Namespace space, std::string_view key, std::optional<std::uint64_t> if_version,
             EraseHandler handler) override {
    return answer("erase", key, std::move(handler), [=, this, key = std::string(key)] {
      const Row* found = find(space, key);
      if (conflict(if_version, found)) return EraseOutcome::kVersionChanged;
      if (found == nullptr) return EraseOutcome::kAbsent;
      rows.erase({space.database, key});
      return EraseOutcome::kErased;
    });
  }
  bool change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                     ExpiryHandler handler) override {
    return answer("expiry", key, std::move(handler),
                  [=, this, key = std::string(key)] { return apply_expiry(space, key, change); });
  }
  /// On a miss `lease_token`; 0: ask again.
  LeaseToken lease_token = 0x1234;
  std::optional<LeaseToken> last_fill;  // the lease that the last put named
  bool lease(Namespace space, std::string_view key, std::chrono::milliseconds ms,
             LeaseHandler handler) override {
    return answer("lease " + std::to_string(ms.count()), key, std::move(handler),
                  [=, this, key = std::string(key)] {
                    LeaseAnswer given;
                    if (const Row* found = find(space, key); found != nullptr) {
                      given.found = Found{found->entry, found->expires_at_ms, Tier::kFlash};
                    } else {
                      given.token = lease_token;
                    }
                    return given;
                  });
  }
  void give_up_lease(Namespace, std::string_view key, LeaseToken token) override {
    calls.push_back("give_up " + std::string(key) + " " + std::to_string(token));
  }
  void end_lease_waits() override {}  // at a stop each worker calls it, on its own thread
  void scan(Namespace space, std::uint64_t cursor, std::size_t count,
            ScanHandler handler) override {
    answer("scan", "", std::move(handler), [=, this] {
      ScanPage page;
      std::uint64_t at = 0;
      for (const auto& [key, row] : rows) {
        if (key.first != space.database || at++ < cursor) continue;
        if (page.keys.size() == count) {
          page.cursor = at - 1;
          break;
        }
        page.keys.push_back(key.second);
      }
      return page;
    });
  }
  void glimpse_hash(Namespace space, std::string_view hash, GlimpseHandler handler) override {
    answer("glimpse_hash", hash, std::move(handler),
           [=, this, hash = std::string(hash)]() -> std::optional<Glimpse> {
             const std::vector<HashField> fields = fields_in(space, hash);
             if (fields.empty()) return std::nullopt;
             return fields.front().seen;
           });
  }
  void list_fields(Namespace space, std::string_view hash, std::uint64_t cursor, std::size_t count,
                   Texts, FieldsHandler handler) override {
    answer("fields", hash, std::move(handler), [=, this, hash = std::string(hash)] {
      FieldPage page;
      std::uint64_t at = 0;
      for (HashField& field : fields_in(space, hash)) {
        if (at++ < cursor) continue;
        if (page.fields.size() == count) {
          page.cursor = at - 1;
          break;
        }
        page.fields.push_back(std::move(field));
      }
      return page;
    });
  }
  void scan_hashes(Namespace space, std::uint64_t cursor, std::size_t count, Texts,
                   ScanHandler handler) override {
    answer("scan_hashes", "", std::move(handler), [=, this] {
      ScanPage page;
      std::uint64_t at = 0;
      std::string last;
      for (const auto& [key, row] : rows) {
        if (key.first != fields_of(space).database) continue;
        const std::string hash(parse_field_key(key.second)->hash);
        if (at > 0 && hash == last) continue;
        last = hash;
        if (at++ < cursor) continue;
        if (page.keys.size() == count) {
          page.cursor = at - 1;
          break;
        }
        page.keys.emplace_back(hash);
      }
      return page;
    });
  }
  /// Takes nothing out, and tells what it was asked for.
  bool request_erase(EraseRequest request, ReceiptHandler handler) override {
    calls.push_back("erase " + text_of(request));
    if (failure) {
      handler(*failure);
      return true;
    }
    handler(request.id ? *request.id : *parse_receipt_id(kFirstReceipt));
    return true;
  }
  void count_erase(const EraseRequest& request, ScopeCountHandler handler) override {
    calls.push_back("count " + text_of(request));
    if (failure) return handler(*failure);
    handler(ScopeCount{1, 2, 300, 4});
  }
  static constexpr const char* kFirstReceipt = "11111111-2222-4333-8444-555555555555";
  void receipt(std::uint32_t, const ReceiptId& id, ReceiptTextHandler handler) override {
    if (failure) return handler(*failure);
    if (id != *parse_receipt_id(kFirstReceipt)) return handler(std::optional<std::string>());
    handler(std::optional<std::string>("{\"receipt\":1}"));
  }
  void place_hold(HoldRequest request, HoldHandler handler) override {
    calls.push_back("hold " + std::string(request.subject.value_or("all")) + " of " +
                    std::to_string(request.tenant) + " because " + request.reason);
    if (failure) return handler(*failure);
    handler(*parse_receipt_id(kFirstReceipt));
  }
  void release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                    DoneHandler handler) override {
    calls.push_back("release " + kachel::text_of(id) + " of " + std::to_string(tenant) +
                    " because " + reason);
    if (failure) return handler(*failure);
    handler({});
  }
  void list_holds(std::uint32_t, HoldsHandler handler) override {
    if (failure) return handler(*failure);
    handler(
        std::vector<HoldInfo>{{*parse_receipt_id(kFirstReceipt), "subject", "00ff", 17, "case 7"}});
  }
  static std::string text_of(const EraseRequest& request) {
    constexpr const char* kKinds[] = {"keys", "subject", "model", "tenant"};
    std::string text = kKinds[static_cast<std::size_t>(request.kind)];
    text += " of " + std::to_string(request.space.tenant);
    for (const ZeroizingString& name : request.names)
      text += " " + name;
    for (const ZeroizingString& field : request.fields)
      text += " ." + std::string(parse_field_key(field)->field);
    if (!request.reason.empty()) text += " because " + request.reason;
    if (request.id) text += " as " + kachel::text_of(*request.id);
    return text;
  }
  std::optional<Erasure> erasure(const ReceiptId&) const override { return std::nullopt; }
  std::vector<Erasure> pending_erasures() const override { return {}; }
  std::chrono::milliseconds erase_within{0};
  std::map<std::uint32_t, std::uint64_t> quotas;
  bool is_draining = false;
  Result<std::uint32_t> tenant_number(std::string_view name) override {
    return static_cast<std::uint32_t>(name == "default" ? 0 : name.size());
  }
  void record_policies(std::map<std::string, std::string>) override {}
  Result<void> set_erase_within(std::chrono::milliseconds within) override {
    erase_within = within;
    return {};
  }
  void set_quotas(std::map<std::uint32_t, std::uint64_t> bytes_by_tenant) override {
    quotas = std::move(bytes_by_tenant);
  }
  void set_draining(bool draining) override { is_draining = draining; }
  TenantUsage usage_of(std::uint32_t tenant) const override {
    TenantUsage usage;
    usage.entries = rows.size();
    if (const auto quota = quotas.find(tenant); quota != quotas.end()) {
      usage.quota_bytes = quota->second;
    }
    return usage;
  }
  bool erase_all(Namespace space, DoneHandler handler) override {
    calls.push_back("erase_all");
    std::erase_if(rows, [&](const auto& row) { return row.first.first == space.database; });
    handler(failure ? Result<void>(*failure) : Result<void>());
    return true;
  }
  bool throttled() const override { return throttle; }
  void when_unthrottled(UniqueFunction<void()> resume) override {
    throttled_clients.push_back(std::move(resume));
  }

  // Store
  std::unique_ptr<Worker> attach(io::Loop&) override { return nullptr; }
  std::uint64_t count(Namespace space) const override {
    std::uint64_t total = 0;
    for (const auto& [key, row] : rows)
      total += key.first == space.database ? 1 : 0;
    return total;
  }
  bool may_have_hashes(Namespace space) const override { return count(fields_of(space)) > 0; }
  Stats stats() const override { return numbers; }
  std::int64_t now_ms() const override { return clock.wall_ms(); }
  Result<void> set_memory(std::uint64_t bytes) override {
    if (bytes < kMinMemoryBytes) {
      return Error{ErrorCode::kInvalidArgument, "memory must be at least 16 MiB"};
    }
    memory = bytes;
    return {};
  }
  Result<void> close() override { return {}; }
  void close_async(DoneHandler done) override { done({}); }

 private:
  std::vector<HashField> fields_in(Namespace space, const std::string& hash) {
    std::vector<HashField> fields;
    std::erase_if(rows, [&](const auto& row) {
      const std::int64_t expires = row.second.expires_at_ms;
      return expires != 0 && expires <= clock.wall_ms();
    });
    for (const auto& [key, row] : rows) {
      if (key.first != fields_of(space).database) continue;
      const auto parsed = parse_field_key(key.second);
      if (parsed->hash != hash) continue;
      fields.push_back(
          {parsed->field,
           {row.expires_at_ms, row.entry->value().size(), row.entry->version, Tier::kFlash}});
    }
    return fields;
  }

  template <typename Handler, typename Effect>
  bool answer(const std::string& call, std::string_view key, Handler handler, Effect effect) {
    calls.push_back(call + (key.empty() ? "" : " ") + std::string(key));
    using Value = Result<decltype(effect())>;
    if (failure) {
      handler(Value(*failure));
      return true;
    }
    if (mode == Mode::kAtOnce) {
      handler(Value(effect()));
      return true;
    }
    const auto shared = std::make_shared<Handler>(std::move(handler));
    if (mode == Mode::kSettled) {
      const auto result = std::make_shared<Value>(effect());
      waiting.push_back([shared, result] { (*shared)(std::move(*result)); });
      return true;
    }
    waiting.push_back([shared, effect] { (*shared)(Value(effect())); });
    return false;
  }

  const Row* find(Namespace space, std::string_view key) {
    const auto found = rows.find({space.database, std::string(key)});
    if (found == rows.end()) return nullptr;
    const std::int64_t expires = found->second.expires_at_ms;
    if (expires == 0 || expires > clock.wall_ms()) return &found->second;
    rows.erase(found);
    return nullptr;
  }

  bool conflict(std::optional<std::uint64_t> if_version, const Row* found) {
    if (!if_version) return false;
    if (version_conflicts > 0) {
      --version_conflicts;
      return true;
    }
    return *if_version != (found != nullptr ? found->entry->version : 0);
  }

  PutOutcome apply_put(Namespace space, const std::string& key, const std::string& value,
                       const PutOptions& options) {
    if (forced_outcome) return *forced_outcome;
    const Row* found = find(space, key);
    if (conflict(options.if_version, found)) return PutOutcome::kVersionChanged;
    if (options.condition == Condition::kIfAbsent && found != nullptr) {
      return PutOutcome::kConditionFailed;
    }
    if (options.condition == Condition::kIfPresent && found == nullptr) {
      return PutOutcome::kConditionFailed;
    }
    Row row{Entry::make(value), options.expires_at_ms};
    if (options.keep_ttl && found != nullptr) row.expires_at_ms = found->expires_at_ms;
    row.entry->metadata = options.metadata;
    row.entry->version = ++last_version_;
    row.entry->created_ms = now_ms();
    row.entry->stored_bytes = static_cast<std::uint32_t>(value.size() + 64);
    rows[{space.database, key}] = std::move(row);
    return PutOutcome::kStored;
  }

  static bool holds(const ExpiryChange& change, std::int64_t current) {
    switch (change.condition) {
      case ExpiryCondition::kIfNone:
        return current == 0;
      case ExpiryCondition::kIfSome:
        return current != 0;
      case ExpiryCondition::kIfLater:
        return current != 0 && change.expires_at_ms > current;
      case ExpiryCondition::kIfSooner:
        return current == 0 || change.expires_at_ms < current;
      default:
        return change.expires_at_ms != 0 || current != 0;
    }
  }

  ExpiryOutcome apply_expiry(Namespace space, const std::string& key, const ExpiryChange& change) {
    const Row* found = find(space, key);
    if (conflict(change.if_version, found)) return ExpiryOutcome::kVersionChanged;
    if (found == nullptr) return ExpiryOutcome::kAbsent;
    if (!holds(change, found->expires_at_ms)) return ExpiryOutcome::kConditionFailed;
    if (change.expires_at_ms != 0 && change.expires_at_ms <= now_ms()) {
      rows.erase({space.database, key});
      return ExpiryOutcome::kErased;
    }
    rows[{space.database, key}].expires_at_ms = change.expires_at_ms;
    return ExpiryOutcome::kChanged;
  }

  std::uint64_t last_version_ = 0;
};

}  // namespace kachel::server
