// The store's way to its audit log: events of all threads go into it in batches, on the blocking
// pool, and what it says of earlier erases is found by their receipts.
//
// The log is made with the first event: a store in which nothing was ever erased for good has
// none. One that can't be opened does not keep the store from serving; then nothing can be
// recorded, and who asks is told why.
//
// What is kept in memory is a map from receipts to places in the log, 40 to 90 bytes an erase. A
// start reads the whole log for it, beside the serving; until then requests about receipts wait.
#pragma once

#include <boost/functional/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/audit/audit_log.h"
#include "engine/audit/event.h"
#include "engine/core.h"
#include "engine/erasure.h"
#include "engine/holds.h"
#include "engine/receipt_id.h"

namespace kachel {

/// What the audit log says of it, but for the time and the reason.
audit::HoldEvent event_of(const Hold& hold);

class AuditTrail {
 public:
  explicit AuditTrail(Core& core);

  /// What the log says of an erase.
  struct Known {
    audit::EraseEvent event;
    bool is_reclaimed = false;
  };
  struct Contents {
    std::vector<Known> erases;
    std::vector<audit::HoldEvent> holds;  // that are not released
  };
  /// Reads the log, if there is one. `done` on the log loop, with the erases that are not
  /// reclaimed, those of `fences`, and the holds. Once, on the log thread.
  using Loaded = UniqueFunction<void(Contents)>;
  void load(std::set<std::uint64_t> fences, Loaded done);

  /// Is told, on a thread of the pool, of each erase that has become durable. Before load().
  using Noted = std::function<void(std::uint64_t sequence, const ReceiptId& id)>;
  void on_recorded(Noted noted) { noted_ = std::move(noted); }

  /// `done` on `loop`, once the event is durable; kShutdown after stop(). Any thread, as the next
  /// ones.
  using Recorded = UniqueFunction<void(Result<void>)>;
  void record(const audit::EraseEvent& event, io::Loop& loop, Recorded done);
  void record(const audit::ReclaimEvent& event, io::Loop& loop, Recorded done);
  void record(const audit::HoldEvent& event, io::Loop& loop, Recorded done);
  void record(const audit::ReleaseEvent& event, io::Loop& loop, Recorded done);
  void record(const audit::CopyEvent& event, io::Loop& loop, Recorded done);

  /// Runs `work` on the pool while nothing is written to the log; then `done` on `loop`.
  void run_between(UniqueFunction<Result<void>()> work, io::Loop& loop, Recorded done);

  /// Makes the holds `in_force` at the start and those that the log had then the same. One that a
  /// crash has kept from the log is recorded; one that only the log has is placed again: damage has
  /// taken its record, or a crash came into its release, which nobody was told of then.
  /// Log thread.
  void reconcile(const std::vector<Hold>& in_force, const std::vector<audit::HoldEvent>& in_log);
  /// What the log says of these: `done` on `loop`.
  using Described = UniqueFunction<void(Result<std::vector<HoldInfo>>)>;
  void describe(std::vector<Hold> holds, io::Loop& loop, Described done);

  /// Records the policies in force, by tenant, unless they are those recorded last.
  void record_policies(std::map<std::string, std::string> policies);

  /// Whether there is an erase with this receipt already: `done` on `loop` with what the log says
  /// of it. With nothing: the caller now carries it out, and ends by record() or end_claim(); who
  /// claims the same meanwhile waits for that.
  using Claimed = UniqueFunction<void(Result<std::optional<audit::EraseEvent>>)>;
  void claim(const ReceiptId& id, io::Loop& loop, Claimed done);
  void end_claim(const ReceiptId& id);

  /// As JSON (audit/receipt.h), signed; nothing when it is not known. `now` is what the eraser
  /// says of it.
  using Written = UniqueFunction<void(Result<std::optional<std::string>>)>;
  void receipt(std::uint32_t tenant, const ReceiptId& id, std::optional<Erasure> now,
               io::Loop& loop, Written done);

  /// Signs what is not signed. `done` on the log loop. Log thread.
  void stop(io::Task done);

  /// Why nothing can be recorded; nothing while all is well.
  std::optional<Error> failure() const;
  std::uint64_t size() const;

 private:
  struct Places {
    std::uint64_t erase = 0;
    std::optional<std::uint64_t> reclaim;
  };
  enum class Part : std::uint8_t { kErase, kReclaim, kHold, kRelease, kOther };
  struct Item {
    Part part = Part::kOther;
    ReceiptId id{};
    std::uint64_t sequence = 0;  // of an erase
    std::string leaf;
    io::Loop* loop = nullptr;
    Recorded done;
    UniqueFunction<Result<void>()> work{};  // instead of a leaf
  };
  struct Claim {
    ReceiptId id;
    io::Loop* loop = nullptr;
    Claimed done;
  };
  struct IdHash {
    std::size_t operator()(const ReceiptId& id) const { return boost::hash<ReceiptId>()(id); }
  };

  void add(Item item);
  void note(const ReceiptId& id, Part part, std::uint64_t place);
  Result<Contents> read_log(const std::set<std::uint64_t>& fences);
  Result<audit::AuditLog*> log();
  Result<HoldInfo> describe(const Hold& hold);
  Result<std::vector<HoldInfo>> describe(const std::vector<Hold>& holds);
  void drain();
  void write(std::vector<Item> batch);
  static void run(Item item);
  void answer(Claim claim);
  void when_loaded(io::Task task);
  Result<std::optional<std::string>> compose(std::uint32_t tenant, const ReceiptId& id,
                                             const std::optional<Erasure>& now);
  void schedule_checkpoint();
  void finish_stop();

  Core& core_;
  const std::string origin_;
  Noted noted_;
  io::Loop::TimerId checkpoint_timer_ = 0;  // log thread

  mutable std::mutex mutex_;  // over what follows
  std::unique_ptr<audit::AuditLog> log_;
  std::optional<Error> failure_;  // it could not be opened
  bool loaded_ = false;
  bool draining_ = false;
  std::vector<io::Task> waiting_;  // for the log to be read
  std::vector<Item> queue_;
  boost::unordered_flat_map<ReceiptId, Places, IdHash> places_;
  std::map<HoldId, std::uint64_t> holds_;            // not released: their places
  std::map<ReceiptId, std::vector<Claim>> claimed_;  // and who waits for what becomes of it
  std::map<std::string, std::string> policies_;      // recorded last
  bool stopping_ = false;
  io::Task stopped_;
};

}  // namespace kachel
