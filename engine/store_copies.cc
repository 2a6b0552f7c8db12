#include "engine/store_copies.h"

#include <algorithm>

#include "engine/snapshot_files.h"

namespace kachel {
namespace {

/// Hands its result over on the loop.
template <typename T>
Copies::Handler<T> on_loop(io::Loop& loop, Copies::Handler<T> handler) {
  return [&loop, handler = std::move(handler)](Result<T> result) mutable {
    loop.post([result = std::move(result), handler = std::move(handler)]() mutable {
      handler(std::move(result));
    });
  };
}

Result<void> list_below(io::Storage& storage, const std::string& root, const std::string& within,
                        std::vector<SnapshotFile>& files) {
  const std::string directory = within.empty() ? root : root + '/' + within;
  const auto names = storage.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = within.empty() ? name : path_below(within, name);
    const std::string whole = path_below(root, path);
    if (storage.list(whole)) {
      if (auto below = list_below(storage, root, path, files); !below) return below;
      continue;
    }
    const auto file = storage.open(whole, io::OpenMode::kRead);
    if (!file) return file.error();
    const auto bytes = (*file)->size();
    if (!bytes) return bytes.error();
    files.push_back({path, *bytes});
  }
  return {};
}

Error no_such_snapshot() {
  return {ErrorCode::kNotFound, "there is no snapshot of this name"};
}

}  // namespace

void StoreCopies::start() {
  snapshotter_.start();
  arrivals_.start();
}

void StoreCopies::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(lease_timer_);
  arrivals_.stop([this, done = std::move(done)]() mutable { snapshotter_.stop(std::move(done)); });
}

SnapshotInfo StoreCopies::with_directory(SnapshotInfo info) const {
  const std::string root = core_.env.storage.native_root();
  if (!root.empty()) info.directory = root + '/' + snapshot_path(info.name);
  return info;
}

std::vector<SnapshotInfo> StoreCopies::snapshots() const {
  std::vector<SnapshotInfo> infos = core_.snapshots.infos();
  for (SnapshotInfo& info : infos)
    info = with_directory(std::move(info));
  return infos;
}

void StoreCopies::create_snapshot(std::string name, std::chrono::milliseconds lifetime,
                                  io::Loop& loop, Handler<SnapshotInfo> handler) {
  auto on_made = [this, answer = on_loop<SnapshotInfo>(loop, std::move(handler))](
                     Result<SnapshotInfo> made) mutable {
    if (!made) return answer(std::move(made));
    const audit::CopyEvent event{
        "snapshot",
        core_.clock.now_ms(),
        made->through,
        {{"name", made->name}, {"expires_ms", std::to_string(made->expires_ms)}}};
    trail_.record(event, core_.env.log_loop,
                  [this, made = std::move(made),
                   answer = std::move(answer)](const Result<void>& recorded) mutable {
                    if (!recorded) return answer(recorded.error());
                    answer(with_directory(std::move(*made)));
                  });
  };
  core_.env.log_loop.post(
      [this, name = std::move(name), lifetime, on_made = std::move(on_made)]() mutable {
        snapshotter_.create(name, lifetime, std::move(on_made));
      });
}

void StoreCopies::remove_snapshot(std::string name, io::Loop& loop, Handler<void> handler) {
  auto on_removed = [this, name, answer = on_loop<void>(loop, std::move(handler))](
                        const Result<void>& removed) mutable {
    if (!removed) return answer(removed);
    const audit::CopyEvent event{"snapshot_deleted", core_.clock.now_ms(), 0, {{"name", name}}};
    trail_.record(event, core_.env.log_loop, std::move(answer));
  };
  core_.env.log_loop.post(
      [this, name = std::move(name), on_removed = std::move(on_removed)]() mutable {
        snapshotter_.remove(name, std::move(on_removed));
      });
}

void StoreCopies::list_files(std::string name, io::Loop& loop,
                             Handler<std::vector<SnapshotFile>> handler) {
  core_.env.pool.run(
      [this, name = std::move(name),
       answer = on_loop<std::vector<SnapshotFile>>(loop, std::move(handler))]() mutable {
        if (!core_.snapshots.contains(name)) return answer(no_such_snapshot());
        std::vector<SnapshotFile> files;
        auto listed = list_below(core_.env.storage, snapshot_path(name), "", files);
        if (!listed) return answer(listed.error());
        answer(std::move(files));
      });
}

void StoreCopies::read_file(std::string name, std::string path, std::uint64_t offset,
                            std::size_t bytes, io::Loop& loop, Handler<ZeroizingBytes> handler) {
  core_.env.pool.run([this, name = std::move(name), path = std::move(path), offset, bytes,
                      answer = on_loop<ZeroizingBytes>(loop, std::move(handler))]() mutable {
    if (!core_.snapshots.contains(name)) return answer(no_such_snapshot());
    const auto file = core_.env.storage.open(snapshot_path(name) + '/' + path, io::OpenMode::kRead);
    if (!file) return answer(file.error());
    ZeroizingBytes read(std::min(bytes, kMaxSnapshotReadBytes));
    const auto got = (*file)->read_at(offset, read);
    if (!got) return answer(got.error());
    read.resize(*got);
    (*file)->drop_cache(io::round_down_to_block(offset), io::round_up_to_block(*got));
    answer(std::move(read));
  });
}

void StoreCopies::list_alive(Namespace space, Mac from, std::size_t count, io::Loop& loop,
                             Handler<AlivePage> handler) {
  core_.env.log_loop.post(
      [this, space, from, count, answer = on_loop<AlivePage>(loop, std::move(handler))]() mutable {
        worker_.list_alive(space, from, count, std::move(answer));
      });
}

void StoreCopies::confirm_alive(AliveRange range, std::vector<AliveEntry> alive, io::Loop& loop,
                                Handler<std::uint64_t> handler) {
  core_.env.log_loop.post([this, range, alive = std::move(alive),
                           answer = on_loop<std::uint64_t>(loop, std::move(handler))]() mutable {
    worker_.confirm_alive(range, std::move(alive), std::move(answer));
  });
}

void StoreCopies::follow(std::string source, std::chrono::milliseconds lease, io::Loop& loop,
                         Handler<void> handler) {
  auto answer = on_loop<void>(loop, std::move(handler));
  core_.env.log_loop.post([this, source = std::move(source), lease,
                           answer = std::move(answer)]() mutable {
    if (core_.doubtful_through == 0 || stopping_) {
      return answer(Error{ErrorCode::kInvalidArgument, "nothing is in doubt here"});
    }
    if (core_.follows_source) {
      trust_for(lease);
      return answer({});
    }
    const audit::CopyEvent event{
        "following", core_.clock.now_ms(), core_.doubtful_through, {{"source", source}}};
    trail_.record(event, core_.env.log_loop,
                  [this, lease, answer = std::move(answer)](const Result<void>& recorded) mutable {
                    if (recorded && !stopping_) trust_for(lease);
                    answer(recorded);
                  });
  });
}

void StoreCopies::trust_for(std::chrono::milliseconds lease) {
  core_.env.log_loop.cancel(lease_timer_);
  core_.follows_source = core_.doubtful_through != 0;
  lease_timer_ = core_.env.log_loop.schedule_after(lease, [this] { distrust(); });
}

/// Nobody asks the source any more.
void StoreCopies::distrust() {
  core_.follows_source = false;
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    shard.hot.erase_if(
        [this](const HotItem& item) { return core_.is_doubtful(item.entry->version); });
  }
}

/// The entry in the audit log comes first: a doubt that somebody has ended leaves its trace.
void StoreCopies::end_doubt(DoubtEnd end, io::Loop& loop, Handler<void> handler) {
  audit::CopyEvent event{end.source.empty() ? "doubt_accepted" : "caught_up",
                         core_.clock.now_ms(),
                         core_.doubtful_through,
                         {}};
  if (!end.source.empty()) {
    event.details = {{"source", end.source},
                     {"source_through", std::to_string(end.through)},
                     {"erased", std::to_string(end.erased)}};
  }
  if (!end.reason.empty()) event.details["reason"] = end.reason;
  trail_.record(event, core_.env.log_loop,
                [this, answer = on_loop<void>(loop, std::move(handler))](
                    const Result<void>& recorded) mutable {
                  if (!recorded) return answer(recorded);
                  core_.env.pool.run([this, answer = std::move(answer)]() mutable {
                    auto ended = identity_.end_doubt();
                    if (ended) {
                      core_.doubtful_through = 0;
                      core_.follows_source = false;
                    }
                    answer(std::move(ended));
                  });
                });
}

}  // namespace kachel
