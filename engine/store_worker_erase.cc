// Worker: erases of more than a key, and those that leave a receipt.
#include <utility>

#include "engine/audit/event.h"
#include "engine/lifetime_bucket.h"
#include "engine/store_worker.h"

namespace kachel {
namespace {

Result<void> check(const EraseRequest& request) {
  const bool has_one = request.kind == EraseKind::kSubject || request.kind == EraseKind::kModel;
  const std::size_t names = request.names.size();
  if (request.kind == EraseKind::kKeys && (names == 0 || names > kMaxKeysErased)) {
    return invalid("an erase takes 1 to " + std::to_string(kMaxKeysErased) + " keys at once");
  }
  if (has_one &&
      (names != 1 || request.names[0].empty() || request.names[0].size() > kMaxSubjectBytes)) {
    return invalid("a subject or model is 1 to " + std::to_string(kMaxSubjectBytes) +
                   " bytes long");
  }
  if (names + request.fields.size() > kMaxKeysErased) {
    return invalid("an erase takes at most " + std::to_string(kMaxKeysErased) +
                   " keys at once, and each field of a hash is one: delete most of its fields with "
                   "HDEL first, or erase by subject, model or tenant");
  }
  return audit::check_reason(request.reason, request.names);
}

/// Asked again, the hash's fields are gone, or others are there.
bool fields_are_those(const audit::EraseEvent& done, const audit::EraseEvent& asked) {
  return asked.fields.empty() || done.fields == asked.fields;
}

/// Its place in the log, raised from there on. `handler` on `loop`, once that is durable.
std::uint64_t append_fence(Core& core, io::Loop& loop, const Fence& fence, AppendHandler handler) {
  Append record = fence_record(fence);
  record.bucket = kNoExpiryBucket;
  record.ack = AckLevel::kDurable;
  record.loop = &loop;
  record.handler = std::move(handler);
  Fence raised = fence;
  {
    const std::lock_guard gate(core.fences.gate());
    raised.version = core.queue.append(std::move(record));
    core.fences.raise(raised);
  }
  bump(core.counters.erases);
  raise_to(core.last_fence, raised.version);
  return raised.version;
}

/// What the fence covers is refused already; this only gives the memory back.
void erase_from_hot_tier(Core& core, Namespace space) {
  for (Shard& shard : core.shards) {
    const std::lock_guard lock(shard.mutex);
    shard.hot.erase_namespace(space);
  }
}

}  // namespace

bool StoreWorker::erase_all(Namespace space, DoneHandler handler) {
  if (!core_.writable) {
    handler(Error{ErrorCode::kIo, "the store can't write"});
    return true;
  }
  append_fence(core_, loop_, {.space = space, .created_ms = core_.clock.now_ms()},
               [handler = std::move(handler)](Result<Appended> done) mutable {
                 if (done) return handler({});
                 handler(done.error());
               });
  erase_from_hot_tier(core_, space);
  return true;
}

// ---- with a receipt ------------------------------------------------------------------------

/// The steps: claim the id (when it was given), make the erase durable, hand it to the eraser,
/// record it in the audit log, answer. A crash before the last but one leaves an erase that
/// nobody was told of; the next start records what it finds of it. What waits for the log or the
/// trail does without the worker, which may be gone by then.
struct StoreWorker::EraseOperation : std::enable_shared_from_this<EraseOperation> {
  explicit EraseOperation(StoreWorker& worker)
      : core(worker.core_),
        log(worker.log_),
        eraser(worker.eraser_),
        trail(worker.trail_),
        loop(worker.loop_) {}

  void count_tenant();
  void raise_fence();
  void on_durable(const Result<Appended>& done);
  void record();
  void fail(const Error& error);

  Core& core;
  Log& log;
  Eraser& eraser;
  AuditTrail& trail;
  io::Loop& loop;
  EraseRequest request;
  EraseTarget target;
  ReceiptId id{};
  ReceiptHandler handler;
  std::size_t keys_left = 0;
  std::uint64_t entries = 0;
  std::optional<Error> failure;
};

bool StoreWorker::request_erase(EraseRequest request, ReceiptHandler handler) {
  if (auto valid = check(request); !valid) {
    handler(valid.error());
    return true;
  }
  auto operation = std::make_shared<EraseOperation>(*this);
  operation->target = target_of(core_, request);
  operation->request = std::move(request);
  operation->handler = std::move(handler);
  if (!operation->request.id) {
    operation->id = make_receipt_id(core_.env.random);
    begin_erase(operation);
    return is_scope(operation->target.fence.space);
  }
  operation->id = *operation->request.id;
  trail_.claim(
      operation->id, loop_, [this, operation](Result<std::optional<audit::EraseEvent>> known) {
        if (!known) return operation->handler(known.error());
        if (!*known) return begin_erase(operation);
        const audit::EraseEvent asked = event_of(operation->target, operation->id);
        const audit::EraseEvent& done = **known;
        if (done.tenant != asked.tenant || done.scope != asked.scope ||
            done.database != asked.database || done.targets != asked.targets ||
            !fields_are_those(done, asked)) {
          return operation->handler(
              invalid("this request id belongs to an erase of something else: use a new one"));
        }
        operation->handler(operation->id);
      });
  return false;
}

void StoreWorker::begin_erase(const std::shared_ptr<EraseOperation>& operation) {
  if (!core_.writable) return operation->fail({ErrorCode::kIo, "the store can't write"});
  // Rather than an erase of which nothing can be proven later.
  if (auto failure = trail_.failure()) return operation->fail(*failure);
  operation->target.fence.created_ms = core_.clock.now_ms();
  if (operation->target.kind == EraseKind::kKeys) return erase_keys(operation);
  if (operation->target.kind == EraseKind::kTenant) return operation->count_tenant();
  operation->raise_fence();
}

void StoreWorker::EraseOperation::fail(const Error& error) {
  trail.end_claim(id);
  handler(error);
}

/// What is set meanwhile is erased and not counted.
void StoreWorker::EraseOperation::count_tenant() {
  core.env.log_loop.post([self = shared_from_this()] {
    self->log.when_applied([self] {
      const std::uint32_t tenant = self->target.fence.space.tenant;
      for (std::uint8_t database = 0; database < kDatabases; ++database) {
        const Namespace space{tenant, database};
        self->entries += self->core.live_counts.of(space);
        self->entries += self->core.live_counts.of(fields_of(space));
      }
      self->loop.post([self] { self->raise_fence(); });
    });
  });
}

void StoreWorker::EraseOperation::raise_fence() {
  target.fence.version = append_fence(
      core, loop, target.fence,
      [self = shared_from_this()](const Result<Appended>& done) { self->on_durable(done); });
  eraser.add(target, entries);
  if (target.kind == EraseKind::kTenant) erase_from_hot_tier(core, target.fence.space);
}

void StoreWorker::EraseOperation::on_durable(const Result<Appended>& done) {
  if (!done) return fail(done.error());
  record();
}

/// Each gets its tombstone, also one that is not there: older copies may be.
void StoreWorker::erase_keys(const std::shared_ptr<EraseOperation>& operation) {
  operation->keys_left = operation->target.keys.size();
  const std::vector<RowKey> keys = operation->target.keys;
  for (const RowKey& key : keys)
    erase_key(operation, {key.space, key.mac});
}

void StoreWorker::erase_key(const std::shared_ptr<EraseOperation>& operation, const Key& key) {
  decide(key, [this, operation, key](Shard& shard, const Current& current) {
    if (current.exists) ++operation->entries;
    bump(core_.counters.erases);
    std::uint64_t sequence = 0;
    io::Task after = commit_erase(
        shard, key, current, AckLevel::kDurable,
        [operation](const Result<Appended>& done) {
          if (!done) operation->failure = done.error();
          if (--operation->keys_left > 0) return;
          if (operation->failure) return operation->fail(*operation->failure);
          operation->eraser.add(operation->target, operation->entries);
          operation->record();
        },
        &sequence);
    Fence& fence = operation->target.fence;
    fence.version = std::max(fence.version, sequence);
    return after;
  });
}

void StoreWorker::EraseOperation::record() {
  audit::EraseEvent event = event_of(target, id);
  event.entries = entries;
  event.reason = request.reason;
  trail.record(event, loop, [self = shared_from_this()](const Result<void>& recorded) {
    if (recorded) return self->handler(self->id);
    Error error = recorded.error();
    error.message = "it is erased, but could not be recorded: " + error.message;
    self->handler(error);
  });
}

void StoreWorker::count_erase(const EraseRequest& request, ScopeCountHandler handler) {
  if (auto valid = check(request); !valid) return handler(valid.error());
  eraser_.count(target_of(core_, request), loop_, std::move(handler));
}

void StoreWorker::receipt(std::uint32_t tenant, const ReceiptId& id, ReceiptTextHandler handler) {
  trail_.receipt(tenant, id, eraser_.find(id), loop_, std::move(handler));
}

}  // namespace kachel
