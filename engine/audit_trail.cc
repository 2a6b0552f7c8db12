#include "engine/audit_trail.h"

#include <algorithm>
#include <utility>

#include "engine/audit/receipt.h"
#include "engine/audit/text.h"

namespace kachel {
namespace {

constexpr std::size_t kMostAtOnce = 256;
constexpr std::chrono::seconds kCheckpointEvery{60};
constexpr std::string_view kDirectory = "audit";

/// Another tenant's erase is as unknown as one that never was.
bool is_of(std::uint32_t tenant, std::string_view leaf) {
  const auto event = audit::parse_leaf(leaf);
  const auto* const erase = event ? std::get_if<audit::EraseEvent>(&*event) : nullptr;
  return erase != nullptr && erase->tenant == tenant;
}

}  // namespace

audit::HoldEvent event_of(const Hold& hold) {
  audit::HoldEvent event;
  event.id = text_of(hold_id(hold.id));
  event.tenant = hold.space.tenant;
  event.scope = is_scope(hold.space) ? audit::kSubjectScopeName : audit::kTenantScope;
  if (is_scope(hold.space)) event.target = text_of(hold.scope);
  event.sequence = hold.version;
  return event;
}

namespace {

std::optional<Hold> hold_of(const audit::HoldEvent& event) {
  Hold hold;
  const auto id = parse_receipt_id(event.id);
  if (!id) return std::nullopt;
  hold.id = mac_of(*id);
  hold.space = {event.tenant, format::kAllDatabases};
  if (event.scope != audit::kSubjectScopeName) return hold;
  const auto scope = parse_mac(event.target);
  if (!scope) return std::nullopt;
  hold.space = scope_space(event.tenant, ScopeKind::kSubject);
  hold.scope = *scope;
  return hold;
}

}  // namespace

AuditTrail::AuditTrail(Core& core)
    : core_(core), origin_("kachel/" + audit::to_hex(std::span(core.store_id))) {}

// ---- start and stop ------------------------------------------------------------------------

void AuditTrail::load(std::set<std::uint64_t> fences, Loaded done) {
  const auto is_there = core_.env.storage.exists(kDirectory);
  if (is_there && !*is_there) {
    const std::lock_guard lock(mutex_);
    loaded_ = true;
    return core_.env.log_loop.post([done = std::move(done)]() mutable { done({}); });
  }
  core_.env.pool.run([this, done = std::move(done), fences = std::move(fences)]() mutable {
    auto events = read_log(fences);
    std::vector<io::Task> waiting;
    {
      const std::lock_guard lock(mutex_);
      if (!events) failure_ = events.error();
      loaded_ = true;
      waiting = std::exchange(waiting_, {});
    }
    core_.env.log_loop.post(
        [done = std::move(done), contents = events ? std::move(*events) : Contents()]() mutable {
          done(std::move(contents));
        });
    for (io::Task& task : waiting)
      core_.env.log_loop.post(std::move(task));
  });
}

/// Pool thread.
Result<AuditTrail::Contents> AuditTrail::read_log(const std::set<std::uint64_t>& fences) {
  auto opened = audit::AuditLog::open(core_.env.storage, origin_, core_.env.random);
  if (!opened) return opened.error();
  std::map<std::string, Known> wanted;
  std::map<std::string, audit::HoldEvent> holds;
  for (std::uint64_t index = 0; index < (*opened)->size();) {
    auto entries = (*opened)->entries_from(index);
    if (!entries) return entries.error();
    for (const std::string& entry : *entries) {
      const std::uint64_t place = index++;
      auto event = audit::parse_leaf(entry);
      if (!event) return event.error();
      if (auto* erase = std::get_if<audit::EraseEvent>(&*event)) {
        const auto id = parse_receipt_id(erase->id);
        if (!id) continue;
        note(*id, Part::kErase, place);
        wanted.insert_or_assign(erase->id, Known{*erase, false});
      } else if (auto* reclaim = std::get_if<audit::ReclaimEvent>(&*event)) {
        const auto id = parse_receipt_id(reclaim->id);
        if (!id) continue;
        note(*id, Part::kReclaim, place);
        const auto found = wanted.find(reclaim->id);
        if (found == wanted.end()) continue;
        found->second.is_reclaimed = true;
        if (!fences.contains(found->second.event.sequence)) wanted.erase(found);
      } else if (auto* hold = std::get_if<audit::HoldEvent>(&*event)) {
        const auto id = parse_receipt_id(hold->id);
        if (!id) continue;
        note(*id, Part::kHold, place);
        holds.insert_or_assign(hold->id, *hold);
      } else if (auto* release = std::get_if<audit::ReleaseEvent>(&*event)) {
        if (const auto id = parse_receipt_id(release->id)) note(*id, Part::kRelease, place);
        holds.erase(release->id);
      } else if (auto* policy = std::get_if<audit::PolicyEvent>(&*event)) {
        const std::lock_guard lock(mutex_);
        policies_ = std::move(policy->tenants);
      }
    }
  }
  Contents contents;
  contents.erases.reserve(wanted.size());
  for (auto& [id, known] : wanted)
    contents.erases.push_back(std::move(known));
  for (auto& [id, hold] : holds)
    contents.holds.push_back(std::move(hold));
  const std::lock_guard lock(mutex_);
  log_ = std::move(*opened);
  return contents;
}

void AuditTrail::when_loaded(io::Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (!loaded_) {
      waiting_.push_back(std::move(task));
      return;
    }
  }
  task();
}

void AuditTrail::stop(io::Task done) {
  core_.env.log_loop.cancel(std::exchange(checkpoint_timer_, 0));
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_ = std::move(done);
  }
  when_loaded([this] {
    bool is_idle = false;
    {
      const std::lock_guard lock(mutex_);
      is_idle = !draining_ && queue_.empty();
    }
    if (is_idle) finish_stop();  // else who writes does
  });
}

void AuditTrail::finish_stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) return;
    if (!log_) return core_.env.log_loop.post(std::exchange(stopped_, nullptr));
  }
  core_.env.pool.run([this] {
    // Signed or not, the entries are durable.
    static_cast<void>(log_->checkpoint());
    io::Loop& loop = core_.env.log_loop;
    io::Task done;
    {
      const std::lock_guard lock(mutex_);
      done = std::exchange(stopped_, nullptr);
    }
    if (done) loop.post(std::move(done));  // with which all of this may go
  });
}

/// Log thread.
void AuditTrail::schedule_checkpoint() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || checkpoint_timer_ != 0) return;
  }
  checkpoint_timer_ = core_.env.log_loop.schedule_after(kCheckpointEvery, [this] {
    checkpoint_timer_ = 0;
    {
      const std::lock_guard lock(mutex_);
      if (draining_ || stopping_) return;  // what is written now asks for the next one
      draining_ = true;
    }
    // What fails here fails again at the next event, where somebody waits for it.
    core_.env.pool.run([this] {
      if (auto opened = log()) static_cast<void>((*opened)->checkpoint());
      drain();
    });
  });
}

// ---- events --------------------------------------------------------------------------------

void AuditTrail::record(const audit::EraseEvent& event, io::Loop& loop, Recorded done) {
  add({Part::kErase, *parse_receipt_id(event.id), event.sequence, audit::leaf_of(event), &loop,
       std::move(done)});
}

void AuditTrail::record(const audit::ReclaimEvent& event, io::Loop& loop, Recorded done) {
  add({Part::kReclaim, *parse_receipt_id(event.id), 0, audit::leaf_of(event), &loop,
       std::move(done)});
}

void AuditTrail::record(const audit::HoldEvent& event, io::Loop& loop, Recorded done) {
  add({Part::kHold, *parse_receipt_id(event.id), 0, audit::leaf_of(event), &loop, std::move(done)});
}

void AuditTrail::record(const audit::ReleaseEvent& event, io::Loop& loop, Recorded done) {
  add({Part::kRelease, *parse_receipt_id(event.id), 0, audit::leaf_of(event), &loop,
       std::move(done)});
}

void AuditTrail::record(const audit::CopyEvent& event, io::Loop& loop, Recorded done) {
  add({Part::kOther, {}, 0, audit::leaf_of(event), &loop, std::move(done)});
}

void AuditTrail::run_between(UniqueFunction<Result<void>()> work, io::Loop& loop, Recorded done) {
  add({Part::kOther, {}, 0, {}, &loop, std::move(done), std::move(work)});
}

void AuditTrail::record_policies(std::map<std::string, std::string> policies) {
  when_loaded([this, policies = std::move(policies)] {
    {
      const std::lock_guard lock(mutex_);
      if (policies_ == policies) return;
      policies_ = policies;
    }
    const audit::PolicyEvent event{core_.clock.now_ms(), policies};
    add({Part::kOther,
         {},
         0,
         audit::leaf_of(event),
         &core_.env.log_loop,
         [this](const Result<void>& recorded) {
           if (recorded) return;
           const std::lock_guard lock(mutex_);
           policies_.clear();  // so that the next time they are recorded
         }});
  });
}

void AuditTrail::add(Item item) {
  std::unique_lock queue_lock(mutex_);
  if (stopping_) {
    queue_lock.unlock();
    const Error error{ErrorCode::kShutdown, "the store is stopping: the next start records it"};
    if (item.part == Part::kErase) end_claim(item.id);
    return item.loop->post([done = std::move(item.done), error]() mutable { done(error); });
  }
  queue_.push_back(std::move(item));
  queue_lock.unlock();
  when_loaded([this] {
    {
      const std::lock_guard lock(mutex_);
      if (draining_ || queue_.empty()) return;
      draining_ = true;
    }
    core_.env.pool.run([this] { drain(); });
  });
}

/// Pool thread; one at a time.
void AuditTrail::drain() {
  io::Loop& loop = core_.env.log_loop;
  while (true) {
    std::vector<Item> batch;
    {
      std::unique_lock lock(mutex_);
      if (queue_.empty()) {
        draining_ = false;
        const bool stops = static_cast<bool>(stopped_);
        lock.unlock();
        if (stops) loop.post([this] { finish_stop(); });
        return;
      }
      auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(kMostAtOnce, queue_.size()));
      end = std::find_if(queue_.begin(), end, [](const Item& item) { return bool(item.work); });
      if (end == queue_.begin()) ++end;
      batch.assign(std::move_iterator(queue_.begin()), std::move_iterator(end));
      queue_.erase(queue_.begin(), end);
    }
    if (batch.front().work) {
      run(std::move(batch.front()));
    } else {
      write(std::move(batch));
    }
  }
}

void AuditTrail::run(Item item) {
  item.loop->post(
      [done = std::move(item.done), outcome = item.work()]() mutable { done(std::move(outcome)); });
}

void AuditTrail::write(std::vector<Item> batch) {
  std::vector<std::string> leaves;
  leaves.reserve(batch.size());
  for (Item& item : batch)
    leaves.push_back(std::move(item.leaf));
  Result<void> outcome;
  if (auto opened = log()) {
    const auto first = (*opened)->append(leaves);
    if (!first) outcome = first.error();
    for (std::size_t i = 0; first && i < batch.size(); ++i) {
      const Item& item = batch[i];
      note(item.id, item.part, *first + i);
      if (item.part == Part::kErase) noted_(item.sequence, item.id);
    }
  } else {
    outcome = opened.error();
  }
  for (Item& item : batch) {
    if (item.part == Part::kErase) end_claim(item.id);
    item.loop->post([done = std::move(item.done), outcome]() mutable { done(outcome); });
  }
  core_.env.log_loop.post([this] { schedule_checkpoint(); });
}

/// Pool thread. Made when there is none.
Result<audit::AuditLog*> AuditTrail::log() {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    if (log_) return log_.get();
  }
  auto made = audit::AuditLog::open(core_.env.storage, origin_, core_.env.random);
  if (!made) return made.error();
  const std::lock_guard lock(mutex_);
  log_ = std::move(*made);
  return log_.get();
}

void AuditTrail::note(const ReceiptId& id, Part part, std::uint64_t place) {
  const std::lock_guard lock(mutex_);
  switch (part) {
    case Part::kErase:
      places_[id].erase = place;
      break;
    case Part::kReclaim:
      places_[id].reclaim = place;
      break;
    case Part::kHold:
      holds_[id] = place;
      break;
    case Part::kRelease:
      holds_.erase(id);
      break;
    case Part::kOther:
      break;
  }
}

// ---- holds ---------------------------------------------------------------------------------

void AuditTrail::reconcile(const std::vector<Hold>& in_force,
                           const std::vector<audit::HoldEvent>& in_log) {
  std::set<std::string> both;
  for (const audit::HoldEvent& event : in_log)
    both.insert(event.id);
  std::set<std::string> known;
  for (const Hold& hold : in_force) {
    audit::HoldEvent event = event_of(hold);
    known.insert(event.id);
    if (both.contains(event.id)) continue;
    event.time_ms = core_.clock.now_ms();
    event.recovered = true;
    // What fails here is tried again by the next start.
    record(event, core_.env.log_loop, [](const Result<void>&) {});
  }
  for (const audit::HoldEvent& event : in_log) {
    auto hold = hold_of(event);
    if (!hold || known.contains(event.id)) continue;
    const std::lock_guard gate(core_.fences.gate());
    hold->version = core_.queue.append(hold_record(*hold, core_.clock.now_ms()));
    core_.holds.place(*hold);
  }
}

void AuditTrail::describe(std::vector<Hold> holds, io::Loop& loop, Described done) {
  when_loaded([this, holds = std::move(holds), &loop, done = std::move(done)]() mutable {
    core_.env.pool.run([this, holds = std::move(holds), &loop, done = std::move(done)]() mutable {
      loop.post(
          [done = std::move(done), all = describe(holds)]() mutable { done(std::move(all)); });
    });
  });
}

/// Pool thread.
Result<std::vector<HoldInfo>> AuditTrail::describe(const std::vector<Hold>& holds) {
  std::vector<HoldInfo> all;
  for (const Hold& hold : holds) {
    auto info = describe(hold);
    if (!info) return info.error();
    all.push_back(std::move(*info));
  }
  return all;
}

/// Pool thread. Of one that is being recorded only what is in the record.
Result<HoldInfo> AuditTrail::describe(const Hold& hold) {
  audit::HoldEvent event = event_of(hold);
  std::optional<std::uint64_t> place;
  {
    const std::lock_guard lock(mutex_);
    const auto found = holds_.find(hold_id(hold.id));
    if (found != holds_.end()) place = found->second;
  }
  if (place) {
    auto entry = log_->entry(*place);
    if (!entry) return entry.error();
    auto parsed = audit::parse_leaf(*entry);
    if (!parsed) return parsed.error();
    if (auto* logged = std::get_if<audit::HoldEvent>(&*parsed)) event = std::move(*logged);
  }
  return HoldInfo{hold_id(hold.id), event.scope, event.target, event.time_ms, event.reason};
}

// ---- receipts ------------------------------------------------------------------------------

void AuditTrail::claim(const ReceiptId& id, io::Loop& loop, Claimed done) {
  auto claim = std::make_shared<Claim>(Claim{id, &loop, std::move(done)});
  when_loaded([this, claim] { answer(std::move(*claim)); });
}

void AuditTrail::answer(Claim claim) {
  const auto say = [](Claim& asked, Result<std::optional<audit::EraseEvent>> found) {
    asked.loop->post([done = std::move(asked.done), found = std::move(found)]() mutable {
      done(std::move(found));
    });
  };
  std::uint64_t place = 0;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return say(claim, *failure_);
    if (const auto waiting = claimed_.find(claim.id); waiting != claimed_.end()) {
      waiting->second.push_back(std::move(claim));
      return;
    }
    const auto found = places_.find(claim.id);
    if (found == places_.end()) {
      claimed_[claim.id];
      return say(claim, std::optional<audit::EraseEvent>());
    }
    place = found->second.erase;
  }
  core_.env.pool.run([say, place, this, claim = std::move(claim)]() mutable {
    const auto entry = log_->entry(place);
    if (!entry) return say(claim, entry.error());
    auto event = audit::parse_leaf(*entry);
    if (!event) return say(claim, event.error());
    auto* erase = std::get_if<audit::EraseEvent>(&*event);
    if (erase == nullptr) {
      return say(claim, Error{ErrorCode::kCorrupt, "the audit log's entry is of no erase"});
    }
    say(claim, std::optional(std::move(*erase)));
  });
}

/// Who waits for it asks again.
void AuditTrail::end_claim(const ReceiptId& id) {
  std::vector<Claim> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto found = claimed_.find(id);
    if (found == claimed_.end()) return;
    waiting = std::move(found->second);
    claimed_.erase(found);
  }
  for (Claim& claim : waiting)
    answer(std::move(claim));
}

void AuditTrail::receipt(std::uint32_t tenant, const ReceiptId& id, std::optional<Erasure> now,
                         io::Loop& loop, Written done) {
  when_loaded([this, tenant, id, now, &loop, done = std::move(done)]() mutable {
    core_.env.pool.run([this, tenant, id, now, &loop, done = std::move(done)]() mutable {
      loop.post([done = std::move(done), text = compose(tenant, id, now)]() mutable {
        done(std::move(text));
      });
    });
  });
}

/// Pool thread.
Result<std::optional<std::string>> AuditTrail::compose(std::uint32_t tenant, const ReceiptId& id,
                                                       const std::optional<Erasure>& now) {
  Places places;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    const auto found = places_.find(id);
    if (found == places_.end()) return std::optional<std::string>();
    places = found->second;
  }
  audit::Receipt receipt;
  receipt.id = text_of(id);
  receipt.state = places.reclaim ? "reclaimed" : "fenced";
  receipt.log = origin_;
  receipt.key = log_->verifier_key().text();
  std::vector<std::uint64_t> indexes{places.erase};
  if (places.reclaim) indexes.push_back(*places.reclaim);
  if (log_->last_checkpoint().size <= indexes.back()) {
    if (auto signed_now = log_->checkpoint(); !signed_now) return signed_now.error();
  }
  for (const std::uint64_t index : indexes) {
    auto leaf = log_->entry(index);
    if (!leaf) return leaf.error();
    if (index == places.erase && !is_of(tenant, *leaf)) return std::optional<std::string>();
    auto proof = log_->receipt(index);
    if (!proof) return proof.error();
    receipt.events.push_back({std::move(*leaf), std::move(*proof)});
  }
  if (now && !places.reclaim) {
    if (now->state != ErasureState::kFenced) receipt.state = "swept";
    if (now->held_copies > 0) receipt.state = "blocked_by_hold";
    receipt.progress = audit::ErasureProgress{
        now->swept_ms,    now->deadline_ms, now->entries,       now->copies,
        now->bytes,       now->segments,    now->segments_left, now->segments_in_snapshots,
        now->held_copies, now->held_bytes};
  }
  return std::optional(receipt.text());
}

std::optional<Error> AuditTrail::failure() const {
  const std::lock_guard lock(mutex_);
  if (failure_) return failure_;
  return log_ ? log_->failure() : std::nullopt;
}

std::uint64_t AuditTrail::size() const {
  const std::lock_guard lock(mutex_);
  return log_ ? log_->size() : 0;
}

}  // namespace kachel
