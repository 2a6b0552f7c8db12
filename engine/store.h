// A Kachel store: DRAM hot tier, flash tier in segments, RocksDB index.
//
// Threads: Store is thread-safe. A Worker belongs to one io::Loop; its calls and its
// handlers run on that loop's thread. Make one per thread.
//
// Handlers run exactly once, possibly before the call returns. Each asynchronous call
// returns whether its place in the order of effects is settled: true means that commands
// issued later from the same client may run at once and still see the store as if this one
// had come first; false means that they must wait for the handler.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/copies.h"
#include "engine/entry.h"
#include "engine/erasure.h"
#include "engine/erasure_outlook.h"
#include "engine/hold.h"
#include "engine/index.h"
#include "engine/options.h"
#include "engine/stats.h"
#include "io/clock.h"
#include "io/error.h"
#include "io/loop.h"
#include "io/random.h"
#include "io/storage.h"

namespace kachel {

/// All that a store touches of the outside. The members outlive the store.
struct Environment {
  io::Storage& storage;
  io::Clock& clock;
  io::Random& random;
  io::Loop& log_loop;  // the log's own thread: appends, syncs, seals, reclaim
  io::BlockingPool& pool;
  std::string boot_id;  // changes when the host reboots; 32 hexadecimal digits
  /// Opens the index; empty: RocksDB in the storage's index/ directory. The simulator brings
  /// its own.
  IndexFactory open_index{};
  /// Deadlines of what is dead are at risk, for another reason than before, or no longer. On the
  /// log loop's thread; must not block.
  std::function<void(const ErasureOutlook&)> on_erasure_alarm{};
  /// The hot tier is being refilled: when that begins, every few seconds, and when it is over. As
  /// above.
  std::function<void(const WarmProgress&, bool is_over)> on_warming{};
};

struct Found {
  Entry::Pointer entry;
  std::int64_t expires_at_ms = 0;  // 0: never
  Tier tier = Tier::kHot;
};

/// What the index knows without reading the value.
struct Glimpse {
  std::int64_t expires_at_ms = 0;  // 0: never
  std::uint64_t raw_bytes = 0;
  std::uint64_t version = 0;
  Tier tier = Tier::kHot;
};

using GetHandler = UniqueFunction<void(Result<std::optional<Found>>)>;
using GlimpseHandler = UniqueFunction<void(Result<std::optional<Glimpse>>)>;

/// Names a lease: a random number, not 0.
using LeaseToken = std::uint64_t;
inline constexpr std::chrono::milliseconds kShortestLease{1};
inline constexpr std::chrono::minutes kLongestLease{10};

/// The value, or a token for who is to compute it, or neither (0): ask again later.
struct LeaseAnswer {
  std::optional<Found> found;
  LeaseToken token = 0;
};
using LeaseHandler = UniqueFunction<void(Result<LeaseAnswer>)>;

enum class Condition : std::uint8_t { kAlways, kIfAbsent, kIfPresent };

struct PutOptions {
  Metadata metadata;
  std::int64_t expires_at_ms = 0;  // 0: never
  bool keep_ttl = false;           // take over the expiry of the entry replaced
  Condition condition = Condition::kAlways;
  /// Only if the current version is this one (0: only if there is none): the second half
  /// of a read-modify-write.
  std::optional<std::uint64_t> if_version;
  /// The fill of a lease: only if it is still good, and nothing that the fill is about was erased
  /// since it was handed out. Whatever becomes of the fill, the lease is over, but with
  /// kVersionChanged.
  std::optional<LeaseToken> lease{};
};

enum class PutOutcome : std::uint8_t {
  kStored,           // durable as the mode promises
  kNotStored,        // accepted and dropped under pressure; no older value is left
  kConditionFailed,  // NX or XX said no
  kVersionChanged,   // if_version said no
  kLeaseRefused,     // the lease is over, or an erase has come between
};
using PutHandler = UniqueFunction<void(Result<PutOutcome>)>;

enum class EraseOutcome : std::uint8_t { kErased, kAbsent, kVersionChanged };
using EraseHandler = UniqueFunction<void(Result<EraseOutcome>)>;

enum class ExpiryCondition : std::uint8_t {
  kAlways,
  kIfNone,    // NX
  kIfSome,    // XX
  kIfLater,   // GT: no expiry counts as infinitely late
  kIfSooner,  // LT
};
struct ExpiryChange {
  std::int64_t expires_at_ms = 0;  // 0: persist. At or before now: erases.
  ExpiryCondition condition = ExpiryCondition::kAlways;
  std::optional<std::uint64_t> if_version;
};
enum class ExpiryOutcome : std::uint8_t {
  kChanged,
  kErased,  // the new expiry had passed
  kAbsent,
  kConditionFailed,  // NX, XX, GT, LT; or persist without an expiry
  kVersionChanged,
};
using ExpiryHandler = UniqueFunction<void(Result<ExpiryOutcome>)>;

struct ScanPage {
  std::uint64_t cursor = 0;  // 0: done; below 2^56
  std::vector<ZeroizingString> keys;
};
using ScanHandler = UniqueFunction<void(Result<ScanPage>)>;

/// Whether a listing reads the texts, which are on the disk, or leaves them empty.
enum class Texts : std::uint8_t { kLeft, kRead };

struct HashField {
  ZeroizingString name;
  Glimpse seen;
};
struct FieldPage {
  std::uint64_t cursor = 0;  // 0: done
  std::vector<HashField> fields;
};
using FieldsHandler = UniqueFunction<void(Result<FieldPage>)>;
using DoneHandler = UniqueFunction<void(Result<void>)>;

using ReceiptHandler = UniqueFunction<void(Result<ReceiptId>)>;
using ReceiptTextHandler = UniqueFunction<void(Result<std::optional<std::string>>)>;
using HoldHandler = UniqueFunction<void(Result<HoldId>)>;
using HoldsHandler = UniqueFunction<void(Result<std::vector<HoldInfo>>)>;
using ScopeCountHandler = UniqueFunction<void(Result<ScopeCount>)>;

/// One loop's door to the store.
class Worker {
 public:
  virtual ~Worker() = default;

  /// A hit of the hot tier, answered in place; nothing when it takes more. Counts the hit
  /// but not the miss: call get() next.
  virtual std::optional<Found> get_hot(Namespace space, std::string_view key) = 0;
  /// Keys that are about to be read, kMostForeseen at most: spares each get_hot() some waiting for
  /// memory. Changes nothing.
  struct Foreseen {
    Namespace space;
    std::string_view key;
  };
  static constexpr std::size_t kMostForeseen = 16;
  virtual void foresee(std::span<const Foreseen> keys) { static_cast<void>(keys); }
  virtual bool get(Namespace space, std::string_view key, GetHandler handler) = 0;
  /// Existence, expiry and size, without reading the value. Not counted as a hit or miss.
  virtual bool glimpse(Namespace space, std::string_view key, GlimpseHandler handler) = 0;
  virtual bool put(Namespace space, std::string_view key, std::string_view value,
                   PutOptions options, PutHandler handler) = 0;
  /// Durable before the handler runs, whatever the durability mode.
  virtual bool erase(Namespace space, std::string_view key, std::optional<std::uint64_t> if_version,
                     EraseHandler handler) = 0;
  virtual bool change_expiry(Namespace space, std::string_view key, ExpiryChange change,
                             ExpiryHandler handler) = 0;

  /// The value; or, when there is none, a token for the first who asks. The others wait: for his
  /// fill, or any other put of the key; for the token, when he has given up, been too slow or been
  /// overtaken by an erase; at most for `ms`, which is also how long the lease that it may get is
  /// good (from kShortestLease to kLongestLease).
  virtual bool lease(Namespace space, std::string_view key, std::chrono::milliseconds ms,
                     LeaseHandler handler) = 0;
  /// There will be no fill: the next in line gets a token. Nothing when it is not good any more.
  virtual void give_up_lease(Namespace space, std::string_view key, LeaseToken token) = 0;
  /// Whoever waits in lease() is told to ask again, and from here on nobody waits: for a stop.
  virtual void end_lease_waits() = 0;
  /// Keys of the namespace in no useful order. Every entry there from start to end of a
  /// full iteration is returned at least once.
  virtual void scan(Namespace space, std::uint64_t cursor, std::size_t count,
                    ScanHandler handler) = 0;
  // A hash has no entry of its own: it is there while one of its fields is. A field is an entry
  // like any other, with the key field_key() in the namespace fields_of(space).
  /// A hash as a key: one of its fields that are there, for the expiry. Cheap where
  /// Store::may_have_hashes() says no.
  virtual void glimpse_hash(Namespace space, std::string_view hash, GlimpseHandler handler) = 0;
  /// Fields of one hash in no useful order. Every one there from start to end of a full iteration
  /// is returned exactly once.
  virtual void list_fields(Namespace space, std::string_view hash, std::uint64_t cursor,
                           std::size_t count, Texts texts, FieldsHandler handler) = 0;
  /// As scan(), the keys of the namespace's hashes.
  virtual void scan_hashes(Namespace space, std::uint64_t cursor, std::size_t count, Texts texts,
                           ScanHandler handler) = 0;
  /// Erases all of the namespace; durable before the handler runs.
  virtual bool erase_all(Namespace space, DoneHandler handler) = 0;

  /// Erases all that is asked for: none of it is served from here on. Durable, and recorded in the
  /// audit log, before the handler runs with the receipt; the bytes follow (Store::erasure()). With
  /// the id of an earlier request nothing is erased again. Errors: kInvalidArgument; of the audit
  /// log when it can't be written: then it says whether the erase took effect.
  virtual bool request_erase(EraseRequest request, ReceiptHandler handler) = 0;
  /// What request_erase() would find now. Reads the tables of all segments.
  virtual void count_erase(const EraseRequest& request, ScopeCountHandler handler) = 0;
  /// The receipt as JSON, with its proofs (docs/erasure.md); nothing when the tenant has none of
  /// this id.
  virtual void receipt(std::uint32_t tenant, const ReceiptId& id, ReceiptTextHandler handler) = 0;

  /// Keeps the bytes of all that is about a subject, or of all that a tenant has, now or until the
  /// hold is released: no erase, deadline or want of room destroys them, while reads refuse what
  /// was erased as ever. Durable, and recorded in the audit log, before the handler runs with the
  /// hold's id. Errors: as of request_erase().
  virtual void place_hold(HoldRequest request, HoldHandler handler) = 0;
  /// What the hold kept from being destroyed is destroyed, by the deadline it would have if it had
  /// died now. kNotFound when the tenant has no such hold in force. `reason` may be empty.
  virtual void release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                            DoneHandler handler) = 0;
  /// The tenant's holds in force.
  virtual void list_holds(std::uint32_t tenant, HoldsHandler handler) = 0;

  /// True while writes should not be taken from clients (the write buffers are past their
  /// soft bound); `resume` runs once they have drained.
  virtual bool throttled() const = 0;
  virtual void when_unthrottled(UniqueFunction<void()> resume) = 0;
};

class Store {
 public:
  /// Opens or creates. Blocks until recovery is done (call it off the log loop's thread,
  /// while that loop runs). Errors: kLocked, kForeign, kVersion, kKeyMissing, kPermission,
  /// kNotFound, kCorrupt, kNoSpace, kInvalidArgument.
  static Result<std::unique_ptr<Store>> open(Environment environment, const Options& options);

  virtual ~Store() = default;

  /// On the loop's thread. The loop outlives the worker; the worker is destroyed before the
  /// store.
  virtual std::unique_ptr<Worker> attach(io::Loop& loop) = 0;

  virtual std::uint64_t count(Namespace space) const = 0;
  /// False: none of the database's hashes has a field. Costs next to nothing.
  virtual bool may_have_hashes(Namespace space) const = 0;
  virtual Stats stats() const = 0;
  /// How far an erase with a receipt has come; nothing when it is not known, or was reclaimed long
  /// ago or by an earlier process: Worker::receipt() knows those as well.
  virtual std::optional<Erasure> erasure(const ReceiptId& id) const = 0;
  /// Those of which bytes are left.
  virtual std::vector<Erasure> pending_erasures() const = 0;
  /// How long the bytes of what dies from now on may stay.
  virtual Result<void> set_erase_within(std::chrono::milliseconds within) = 0;
  /// How many bytes of live records each tenant may have on the device; who is not named has no
  /// bound of its own. Above it the tenant's oldest entries are evicted; an eighth above it its
  /// puts are dropped (kNotStored) until there is room.
  virtual void set_quotas(std::map<std::uint32_t, std::uint64_t> bytes_by_tenant) = 0;
  virtual TenantUsage usage_of(std::uint32_t tenant) const = 0;
  /// From now on puts are accepted and not stored (kNotStored), and everything else goes on: for a
  /// node that is to be taken out of service. Not remembered over a restart.
  virtual void set_draining(bool draining) = 0;
  /// The number that stands for a tenant's name in a Namespace. Blocks when it is a new one, until
  /// it is known for good. kInvalidArgument: no name for a tenant, or one that can't be told from
  /// another's; kCorrupt, kNoSpace, kIo.
  virtual Result<std::uint32_t> tenant_number(std::string_view name) = 0;
  /// Tells the audit log which policies are in force, by tenant; nothing is written when they are
  /// those it was told last.
  virtual void record_policies(std::map<std::string, std::string> policies) = 0;
  /// Snapshots, and what a store that is a copy has to learn.
  virtual Copies& copies() = 0;
  /// The wall clock as the store sees it: never goes back, across restarts too.
  virtual std::int64_t now_ms() const = 0;
  /// Moves the memory bound while running; entries leave the hot tier as needed.
  virtual Result<void> set_memory(std::uint64_t bytes) = 0;
  /// Syncs all, flushes the index, marks the store clean. Blocks; no worker call may be
  /// under way. To leave the store as kill -9 would, stop the loops and destroy it without.
  virtual Result<void> close() = 0;
  /// As close(), calling back on the log loop's thread: for loops that this thread drives.
  virtual void close_async(DoneHandler done) = 0;
};

}  // namespace kachel
