#include "engine/snapshotter.h"

#include <algorithm>
#include <utility>

#include "engine/lifetime_bucket.h"
#include "engine/snapshot_files.h"

namespace kachel {
namespace {

constexpr std::chrono::milliseconds kSnapshotterTick{500};
constexpr std::chrono::milliseconds kUsualLifetime = std::chrono::hours(24);
// What must be gone by a deadline goes this long before it.

}  // namespace

// ---- loading -------------------------------------------------------------------------------

Result<void> load_snapshots(Core& core) {
  io::Storage& storage = core.env.storage;
  auto names = storage.list(kSnapshotsDirectory);
  if (!names && names.error().code == ErrorCode::kNotFound) return {};
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string directory = std::string(kSnapshotsDirectory) + '/' + name;
    if (!storage.list(directory)) continue;  // no directory: nothing of ours
    auto manifest = read_manifest(storage, directory);
    if (!manifest && manifest.error().code == ErrorCode::kVersion) return manifest.error();
    if (!manifest && manifest.error().code == ErrorCode::kIo) return manifest.error();
    const bool is_unfinished = name.ends_with(".new");
    const bool is_damaged = !manifest && manifest.error().code == ErrorCode::kCorrupt;
    if (is_unfinished || is_damaged) {
      if (is_damaged) ++core.snapshots.dropped;
      if (auto dropped = drop_tree(storage, directory); !dropped) return dropped;
      continue;
    }
    // What somebody else has put here, or another store's, is not ours to touch.
    if (!manifest || !is_snapshot_name(name) || manifest->store_id != core.store_id) continue;
    SnapshotTable::Snapshot snapshot;
    const std::size_t segments = manifest->segments.size();
    const auto there = storage.list(segments_of(directory));
    if (!there && there.error().code != ErrorCode::kNotFound) return there.error();
    std::erase_if(manifest->segments, [&](const format::SnapshotSegment& segment) {
      const std::string file = segment_path(segment.id).substr(sizeof("segments"));
      return !there || !std::binary_search(there->begin(), there->end(), file);
    });
    const auto has_index = storage.exists(directory + "/index");
    if (!has_index) return has_index.error();
    const auto has_hot_set = storage.exists(directory + "/hot");
    if (!has_hot_set) return has_hot_set.error();
    snapshot.segments_left = segments - manifest->segments.size();
    snapshot.has_derived = *has_index || *has_hot_set;
    snapshot.is_complete = true;
    snapshot.manifest = std::move(*manifest);
    core.snapshots.add(name, std::move(snapshot));
  }
  return {};
}

// ---- the course of things ------------------------------------------------------------------

/// One that is being made.
struct Snapshotter::Job {
  std::string name;
  std::string directory;  // while it is not complete
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  Log::Cut cut;
  format::SnapshotManifest manifest;
  Made done;
  bool has_cut = false;
};

void Snapshotter::start() {
  schedule_tick();
}

void Snapshotter::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kSnapshotterTick, [this] {
    if (stopping_) return;
    schedule_tick();
    look();
  });
}

void Snapshotter::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  stopped_ = std::move(done);
  if (job_ && !job_->has_cut) log_.abort_cut();
  finish_stop();
}

void Snapshotter::finish_stop() {
  if (!job_ && removals_ == 0 && stopped_) std::exchange(stopped_, nullptr)();
}

// ---- going ---------------------------------------------------------------------------------

std::vector<Snapshotter::Due> Snapshotter::find_due() const {
  std::vector<Due> all;
  const std::int64_t by_ms = core_.clock.now_ms() + kSnapshotsLeaveAheadMs;
  const std::int64_t within_ms = core_.erase_within_ms;
  for (const auto& [name, snapshot] : core_.snapshots.all()) {
    if (!snapshot.is_complete) continue;
    const format::SnapshotManifest& manifest = snapshot.manifest;
    Due due;
    due.name = name;
    // It may have been made when `erase_within` was longer.
    due.all = manifest.expires_ms <= by_ms || manifest.created_ms + within_ms <= by_ms;
    due.derived = snapshot.has_derived && manifest.derived_due_ms <= by_ms;
    for (const format::SnapshotSegment& segment : manifest.segments)
      if (segment.due_ms <= by_ms) due.segments.push_back(segment.id);
    if (due.all || due.derived || !due.segments.empty()) all.push_back(std::move(due));
  }
  return all;
}

void Snapshotter::look() {
  if (removals_ > 0 || stopping_) return;
  std::vector<Due> due = find_due();
  if (due.empty() && core_.no_room) {
    // The store comes first: the oldest of those that keep bytes from being free.
    std::vector<SnapshotInfo> infos = core_.snapshots.infos();
    std::erase_if(infos, [](const SnapshotInfo& info) { return info.own_bytes == 0; });
    const auto oldest = std::min_element(
        infos.begin(), infos.end(),
        [](const auto& one, const auto& other) { return one.created_ms < other.created_ms; });
    if (oldest != infos.end()) {
      ++core_.snapshots.dropped;
      due.push_back({oldest->name, true, false, {}});
    }
  }
  if (!due.empty()) carry_out(std::move(due), [](Result<void>) {});
}

void Snapshotter::remove(const std::string& name, DoneHandler done) {
  const auto all = core_.snapshots.all();
  const auto found = all.find(name);
  if (found == all.end() || !found->second.is_complete) {
    return done(Error{ErrorCode::kNotFound, "there is no snapshot of this name"});
  }
  if (removals_ > 0 || stopping_) {
    return done(Error{ErrorCode::kLocked, "snapshots are being removed: try again"});
  }
  carry_out({{name, true, false, {}}}, std::move(done));
}

void Snapshotter::carry_out(std::vector<Due> due, DoneHandler done) {
  ++removals_;
  core_.env.pool.run([this, due = std::move(due), done = std::move(done)]() mutable {
    io::Storage& storage = core_.env.storage;
    std::vector<std::pair<Due, Result<void>>> results;
    for (Due& one : due) {
      const std::string directory = snapshot_path(one.name);
      Result<void> result;
      if (one.all) {
        result = drop_snapshot(storage, one.name);
      } else {
        if (one.derived) result = remove_derived(storage, directory);
        if (result) result = remove_segments(storage, directory, one.segments);
      }
      results.emplace_back(std::move(one), std::move(result));
    }
    core_.env.log_loop.post([this, results = std::move(results), done = std::move(done)]() mutable {
      --removals_;
      Result<void> outcome;
      for (const auto& [one, result] : results) {
        on_carried_out(one, result);
        if (!result) outcome = result;
      }
      done(std::move(outcome));
      finish_stop();
    });
  });
}

/// What could not be removed is tried again at the next tick.
void Snapshotter::on_carried_out(const Due& due, const Result<void>& result) {
  if (!result) {
    ++core_.snapshots.failed;
    bump(core_.counters.io_errors);
    return;
  }
  if (due.all) return core_.snapshots.remove(due.name);
  if (due.derived) core_.snapshots.remove_derived(due.name);
  core_.snapshots.remove_segments(due.name, due.segments);
}

// ---- making --------------------------------------------------------------------------------

void Snapshotter::create(const std::string& name, std::chrono::milliseconds lifetime, Made done) {
  const auto refuse = [&](ErrorCode code, const char* why) { done(Error{code, why}); };
  if (!is_snapshot_name(name)) {
    return refuse(ErrorCode::kInvalidArgument,
                  "a snapshot's name is 1 to 64 letters, digits, '_', '-' and '.', and does not "
                  "begin with '.' or end in '.new'");
  }
  if (core_.snapshots.contains(name)) {
    return refuse(ErrorCode::kAlreadyExists, "there is a snapshot of this name: choose another");
  }
  if (core_.snapshots.all().size() >= kMaxSnapshots) {
    return refuse(ErrorCode::kTooLarge, "there are 100 snapshots: delete one first");
  }
  if (job_ || stopping_) {
    return refuse(ErrorCode::kLocked, "another snapshot is being made: try again");
  }
  if (core_.arriving_segments > 0) {
    return refuse(ErrorCode::kLocked,
                  "this store is still being copied from another: try again when that is done");
  }
  if (core_.doubtful_through != 0) {
    return refuse(ErrorCode::kInvalidArgument,
                  "this store is a copy that does not know yet what was erased since it was made: "
                  "end that first, with `kachel catch-up`");
  }
  const std::int64_t within_ms = core_.erase_within_ms;
  const std::int64_t wanted_ms = lifetime.count() > 0 ? lifetime.count() : kUsualLifetime.count();
  job_ = std::make_shared<Job>();
  job_->name = name;
  job_->directory = unfinished_snapshot_path(name);
  job_->created_ms = core_.clock.now_ms();
  job_->expires_ms = job_->created_ms + std::min(wanted_ms, within_ms);
  job_->done = std::move(done);
  core_.snapshots.is_taking = true;
  log_.cut([this, job = job_](Result<Log::Cut> cut) { on_cut(job, std::move(cut)); });
}

format::SnapshotManifest Snapshotter::manifest_of(const Job& job) const {
  format::SnapshotManifest manifest;
  manifest.store_id = core_.store_id;
  manifest.created_ms = job.created_ms;
  // What an erase takes that has not been looked for yet may lie anywhere.
  manifest.expires_ms = earlier(job.expires_ms, eraser_.first_unswept_deadline_ms());
  manifest.through = job.cut.marker.applied_through;
  manifest.derived_due_ms = earlier(manifest.expires_ms, core_.index_debt.due_ms());
  for (const Log::Cut::Part& part : job.cut.parts) {
    const Segment& segment = *part.segment;
    const bool may_be_older = segment.bucket == kHeldBucket || segment.dictionary_id != 0;
    const std::int64_t due_ms = earlier(manifest.expires_ms, segment.due_ms);
    manifest.derived_due_ms = earlier(manifest.derived_due_ms, due_ms);
    manifest.segments.push_back(
        {segment.id, may_be_older ? 0 : segment.first_sequence, part.bytes, due_ms});
  }
  return manifest;
}

void Snapshotter::on_cut(const std::shared_ptr<Job>& job, Result<Log::Cut> cut) {
  job->has_cut = true;
  if (!cut) {
    log_.end_cut();
    return end(job, cut.error());
  }
  job->cut = std::move(*cut);
  job->manifest = manifest_of(*job);
  // From here on erases wait for it.
  SnapshotTable::Snapshot snapshot;
  snapshot.manifest = job->manifest;
  snapshot.number = core_.snapshots.begin();
  core_.snapshots.add(job->name, std::move(snapshot));
  core_.env.pool.run([this, job] {
    io::Storage& storage = core_.env.storage;
    const auto begin = [&]() -> Result<void> {
      if (auto made = storage.create_directory(kSnapshotsDirectory); !made) return made;
      if (auto removed = storage.remove_tree(job->directory); !removed) return removed;
      if (auto made = storage.create_directory(job->directory); !made) return made;
      auto copied = core_.index->copy_to(job->directory + "/index");
      if (!copied && copied.error().code == ErrorCode::kNotFound) return {};
      return copied;
    };
    core_.env.log_loop.post([this, job, begun = begin()] { on_index(job, begun); });
  });
}

/// The rest is in files that do not change, or the pins of the segments see to it.
void Snapshotter::on_index(const std::shared_ptr<Job>& job, const Result<void>& copied) {
  log_.end_cut();
  if (!copied) return end(job, copied);
  const auto fill = [this, job]() -> Result<void> {
    auto taken = take_segments(*job);
    core_.snapshots.is_taking = false;  // it has all that may go, or fails
    return taken ? take_the_rest(*job) : taken;
  };
  trail_.run_between(fill, core_.env.log_loop,
                     [this, job](const Result<void>& filled) { end(job, filled); });
}

Result<void> Snapshotter::take_segments(const Job& job) {
  io::Storage& storage = core_.env.storage;
  const std::string directory = segments_of(job.directory);
  if (auto made = storage.create_directory(directory); !made) return made;
  for (const Log::Cut::Part& part : job.cut.parts) {
    const std::string to = path_in(job.directory, part.segment->id);
    auto taken = part.is_sealed ? storage.link(segment_path(part.segment->id), to)
                                : copy_file(storage, *part.segment->file, to, part.bytes);
    if (!taken) return taken;
  }
  return storage.sync_directory(directory);
}

/// With its manifest it is whole, and with its name it is one.
Result<void> Snapshotter::take_the_rest(const Job& job) {
  io::Storage& storage = core_.env.storage;
  const std::string& directory = job.directory;
  const auto superblock = identity_.superblock_of_copy(
      job.manifest.through, job.cut.next_segment_id, core_.clock.now_ms());
  const std::string manifest = directory + '/' + std::string(format::kSnapshotManifestName);
  const std::string hot_set = directory + '/' + std::string(kHotManifestPath);
  Result<void> done = storage.create_directory(directory + "/hot");
  if (done) done = copy_named(storage, std::string(kHotManifestPath), hot_set);
  if (done) done = storage.sync_directory(directory + "/hot");
  if (done) done = copy_tree(storage, "audit", directory + "/audit");
  if (done) done = copy_named(storage, "tenants", directory + "/tenants");
  if (done) done = write_new(storage, directory + "/superblock", superblock);
  if (done) done = write_new(storage, directory + "/key", identity_.key_file());
  if (done) done = write_new(storage, manifest, format::encode_snapshot_manifest(job.manifest));
  if (done) done = storage.sync_directory(directory);
  if (done) done = storage.rename(directory, snapshot_path(job.name));
  if (done) done = storage.sync_directory(kSnapshotsDirectory);
  if (done) done = storage.sync_directory("");
  return done;
}

void Snapshotter::end(const std::shared_ptr<Job>& job, const Result<void>& result) {
  core_.snapshots.is_taking = false;
  job_.reset();
  if (result) {
    core_.snapshots.complete(job->name);
    for (SnapshotInfo& info : core_.snapshots.infos())
      if (info.name == job->name) job->done(std::move(info));
    return finish_stop();
  }
  ++core_.snapshots.failed;
  if (!core_.snapshots.contains(job->name)) {
    job->done(result.error());
    return finish_stop();
  }
  // Erases wait for it until nothing is left of it.
  ++removals_;
  core_.env.pool.run([this, job, error = result.error()] {
    io::Storage& storage = core_.env.storage;
    Result<void> removed = drop_snapshot(storage, job->name);
    core_.env.log_loop.post([this, job, error, removed] {
      --removals_;
      if (removed) {
        core_.snapshots.remove(job->name);
      } else {
        core_.snapshots.complete(job->name);  // goes when it is due
        bump(core_.counters.io_errors);
      }
      job->done(error);
      finish_stop();
    });
  });
}

}  // namespace kachel
