#include "engine/eraser.h"

#include <algorithm>
#include <utility>

#include "engine/segment_files.h"

namespace kachel {
namespace {
constexpr std::chrono::milliseconds kTick{500};
constexpr std::size_t kRowsPerStep = 256;
constexpr std::size_t kMostDone = 1000;

/// A segment's table, or for one that has none yet what it would be by now.
struct Table {
  SegmentPointer segment;
  std::optional<format::EncodedFooter> open;
};

/// Log thread.
Table table_of(const Core& core, const SegmentPointer& segment) {
  const SegmentState state = segment->state;
  if (state != SegmentState::kOpen && state != SegmentState::kSealing) return {segment, {}};
  return {segment, segment->footer.snapshot(core.store_id, segment->header(core.store_id),
                                            segment->data_end)};
}

/// Any thread. `unsure`: part of it can't be read.
Result<std::vector<format::RecordSummary>> read_table(const Core& core, const Table& table,
                                                      bool& unsure) {
  if (table.open) {
    const auto bytes = std::span(table.open->bytes).first(table.open->trailer.table_bytes);
    return format::decode_table(bytes, table.segment->header(core.store_id), table.open->trailer);
  }
  format::ScanResult scanned;
  auto records = read_summaries(core.store_id, core.mac_key, *table.segment, &scanned);
  unsure = scanned.damaged_ranges != 0 || scanned.tail_bytes != 0;
  return records;
}

}  // namespace

/// What one sweep looks for, and what it has found.
struct Eraser::Sweep {
  std::map<ScopeTag, std::vector<std::uint64_t>> fences;  // versions, by tag
  std::map<std::uint64_t, Task> tasks;                    // by version, as far as it has come
  std::vector<SegmentPointer> segments;
  std::size_t next_segment = 0;
  std::vector<RowKey> rows;  // to be taken out

  /// Calls back with each fence that covers an entry of this kind.
  template <typename Visit>
  void for_each_over(const ScopeTags& tags, std::uint64_t version, Visit visit) {
    for (const ScopeTag tag : tags) {
      const auto of_tag = fences.find(tag);
      if (of_tag == fences.end()) continue;
      for (const std::uint64_t fence : of_tag->second)
        if (version <= fence) visit(tasks.at(fence));
    }
  }
};

// ---- steps ---------------------------------------------------------------------------------

void Eraser::start() {
  for (const Fence& fence : core_.fences.scope_fences())
    add(fence);
  schedule_tick();
}

void Eraser::add(const Fence& fence) {
  {
    const std::lock_guard lock(mutex_);
    Task& task = tasks_[fence.version];
    task.fence = fence;
    task.state.fence = fence.version;
    task.state.fenced_ms = fence.created_ms;
    task.state.deadline_ms = deadline_after(fence.created_ms, core_.erase_within_ms);
  }
  core_.env.log_loop.post([this] { look(); });
}

void Eraser::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kTick, [this] {
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
    for (const auto& [version, task] : tasks_) {
      if (task.state.state != ErasureState::kFenced) continue;
      sweep->fences[tag_of(task.fence.mac)].push_back(version);
      sweep->tasks.emplace(version, task);
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
    if (segment->first_sequence <= last) sweep->segments.push_back(segment);
  }
  // What is dropped and may still be there is not looked into, only waited for.
  for (const auto& [id, first_sequence] : core_.segments.removed()) {
    for (auto& [version, task] : sweep->tasks)
      if (first_sequence <= version) task.segments.insert(id);
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
  core_.env.pool.run([this, sweep, table = table_of(core_, segment)] {
    Found found;
    auto records = read_table(core_, table, found.unsure);
    if (!records) {
      return core_.env.log_loop.post([this, sweep, segment = table.segment,
                                      error = records.error()] { on_read(sweep, segment, error); });
    }
    for (const format::RecordSummary& record : *records) {
      bool covered = false;
      sweep->for_each_over(record.tags, record.version, [&](const Task&) { covered = true; });
      if (!covered) continue;
      found.matches.push_back(
          {{record.space, record.mac}, record.version, record.size, record.tags});
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
  const auto concern = [&](Task& task) {
    if (!task.segments.insert(segment->id).second) return;
    ++task.state.segments;
    segment->note_due(task.state.deadline_ms);
  };
  for (const Match& match : found->matches) {
    sweep->for_each_over(match.tags, match.version, [&](Task& task) {
      ++task.state.copies;
      task.state.bytes += match.bytes;
      concern(task);
    });
  }
  if (found->unsure) {
    for (auto& [version, task] : sweep->tasks)
      concern(task);
  }
  for (const Match& match : found->matches)
    sweep->rows.push_back(match.key);
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
    sweep.for_each_over(row.tags, row.version,
                        [&](const Task& task) { ++tasks_[task.fence.version].state.entries; });
  }
}

void Eraser::purge_hot_tier() {
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    shard.hot.erase_if([this](const HotItem& item) {
      return core_.fences.is_scope_fenced(item.entry->tags, item.entry->version);
    });
  }
}

/// One that is not complete is begun again at the next tick.
void Eraser::end_sweep(const std::shared_ptr<Sweep>& sweep, bool complete) {
  sweep_.reset();
  if (complete) {
    purge_hot_tier();
    const std::lock_guard lock(mutex_);
    for (auto& [version, found] : sweep->tasks) {
      Task& task = tasks_[version];
      found.state.entries = task.state.entries;
      found.state.state = ErasureState::kSwept;
      found.state.swept_ms = core_.clock.now_ms();
      task = std::move(found);
    }
  }
  if (stopping_) return finish_stop();
  if (complete) collect();
}

/// Lets go of the fences of which no segment is left.
void Eraser::collect() {
  std::vector<Fence> finished;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [sequence, task] : tasks_) {
      if (task.state.state != ErasureState::kSwept) continue;
      std::erase_if(task.segments, [&](std::uint64_t id) { return !core_.segments.may_exist(id); });
      if (task.segments.empty()) finished.push_back(task.fence);
    }
  }
  for (const Fence& fence : finished) {
    if (!let_go(fence)) return;
    const std::lock_guard lock(mutex_);
    Erasure state = tasks_[fence.version].state;
    state.state = ErasureState::kReclaimed;
    state.reclaimed_ms = core_.clock.now_ms();
    done_.push_back(state);
    if (done_.size() > kMostDone) done_.pop_front();
    tasks_.erase(fence.version);
  }
}

bool Eraser::let_go(const Fence& fence) {
  const auto now = core_.fences.scope_fence(fence.mac);
  if (!now || now->version != fence.version) return true;  // a later one goes on
  if (!core_.writable || applier_.refused() != 0 || log_.index_is_full()) return false;
  if (!core_.index->drop_fence(fence)) return false;
  core_.fences.drop_scope(fence);
  return true;
}

// ---- answers -------------------------------------------------------------------------------

std::optional<Erasure> Eraser::find(std::uint64_t fence) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = tasks_.find(fence); found != tasks_.end()) {
    Erasure state = found->second.state;
    state.segments_left = found->second.segments.size();
    return state;
  }
  const auto found = std::find_if(done_.rbegin(), done_.rend(),
                                  [&](const Erasure& state) { return state.fence == fence; });
  if (found == done_.rend()) return std::nullopt;
  return *found;
}

std::vector<Erasure> Eraser::pending() const {
  const std::lock_guard lock(mutex_);
  std::vector<Erasure> all;
  for (const auto& [sequence, task] : tasks_) {
    all.push_back(task.state);
    all.back().segments_left = task.segments.size();
  }
  return all;
}

namespace {

/// Pool thread.
Result<ScopeCount> count_in(const Core& core, const std::vector<Table>& tables, ScopeTag tag) {
  ScopeCount count;
  for (const Table& table : tables) {
    bool unsure = false;
    auto records = read_table(core, table, unsure);
    if (!records) return records.error();
    bool concerned = false;
    for (const format::RecordSummary& record : *records) {
      if (std::find(record.tags.begin(), record.tags.end(), tag) == record.tags.end()) continue;
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

void Eraser::count(const Fence& scope, io::Loop& loop, Counted done) {
  auto answer = std::make_shared<Counted>(std::move(done));
  core_.env.log_loop.post([this, tag = tag_of(scope.mac), &loop, answer] {
    log_.when_applied([this, tag, &loop, answer] {
      std::vector<Table> tables;
      for (const SegmentPointer& segment : core_.segments.all())
        tables.push_back(table_of(core_, segment));
      core_.env.pool.run([this, tag, &loop, answer, tables = std::move(tables)] {
        auto count = std::make_shared<Result<ScopeCount>>(count_in(core_, tables, tag));
        loop.post([answer, count] { (*answer)(std::move(*count)); });
      });
    });
  });
}

}  // namespace kachel
