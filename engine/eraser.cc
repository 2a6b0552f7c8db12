#include "engine/eraser.h"

#include <algorithm>
#include <utility>

#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kEraserTick{500};
constexpr std::size_t kRowsPerStep = 256;
constexpr std::size_t kMostDone = 1000;

/// Whether parts of what is erased may be in the segment's dictionary.
bool is_in_dictionary(const EraseTarget& target, const Segment& segment) {
  const Dictionary* dictionary = segment.dictionary.get();
  if (dictionary == nullptr) return false;
  const std::uint64_t version = target.fence.version;
  if (target.kind != EraseKind::kKeys) return may_hold(*dictionary, target.fence);
  return std::any_of(target.keys.begin(), target.keys.end(), [&](const RowKey& key) {
    return dictionary->was_trained_on_key(key.mac, version);
  });
}

}  // namespace

bool EraseTarget::covers(const RowKey& key, const ScopeTags& tags) const {
  switch (kind) {
    case EraseKind::kKeys:
      return std::binary_search(keys.begin(), keys.end(), key);
    case EraseKind::kTenant:
      return key.space.tenant == fence.space.tenant;
    case EraseKind::kSubject:
    case EraseKind::kModel:
      return std::find(tags.begin(), tags.end(), tag_of(fence.mac)) != tags.end();
  }
  return false;
}

EraseTarget target_of(const Core& core, const EraseRequest& request) {
  EraseTarget target;
  target.kind = request.kind;
  const std::uint32_t tenant = request.space.tenant;
  switch (request.kind) {
    case EraseKind::kKeys:
      target.fence.space = request.space;
      for (const ZeroizingString& name : request.names)
        target.keys.push_back({request.space, key_mac(core.mac_key, request.space, name)});
      for (const ZeroizingString& field : request.fields) {
        const Namespace space = fields_of(request.space);
        target.keys.push_back({space, key_mac(core.mac_key, space, field)});
      }
      std::sort(target.keys.begin(), target.keys.end());
      break;
    case EraseKind::kTenant:
      target.fence.space = {tenant, format::kAllDatabases};
      break;
    case EraseKind::kSubject:
    case EraseKind::kModel: {
      const auto kind =
          request.kind == EraseKind::kSubject ? ScopeKind::kSubject : ScopeKind::kModel;
      target.fence.space = scope_space(tenant, kind);
      target.fence.mac = scope_mac(core.mac_key, tenant, kind, request.names.at(0));
      break;
    }
  }
  return target;
}

/// What one sweep looks for, and what it has found.
struct Eraser::Sweep {
  using Versions = std::vector<std::uint64_t>;
  std::map<ScopeTag, Versions> scopes;  // fences, by what they are of
  std::map<RowKey, Versions> keys;
  std::map<std::uint32_t, Versions> tenants;
  std::map<std::uint64_t, Task> tasks;  // by the fence's version, as far as it has come
  std::vector<SegmentPointer> segments;
  std::size_t next_segment = 0;
  std::vector<RowKey> rows;  // to be taken out

  void look_for(const Task& task) {
    const EraseTarget& target = task.target;
    const std::uint64_t version = target.fence.version;
    tasks.emplace(version, task);
    for (const RowKey& key : target.keys)
      keys[key].push_back(version);
    if (target.kind == EraseKind::kTenant) tenants[target.fence.space.tenant].push_back(version);
    if (is_scope(target.fence.space)) scopes[tag_of(target.fence.mac)].push_back(version);
  }

  /// Calls back with each scope's erase that covers an entry of this kind.
  template <typename Visit>
  void for_each_scope(const ScopeTags& tags, std::uint64_t version, Visit visit) {
    for (const ScopeTag tag : tags)
      visit_in(scopes, tag, version, visit);
  }
  /// With each erase.
  template <typename Visit>
  void for_each(const RowKey& key, const ScopeTags& tags, std::uint64_t version, Visit visit) {
    for_each_scope(tags, version, visit);
    visit_in(keys, key, version, visit);
    visit_in(tenants, key.space.tenant, version, visit);
  }

 private:
  template <typename Map, typename Visit>
  void visit_in(const Map& map, const typename Map::key_type& key, std::uint64_t version,
                Visit& visit) {
    const auto found = map.find(key);
    if (found == map.end()) return;
    for (const std::uint64_t fence : found->second)
      if (version <= fence) visit(tasks.at(fence));
  }
};

namespace {

EraseTarget target_of(const audit::EraseEvent& event, bool& is_known) {
  EraseTarget target;
  target.fence.version = event.sequence;
  target.fence.created_ms = event.time_ms;
  is_known = true;
  const auto macs_of = [&](const std::vector<std::string>& texts) {
    std::vector<Mac> macs;
    for (const std::string& text : texts) {
      const auto mac = parse_mac(text);
      if (!mac) is_known = false;
      macs.push_back(mac.value_or(Mac{}));
    }
    return macs;
  };
  const std::vector<Mac> macs = macs_of(event.targets);
  const auto database = static_cast<std::uint8_t>(event.database);
  if (event.scope == audit::kKeysScope) {
    target.kind = EraseKind::kKeys;
    target.fence.space = {event.tenant, database};
    for (const Mac& mac : macs)
      target.keys.push_back({target.fence.space, mac});
    for (const Mac& mac : macs_of(event.fields))
      target.keys.push_back({fields_of(target.fence.space), mac});
    std::sort(target.keys.begin(), target.keys.end());
  } else if (event.scope == audit::kTenantScope) {
    target.kind = EraseKind::kTenant;
    target.fence.space = {event.tenant, format::kAllDatabases};
  } else if (macs.size() == 1) {
    const bool is_subject = event.scope == audit::kSubjectScopeName;
    target.kind = is_subject ? EraseKind::kSubject : EraseKind::kModel;
    target.fence.space =
        scope_space(event.tenant, is_subject ? ScopeKind::kSubject : ScopeKind::kModel);
    target.fence.mac = macs[0];
  } else {
    is_known = false;
  }
  return target;
}

}  // namespace

audit::EraseEvent event_of(const EraseTarget& target, const ReceiptId& id) {
  constexpr std::string_view kScopes[] = {audit::kKeysScope, audit::kSubjectScopeName,
                                          audit::kModelScopeName, audit::kTenantScope};
  audit::EraseEvent event;
  event.id = text_of(id);
  event.time_ms = target.fence.created_ms;
  event.tenant = target.fence.space.tenant;
  event.scope = kScopes[static_cast<std::size_t>(target.kind)];
  event.sequence = target.fence.version;
  if (target.kind == EraseKind::kKeys) event.database = target.fence.space.database;
  for (const RowKey& key : target.keys)
    (has_fields(key.space) ? event.fields : event.targets).push_back(text_of(key.mac));
  if (is_scope(target.fence.space)) event.targets.push_back(text_of(target.fence.mac));
  return event;
}

// ---- steps ---------------------------------------------------------------------------------

void Eraser::start() {
  std::set<std::uint64_t> fences;
  for (const Fence& fence : core_.fences.scope_fences()) {
    fences.insert(fence.version);
    const bool is_subject = fence.space.database == kSubjectScope;
    add({is_subject ? EraseKind::kSubject : EraseKind::kModel, fence, {}}, 0);
  }
  const std::uint64_t last = core_.queue.last_sequence();
  trail_.on_recorded(
      [this](std::uint64_t fence, const ReceiptId& id) { note_recorded(fence, id); });
  trail_.load(std::move(fences),
              [this, last, holds = core_.holds.all()](const AuditTrail::Contents& contents) {
                if (stopping_) return;
                for (const AuditTrail::Known& known : contents.erases)
                  take_up(known);
                record_unknown(last);
                trail_.reconcile(holds, contents.holds);
              });
  schedule_tick();
}

/// One of an earlier process that is not reclaimed; or it is, and its fence came back.
void Eraser::take_up(const AuditTrail::Known& known) {
  const audit::EraseEvent& event = known.event;
  const auto id = parse_receipt_id(event.id);
  bool is_known = false;
  const EraseTarget target = target_of(event, is_known);
  if (!id || !is_known) return;
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    is_new = !tasks_.contains(event.sequence);
  }
  if (is_new) {
    // Below a later fence of the same scope, as a rule; else in the log all the same.
    if (is_scope(target.fence.space)) core_.fences.raise(target.fence);
    add(target, event.entries);
  }
  if (known.is_reclaimed) {
    const std::lock_guard lock(mutex_);
    tasks_.at(event.sequence).end = Task::End::kRecorded;
  }
  note_recorded(event.sequence, *id);
}

/// Fences that an earlier process has raised, up to `last`, and did not come to record.
void Eraser::record_unknown(std::uint64_t last) {
  std::vector<EraseTarget> unknown;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [version, task] : tasks_)
      if (version <= last && !task.is_recorded) unknown.push_back(task.target);
  }
  for (const EraseTarget& target : unknown) {
    const ReceiptId id = make_receipt_id(core_.env.random);
    audit::EraseEvent event = event_of(target, id);
    event.recovered = true;
    // What fails here is tried again by the next start.
    trail_.record(event, core_.env.log_loop, [](Result<void>) {});
  }
}

void Eraser::add(const EraseTarget& target, std::uint64_t entries) {
  {
    const std::lock_guard lock(mutex_);
    Task& task = tasks_[target.fence.version];
    task.target = target;
    task.state.tenant = target.fence.space.tenant;
    task.state.fence = target.fence.version;
    task.state.fenced_ms = target.fence.created_ms;
    task.state.deadline_ms = deadline_after(target.fence.created_ms, core_.erase_within_ms);
    task.state.entries = entries;
  }
  core_.env.log_loop.post([this] { look(); });
}

/// The audit log has it, under this receipt. Any thread.
void Eraser::note_recorded(std::uint64_t fence, const ReceiptId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(fence);
  if (found == tasks_.end()) return;
  found->second.state.id = id;
  found->second.is_recorded = true;
  core_.env.log_loop.post([this] { collect(); });
}

void Eraser::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kEraserTick, [this] {
    if (stopping_) return;
    schedule_tick();
    collect();
    look();
  });
}

void Eraser::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  stopped_ = std::move(done);
  if (!sweep_) finish_stop();
}

void Eraser::finish_stop() {
  if (stopped_) std::exchange(stopped_, nullptr)();
}

void Eraser::look() {
  if (sweep_ || stopping_ || !core_.writable || log_.index_is_full()) return;
  begin_sweep();
}

void Eraser::begin_sweep() {
  auto sweep = std::make_shared<Sweep>();
  {
    const std::lock_guard lock(mutex_);
    for (auto& [version, task] : tasks_) {
      if (task.state.state != ErasureState::kFenced) continue;
      task.holds = core_.holds.generation();
      sweep->look_for(task);
    }
  }
  if (sweep->tasks.empty()) return;
  sweep_ = sweep;
  // What has a lower sequence than the fences is in the segments' tables then.
  log_.when_applied([this, sweep] { list_segments(sweep); });
}

void Eraser::list_segments(const std::shared_ptr<Sweep>& sweep) {
  const std::uint64_t last = sweep->tasks.rbegin()->first;
  for (const SegmentPointer& segment : core_.segments.all()) {
    // Copies for holds have been made later than what they are of, and dictionaries, too.
    const bool is_later_copy = segment->bucket == kHeldBucket || segment->dictionary;
    if (segment->first_sequence <= last || is_later_copy) sweep->segments.push_back(segment);
  }
  // What is dropped and may still be there is not looked into, only waited for.
  for (const auto& [id, first_sequence] : core_.segments.left_over()) {
    for (auto& [version, task] : sweep->tasks)
      if (first_sequence <= version) {
        task.segments.insert(id);
        task.all_segments.insert(id);
      }
  }
  next_segment(sweep);
}

void Eraser::next_segment(const std::shared_ptr<Sweep>& sweep) {
  if (stopping_ || !core_.writable) return end_sweep(sweep, false);
  if (!sweep->rows.empty()) return take_out(sweep);
  if (sweep->next_segment == sweep->segments.size()) return end_sweep(sweep, true);
  read(sweep, sweep->segments[sweep->next_segment++]);
}

void Eraser::read(const std::shared_ptr<Sweep>& sweep, const SegmentPointer& segment) {
  core_.env.pool.run([this, sweep, table = table_of(core_.store_id, segment)] {
    Found found;
    auto records = read_table(core_.store_id, core_.mac_key, table, &found.unsure);
    if (!records) {
      return core_.env.log_loop.post([this, sweep, segment = table.segment,
                                      error = records.error()] { on_read(sweep, segment, error); });
    }
    for (const format::RecordSummary& record : *records) {
      if (record.type != format::RecordType::kPut) continue;
      const bool is_held = core_.holds.is_held(record.space.tenant, record.tags);
      Match match{
          {record.space, record.mac}, record.version, record.size, record.tags, false, is_held};
      bool covered = false;
      sweep->for_each(match.key, match.tags, match.version, [&](const Task& task) {
        covered = true;
        match.has_row = match.has_row || is_scope(task.target.fence.space);
      });
      if (covered) found.matches.push_back(std::move(match));
    }
    core_.env.log_loop.post(
        [this, sweep, segment = table.segment, found = std::move(found)]() mutable {
          on_read(sweep, segment, std::move(found));
        });
  });
}

void Eraser::on_read(const std::shared_ptr<Sweep>& sweep, const SegmentPointer& segment,
                     Result<Found> found) {
  if (!found) {
    bump(core_.counters.io_errors);
    return end_sweep(sweep, false);
  }
  const auto concern = [&](Task& task, bool is_held) {
    // Not before the deadline that it has after the holds, if there were any: look_again().
    if (!is_held) segment->note_due(task.state.deadline_ms);
    task.segments.insert(segment->id);
    task.all_segments.insert(segment->id);
    task.state.segments = task.all_segments.size();
  };
  for (auto& [version, task] : sweep->tasks)
    if (is_in_dictionary(task.target, *segment)) concern(task, false);
  for (const Match& match : found->matches) {
    sweep->for_each(match.key, match.tags, match.version, [&](Task& task) {
      ++task.state.copies;
      task.state.bytes += match.bytes;
      task.state.held_copies += match.is_held ? 1 : 0;
      task.state.held_bytes += match.is_held ? match.bytes : 0;
      concern(task, match.is_held);
    });
  }
  if (found->unsure) {
    for (auto& [version, task] : sweep->tasks)
      concern(task, false);
  }
  for (const Match& match : found->matches)
    if (match.has_row) sweep->rows.push_back(match.key);
  next_segment(sweep);
}

void Eraser::take_out(const std::shared_ptr<Sweep>& sweep) {
  if (applier_.refused() != 0 || log_.index_is_full()) return end_sweep(sweep, false);
  const std::size_t count = std::min(kRowsPerStep, sweep->rows.size());
  const auto from = sweep->rows.end() - static_cast<std::ptrdiff_t>(count);
  auto taken = applier_.take_out_fenced({from, sweep->rows.end()});
  if (!taken) {
    bump(core_.counters.io_errors);
    return end_sweep(sweep, false);
  }
  sweep->rows.erase(from, sweep->rows.end());
  note_taken_out(*sweep, *taken);
  core_.env.log_loop.post([this, sweep] { next_segment(sweep); });
}

/// Of the rows it is not the sweep that counts: one that is begun again does not find them.
void Eraser::note_taken_out(Sweep& sweep, const std::vector<Row>& rows) {
  const std::lock_guard lock(mutex_);
  for (const Row& row : rows) {
    sweep.for_each_scope(row.tags, row.version, [&](const Task& task) {
      ++tasks_[task.target.fence.version].state.entries;
    });
  }
}

void Eraser::purge_hot_tier(Sweep& sweep) {
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    shard.hot.erase_if([&](const HotItem& item) {
      const Entry& entry = *item.entry;
      sweep.for_each_scope(entry.tags, entry.version, [&](Task& task) {
        ++task.state.hot_entries;
        task.state.hot_bytes += entry.footprint_bytes();
      });
      return core_.fences.is_scope_fenced(entry.tags, entry.version);
    });
  }
}

/// One that is not complete is begun again at the next tick.
void Eraser::end_sweep(const std::shared_ptr<Sweep>& sweep, bool complete) {
  sweep_.reset();
  core_.erasure_work.sweep_fails = !complete;
  if (complete) {
    purge_hot_tier(*sweep);
    const std::lock_guard lock(mutex_);
    for (auto& [version, found] : sweep->tasks) {
      Task& task = tasks_[version];
      found.state.entries = task.state.entries;
      found.state.id = task.state.id;
      found.is_recorded = task.is_recorded;
      found.end = task.end;
      found.state.copies = std::max(found.state.copies, task.copies_before);
      found.state.bytes = std::max(found.state.bytes, task.bytes_before);
      found.state.state = ErasureState::kSwept;
      found.state.swept_ms = core_.clock.now_ms();
      task = std::move(found);
    }
  }
  if (stopping_) return finish_stop();
  if (complete) collect();
}

/// The holds have changed since it was looked for: copies may have been made, or may go now. What
/// was held has as much time from here on as it would have had without the hold.
void Eraser::look_again(Task& task) {
  Erasure& state = task.state;
  if (state.held_copies > 0) {
    const std::int64_t from_now = deadline_after(core_.clock.now_ms(), core_.erase_within_ms);
    state.deadline_ms = std::max(state.deadline_ms, from_now);
  }
  state.state = ErasureState::kFenced;
  task.copies_before = std::max(task.copies_before, state.copies);
  task.bytes_before = std::max(task.bytes_before, state.bytes);
  state.copies = state.bytes = state.held_copies = state.held_bytes = 0;
  task.segments.clear();
  task.compaction.reset();
  task.snapshots.reset();
}

/// A value that was on its way into the log may have brought one into a segment since the sweep.
void Eraser::look_for_dictionaries(Task& task) {
  for (const SegmentPointer& segment : core_.segments.all()) {
    if (!is_in_dictionary(task.target, *segment)) continue;
    segment->note_due(task.state.deadline_ms);
    task.segments.insert(segment->id);
    task.all_segments.insert(segment->id);
  }
  // Those that have gone are still known; which of them had one is not.
  for (const auto& [id, first_sequence] : core_.segments.left_over())
    if (first_sequence == 0) task.segments.insert(id);
}

/// Whether a compaction has taken its rows out of the index's files. Some of them may be dead only
/// since the last segment has gone: so one that began after that.
bool Eraser::has_left_the_index(Task& task) {
  if (!task.compaction) task.compaction = core_.index_debt.compaction_needed();
  if (core_.index_debt.is_complete(*task.compaction)) return true;
  compactor_.hurry(task.state.deadline_ms);
  return false;
}

/// Whether what the next start would refill the hot tier with was noted after it was out of that.
bool Eraser::has_left_the_manifest(Task& task) {
  if (!task.hot_save) task.hot_save = core_.hot_set.save_needed();
  if (core_.hot_set.is_saved(*task.hot_save)) return true;
  core_.hot_set.wants_save = true;
  return false;
}

/// Whether none has an index, or a manifest of the hot tier, from before it was out of those.
bool Eraser::has_left_the_snapshots(Task& task) {
  if (!task.snapshots) task.snapshots = core_.snapshots.begun();
  return !core_.snapshots.has_derived(*task.snapshots);
}

/// Ends the erases of which nothing is left.
void Eraser::collect() {
  std::vector<std::uint64_t> gone;
  std::vector<std::uint64_t> recorded;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [version, task] : tasks_) {
      if (task.state.state != ErasureState::kSwept) continue;
      if (task.end == Task::End::kOpen && task.holds != core_.holds.generation()) {
        look_again(task);
        continue;
      }
      if (!task.is_recorded || task.state.held_copies > 0) continue;
      std::erase_if(task.segments, [&](std::uint64_t id) { return !core_.segments.has_bytes(id); });
      if (task.segments.empty()) look_for_dictionaries(task);
      if (!task.segments.empty()) continue;
      // Of one that was recorded before, an index of that time may have come back.
      if (task.end == Task::End::kRecording) continue;
      const bool has_left_the_hot_set = has_left_the_manifest(task);
      if (!has_left_the_index(task) || !has_left_the_hot_set) continue;
      if (!has_left_the_snapshots(task)) continue;
      (task.end == Task::End::kRecorded ? recorded : gone).push_back(version);
    }
  }
  for (const std::uint64_t version : gone)
    record_end(version);
  for (const std::uint64_t version : recorded)
    finish(version);
}

/// Before the fence is let go of: a start finds what is pending by one or the other.
void Eraser::record_end(std::uint64_t fence) {
  audit::ReclaimEvent event;
  {
    const std::lock_guard lock(mutex_);
    Task& task = tasks_.at(fence);
    task.end = Task::End::kRecording;
    Erasure& state = task.state;
    state.reclaimed_ms = core_.clock.now_ms();
    event = {text_of(state.id),
             state.reclaimed_ms,
             state.fenced_ms,
             state.swept_ms,
             state.deadline_ms,
             state.entries,
             state.hot_entries,
             state.hot_bytes,
             state.copies,
             state.bytes,
             {task.all_segments.begin(), task.all_segments.end()}};
  }
  trail_.record(event, core_.env.log_loop, [this, fence](Result<void> recorded) {
    {
      const std::lock_guard lock(mutex_);
      // Tried again at the next tick.
      tasks_.at(fence).end = recorded ? Task::End::kRecorded : Task::End::kOpen;
    }
    if (recorded && !stopping_) finish(fence);
  });
}

void Eraser::finish(std::uint64_t fence) {
  Fence raised;
  {
    const std::lock_guard lock(mutex_);
    raised = tasks_.at(fence).target.fence;
  }
  if (!let_go(raised)) return;
  const std::lock_guard lock(mutex_);
  Erasure state = tasks_.at(fence).state;
  state.state = ErasureState::kReclaimed;
  done_.push_back(state);
  if (done_.size() > kMostDone) done_.pop_front();
  tasks_.erase(fence);
}

/// Of a scope: keys have tombstones, and a tenant's fence stays.
bool Eraser::let_go(const Fence& fence) {
  if (!is_scope(fence.space)) return true;
  const auto now = core_.fences.scope_fence(fence.mac);
  if (!now || now->version != fence.version) return true;  // a later one goes on
  if (!core_.writable || applier_.refused() != 0 || log_.index_is_full()) return false;
  if (!core_.index->drop_fence(fence)) return false;
  core_.index_debt.note(deadline_after(core_.clock.now_ms(), core_.erase_within_ms));
  core_.fences.drop_scope(fence, core_.env.clock.monotonic_ns());
  return true;
}

// ---- answers -------------------------------------------------------------------------------

Erasure Eraser::state_of(const Task& task) const {
  Erasure state = task.state;
  for (const std::uint64_t id : task.segments)
    ++(core_.segments.may_exist(id) ? state.segments_left : state.segments_in_snapshots);
  return state;
}

std::optional<Erasure> Eraser::find(const ReceiptId& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [version, task] : tasks_) {
    if (task.state.id != id) continue;
    return state_of(task);
  }
  const auto found = std::find_if(done_.rbegin(), done_.rend(),
                                  [&](const Erasure& state) { return state.id == id; });
  if (found == done_.rend()) return std::nullopt;
  return *found;
}

std::int64_t Eraser::first_unswept_deadline_ms() const {
  const std::lock_guard lock(mutex_);
  std::int64_t first_ms = 0;
  for (const auto& [version, task] : tasks_) {
    if (task.state.state == ErasureState::kFenced) {
      first_ms = earlier(first_ms, task.state.deadline_ms);
    }
  }
  return first_ms;
}

std::vector<Erasure> Eraser::pending() const {
  const std::lock_guard lock(mutex_);
  std::vector<Erasure> all;
  for (const auto& [sequence, task] : tasks_)
    all.push_back(state_of(task));
  return all;
}

namespace {

/// Pool thread.
Result<ScopeCount> count_in(const Core& core, const std::vector<SegmentTableView>& tables,
                            const EraseTarget& target) {
  ScopeCount count;
  for (const SegmentTableView& table : tables) {
    bool unsure = false;
    auto records = read_table(core.store_id, core.mac_key, table, &unsure);
    if (!records) return records.error();
    bool concerned = false;
    for (const format::RecordSummary& record : *records) {
      if (record.type != format::RecordType::kPut) continue;
      if (!target.covers({record.space, record.mac}, record.tags)) continue;
      concerned = true;
      ++count.copies;
      count.bytes += record.size;
      const Lookup lookup = core.index->find({record.space, record.mac}, Where::kAnywhere);
      if (lookup.status == LookupStatus::kFailed) {
        return Error{ErrorCode::kIo, "index: a row can't be read"};
      }
      const bool current =
          lookup.status == LookupStatus::kFound && lookup.row.sequence == record.sequence &&
          (lookup.row.expires_at_ms == 0 || lookup.row.expires_at_ms > core.clock.now_ms()) &&
          !core.fences.is_fenced(record.space, record.version, record.tags);
      if (current) ++count.entries;
    }
    if (concerned) ++count.segments;
  }
  return count;
}

}  // namespace

void Eraser::count(EraseTarget target, io::Loop& loop, Counted done) {
  core_.env.log_loop.post([this, target = std::move(target), &loop,
                           done = std::move(done)]() mutable {
    log_.when_applied([this, target = std::move(target), &loop, done = std::move(done)]() mutable {
      std::vector<SegmentTableView> tables;
      for (const SegmentPointer& segment : core_.segments.all())
        tables.push_back(table_of(core_.store_id, segment));
      core_.env.pool.run([this, target = std::move(target), &loop, done = std::move(done),
                          tables = std::move(tables)]() mutable {
        loop.post([done = std::move(done), count = count_in(core_, tables, target)]() mutable {
          done(std::move(count));
        });
      });
    });
  });
}

}  // namespace kachel
