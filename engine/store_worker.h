// Worker: the operations of one loop. Decisions are made under the key's shard lock from what
// memory knows; where the index can't tell without the disk, its blocks are read in on the
// pool and the decision is taken again. Loop thread only.
#pragma once

#include <memory>

#include "engine/core.h"
#include "engine/eraser.h"
#include "engine/log.h"

namespace kachel {

class StoreWorker final : public Worker {
 public:
  StoreWorker(Core& core, Log& log, Eraser& eraser, AuditTrail& trail, io::Loop& loop)
      : core_(core), log_(log), eraser_(eraser), trail_(trail), loop_(loop) {}
  ~StoreWorker() override;
  StoreWorker(const StoreWorker&) = delete;
  StoreWorker& operator=(const StoreWorker&) = delete;

  std::optional<Found> get_hot(Namespace space, std::string_view key) override;
  void foresee(std::span<const Foreseen> keys) override;
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
  void give_up_lease(Namespace space, std::string_view key, LeaseToken token) override;
  void end_lease_waits() override;
  void scan(Namespace space, std::uint64_t cursor, std::size_t count, ScanHandler handler) override;
  void glimpse_hash(Namespace space, std::string_view hash, GlimpseHandler handler) override;
  void list_fields(Namespace space, std::string_view hash, std::uint64_t cursor, std::size_t count,
                   Texts texts, FieldsHandler handler) override;
  void scan_hashes(Namespace space, std::uint64_t cursor, std::size_t count, Texts texts,
                   ScanHandler handler) override;
  bool erase_all(Namespace space, DoneHandler handler) override;
  bool request_erase(EraseRequest request, ReceiptHandler handler) override;
  void count_erase(const EraseRequest& request, ScopeCountHandler handler) override;
  void receipt(std::uint32_t tenant, const ReceiptId& id, ReceiptTextHandler handler) override;
  void place_hold(HoldRequest request, HoldHandler handler) override;
  void release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                    DoneHandler handler) override;
  void list_holds(std::uint32_t tenant, HoldsHandler handler) override;
  bool throttled() const override;
  void when_unthrottled(UniqueFunction<void()> resume) override;

  /// Takes an entry out for want of room, if this version of it is what the index has, with a
  /// tombstone that need not be durable. With `spares_read` not one that was read since it came
  /// into the hot tier. The handler says whether it was taken out.
  void evict(const RowKey& entry, std::uint64_t version, const ScopeTags& tags, bool spares_read,
             UniqueFunction<void(bool)> handler);

  // See Copies.
  void list_alive(Namespace space, const Mac& from, std::size_t count,
                  Copies::Handler<AlivePage> handler);
  void confirm_alive(AliveRange range, std::vector<AliveEntry> alive,
                     Copies::Handler<std::uint64_t> handler);

 private:
  struct Key {
    Namespace space;
    Mac mac;
  };
  struct PutOperation;
  /// Runs under the shard's lock; what it returns runs after, without it.
  using Decision = UniqueFunction<io::Task(Shard&, const Current&)>;

  /// Who comes back from elsewhere looks first whether the worker is still there.
  std::weak_ptr<const char> presence() const { return present_; }
  Key key_of(Namespace space, std::string_view text) const;
  /// Runs `list() -> Result<Page>` on the pool once what was acknowledged before is in the index;
  /// then the handler.
  template <typename Page, typename List>
  void list_on_pool(List list, UniqueFunction<void(Result<Page>)> handler);
  void find_hash(const Key& hash, GlimpseHandler handler);
  bool decide(const Key& key, Decision decision, int warmed = 0);
  void warm(const Key& key, Decision decision, int warmed);

  bool put_now(const std::shared_ptr<PutOperation>& operation);
  bool put_conditionally(const std::shared_ptr<PutOperation>& operation);
  static void encode(const Core& core, PutOperation& operation);
  void encode_on_pool(std::shared_ptr<PutOperation> operation);
  bool place(const std::shared_ptr<PutOperation>& operation);
  io::Task apply_put(Shard& shard, const std::shared_ptr<PutOperation>& operation,
                     const Current& current);
  io::Task fill(Shard& shard, const std::shared_ptr<PutOperation>& operation,
                const Current& current);
  io::Task commit(Shard& shard, const std::shared_ptr<PutOperation>& operation);
  io::Task drop_put(Shard& shard, const std::shared_ptr<PutOperation>& operation);
  void end_lease(Shard& shard, const Mac& mac, LeaseEnd why);
  void find_or_lease(const LeaseWait::Pointer& wait, const ZeroizingString& text,
                     std::uint64_t unreadable);
  void lease_missing(const LeaseWait::Pointer& wait, const ZeroizingString& text,
                     std::uint64_t unreadable);
  bool is_surely_absent(Shard& shard, const Key& key) const;
  bool may_come_back(const Current& current) const;
  bool is_expired_row(const Shard& shard, const Key& key, std::uint64_t version,
                      const ScopeTags& tags, const Current& current) const;
  bool is_moving(const Row& row) const;
  /// Under the shard's lock: answers that a key is absent once that can't be undone by a crash.
  io::Task answer_absent(const Shard& shard, AckLevel level, AppendHandler answer);
  io::Task commit_erase(Shard& shard, const Key& key, const Current& current, AckLevel ack,
                        AppendHandler handler, std::uint64_t* taken_sequence = nullptr);
  io::Task commit_expiry(Shard& shard, const Key& key, const Current& current,
                         std::int64_t expires_at_ms, ExpiryHandler handler);
  struct EraseOperation;
  void begin_erase(const std::shared_ptr<EraseOperation>& operation);
  void erase_keys(const std::shared_ptr<EraseOperation>& operation);
  void erase_key(const std::shared_ptr<EraseOperation>& operation, const Key& key);
  struct Confirmation;
  void confirm_stretch(const std::shared_ptr<Confirmation>& confirmation);
  void erase_doubtful(const std::shared_ptr<Confirmation>& confirmation, const AliveEntry& entry);
  void end_stretch(const std::shared_ptr<Confirmation>& confirmation);
  AckLevel ack_level() const;
  void append(Append append, AckLevel ack, AppendHandler handler, std::uint64_t* sequence,
              io::Task* after);

  Core& core_;
  Log& log_;
  Eraser& eraser_;
  AuditTrail& trail_;
  io::Loop& loop_;
  std::shared_ptr<const char> present_ = std::make_shared<char>();
  LeaseWait::Home lease_waits_;
  bool takes_lease_waits_ = true;
};

}  // namespace kachel
