// Worker: holds.
#include <utility>

#include "engine/audit/event.h"
#include "engine/lifetime_bucket.h"
#include "engine/store_worker.h"

namespace kachel {
namespace {

Result<void> check(const HoldRequest& request) {
  std::vector<ZeroizingString> names;
  if (request.subject) {
    if (request.subject->empty() || request.subject->size() > kMaxSubjectBytes) {
      return invalid("a subject is 1 to " + std::to_string(kMaxSubjectBytes) + " bytes long");
    }
    names.push_back(*request.subject);
  }
  if (request.reason.empty()) return invalid("a hold has a reason, such as a case number");
  return audit::check_reason(request.reason, names);
}

/// Of a record that is durable before anything is said of it.
Append urgent(Append record, io::Loop& loop, AppendHandler handler) {
  record.bucket = kNoExpiryBucket;
  record.ack = AckLevel::kDurable;
  record.loop = &loop;
  record.handler = std::move(handler);
  return record;
}

Error unrecorded(const Error& error, const char* what) {
  return {error.code, std::string(what) + ", but that could not be recorded: " + error.message};
}

}  // namespace

/// It has its place in the log and is in force under one lock, the gate, and a reclaim that is
/// under way by then looks again before it destroys anything. One that can't be made durable stays
/// in force until the next start: the store can't write by then.
void StoreWorker::place_hold(HoldRequest request, HoldHandler handler) {
  if (auto valid = check(request); !valid) return handler(valid.error());
  if (core_.holds.size() >= kMaxHolds) {
    return handler(invalid("there are " + std::to_string(kMaxHolds) +
                           " holds already: release some, or hold the tenant as a whole"));
  }
  if (!core_.writable) return handler(Error{ErrorCode::kIo, "the store can't write"});
  if (auto failure = trail_.failure()) return handler(*failure);
  Hold hold;
  hold.id = mac_of(make_receipt_id(core_.env.random));
  hold.space = {request.tenant, format::kAllDatabases};
  if (request.subject) {
    hold.space = scope_space(request.tenant, ScopeKind::kSubject);
    hold.scope = scope_mac(core_.mac_key, request.tenant, ScopeKind::kSubject, *request.subject);
  }
  auto event = std::make_shared<audit::HoldEvent>();
  auto answer = std::make_shared<HoldHandler>(std::move(handler));
  AuditTrail& trail = trail_;
  io::Loop& loop = loop_;
  const std::int64_t now_ms = core_.clock.now_ms();
  Append record =
      urgent(hold_record(hold, now_ms), loop_,
             [event, answer, &trail, &loop](const Result<Appended>& done) {
               if (!done) return (*answer)(done.error());
               trail.record(*event, loop, [event, answer](const Result<void>& recorded) {
                 if (!recorded) return (*answer)(unrecorded(recorded.error(), "it is held"));
                 (*answer)(*parse_receipt_id(event->id));
               });
             });
  const std::lock_guard gate(core_.fences.gate());
  hold.version = core_.queue.append(std::move(record));
  *event = event_of(hold);
  event->time_ms = now_ms;
  event->reason = std::move(request.reason);
  core_.holds.place(hold);
}

void StoreWorker::release_hold(std::uint32_t tenant, const HoldId& id, std::string reason,
                               DoneHandler handler) {
  if (auto valid = audit::check_reason(reason, {}); !valid) return handler(valid.error());
  if (!core_.writable) return handler(Error{ErrorCode::kIo, "the store can't write"});
  if (auto failure = trail_.failure()) return handler(*failure);
  const auto hold = core_.holds.find(mac_of(id));
  const Error unknown{ErrorCode::kNotFound, "no hold with this id is in force"};
  if (!hold || hold->space.tenant != tenant) return handler(unknown);
  const std::int64_t now_ms = core_.clock.now_ms();
  auto event = std::make_shared<audit::ReleaseEvent>();
  *event = {text_of(id), now_ms, tenant, std::move(reason)};
  auto answer = std::make_shared<DoneHandler>(std::move(handler));
  AuditTrail& trail = trail_;
  io::Loop& loop = loop_;
  Append record = urgent(release_record(tenant, hold->id, 0, now_ms), loop_,
                         [event, answer, &trail, &loop](const Result<Appended>& done) {
                           if (!done) return (*answer)(done.error());
                           trail.record(*event, loop, [answer](const Result<void>& recorded) {
                             if (recorded) return (*answer)({});
                             (*answer)(unrecorded(recorded.error(), "it is released"));
                           });
                         });
  bool released = false;
  {
    const std::lock_guard gate(core_.fences.gate());
    released = core_.holds.release(hold->id);
    if (released) core_.queue.append(std::move(record));
  }
  if (!released) (*answer)(unknown);  // somebody else has been faster
}

void StoreWorker::list_holds(std::uint32_t tenant, HoldsHandler handler) {
  std::vector<Hold> holds = core_.holds.all();
  std::erase_if(holds, [&](const Hold& hold) { return hold.space.tenant != tenant; });
  trail_.describe(std::move(holds), loop_, std::move(handler));
}

}  // namespace kachel
