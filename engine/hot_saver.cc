#include "engine/hot_saver.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/format/hot_manifest.h"

namespace kachel {
namespace {

constexpr std::chrono::milliseconds kSaverTick{500};

std::string beside_manifest() {
  return std::string(kHotManifestPath) + ".new";
}

/// Not of what a power cut may take: its place could be another's then.
format::HotPlace place_of(const Entry& entry, std::uint64_t durable_through) {
  const Entry::Place place = entry.place;
  if (place.segment == 0 || entry.version > durable_through) return {};
  return {place.segment, place.offset, entry.stored_bytes};
}

}  // namespace

/// One that is being written. Of the thread that has the turn.
struct HotSaver::Manifest {
  std::unique_ptr<io::File> file;
  std::uint64_t bytes = 0;
  std::uint32_t blocks = 0;
  std::uint64_t entries = 0;
  std::uint64_t known_through = 0;
  std::size_t next_shard = 0;
  Result<void> result;

  Result<void> write(std::vector<std::byte> piece) {
    iovec part{piece.data(), piece.size()};
    const std::uint64_t offset = std::exchange(bytes, bytes + piece.size());
    return file->write_at(offset, std::span(&part, 1));
  }
};

void HotSaver::start() {
  next_ns_ = core_.env.clock.monotonic_ns() + interval_ns();
  latest_ns_ = core_.env.clock.monotonic_ns() + core_.erase_within_ms / 2 * kNsPerMs;
  schedule_tick();
}

std::int64_t HotSaver::interval_ns() const {
  return std::min<std::int64_t>(core_.options.hot_save_interval.count(),
                                core_.erase_within_ms / 2) *
         kNsPerMs;
}

void HotSaver::schedule_tick() {
  tick_timer_ = core_.env.log_loop.schedule_after(kSaverTick, [this] {
    if (stopping_) return;
    schedule_tick();
    look();
  });
}

void HotSaver::look() {
  if (busy_ || core_.hot_set.is_warming) return;
  if (core_.options.warm_bytes_per_s == 0) return drop_old();
  const std::int64_t due_ns = core_.is_in_doubt() ? latest_ns_ : next_ns_;
  if (core_.env.clock.monotonic_ns() < due_ns && !core_.hot_set.wants_save) return;
  save();
}

/// One of an earlier process knows of what has died since.
void HotSaver::drop_old() {
  if (!core_.hot_set.is_on_disk) return;
  busy_ = true;
  core_.env.pool.run([this] {
    clear();
    core_.env.log_loop.post([this] {
      busy_ = false;
      if (stopped_) std::exchange(stopped_, {})();
    });
  });
}

void HotSaver::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  stopped_ = std::move(done);
  if (busy_) return;  // that one will do
  if (core_.options.warm_bytes_per_s == 0 || core_.hot_set.is_warming || core_.is_in_doubt()) {
    return std::exchange(stopped_, {})();
  }
  save();
}

void HotSaver::save() {
  busy_ = true;
  core_.hot_set.wants_save = false;
  core_.hot_set.is_on_disk = true;
  ++core_.hot_set.saves_begun;
  next_ns_ = core_.env.clock.monotonic_ns() + interval_ns();
  auto manifest = std::make_shared<Manifest>();
  core_.env.pool.run([this, manifest] {
    manifest->result = begin(*manifest);
    go_on(manifest);
  });
}

/// A shard at a time: others wait for the pool as well.
void HotSaver::go_on(const std::shared_ptr<Manifest>& manifest) {
  if (manifest->result && manifest->next_shard < kShards) {
    return core_.env.pool.run([this, manifest] {
      manifest->result = add(*manifest, core_.shards[manifest->next_shard++]);
      go_on(manifest);
    });
  }
  if (manifest->result) manifest->result = end(*manifest);
  if (!manifest->result) clear();
  core_.env.log_loop.post([this, manifest] { on_saved(*manifest); });
}

Result<void> HotSaver::begin(Manifest& manifest) {
  if (core_.no_room) return Error{ErrorCode::kNoSpace, "the disk is full"};
  io::Storage& storage = core_.env.storage;
  if (auto made = storage.create_directory(kHotDirectory); !made) return made;
  const auto is_there = storage.exists(beside_manifest());
  if (!is_there) return is_there.error();
  if (*is_there) {
    if (auto removed = storage.remove(beside_manifest()); !removed) return removed;
  }
  auto file = storage.open(beside_manifest(), io::OpenMode::kCreate);
  if (!file) return file.error();
  manifest.file = std::move(*file);
  manifest.known_through = core_.durable_through;
  return manifest.write(format::encode_hot_manifest_header(
      core_.store_id, {core_.clock.now_ms(), manifest.known_through, format::kHotItemBytes}));
}

/// In the order that the index has.
Result<void> HotSaver::add(Manifest& manifest, const Shard& shard) {
  const std::int64_t now_ms = core_.clock.now_ms();
  std::vector<format::HotManifestItem> items;
  {
    const std::lock_guard lock(shard.mutex);
    items.reserve(shard.hot.size());
    shard.hot.visit_heat([&](const Mac& mac, const HotItem& item, std::uint8_t heat) {
      if (item.expires_at_ms != 0 && item.expires_at_ms <= now_ms) return;
      if (core_.fences.is_fenced(item.space, item.entry->version, item.entry->tags)) return;
      items.push_back({item.space, mac, heat, place_of(*item.entry, manifest.known_through)});
    });
  }
  sort_as_rows(items);
  manifest.entries += items.size();
  for (std::span<const format::HotManifestItem> rest(items); !rest.empty();) {
    const auto some = rest.first(std::min<std::size_t>(rest.size(), format::kMaxHotBlockItems));
    auto written =
        manifest.write(format::encode_hot_block(core_.store_id, manifest.blocks++, some));
    if (!written) return written;
    rest = rest.subspan(some.size());
  }
  return {};
}

Result<void> HotSaver::end(Manifest& manifest) {
  io::Storage& storage = core_.env.storage;
  auto done = manifest.write(format::encode_hot_block(core_.store_id, manifest.blocks, {}));
  if (done) done = manifest.file->sync();
  manifest.file.reset();
  if (done) done = storage.rename(beside_manifest(), kHotManifestPath);
  if (done) done = storage.sync_directory(kHotDirectory);
  if (done) done = storage.sync_directory("");
  return done;
}

/// Rather none than one that knows of what has died since, or takes room that there is not.
void HotSaver::clear() {
  io::Storage& storage = core_.env.storage;
  bool is_clear = true;
  for (const std::string& path : {beside_manifest(), std::string(kHotManifestPath)}) {
    const auto is_there = storage.exists(path);
    if (is_there && !*is_there) continue;
    const bool is_removed =
        is_there && storage.remove(path) && storage.sync_directory(kHotDirectory);
    is_clear = is_clear && is_removed;
  }
  if (is_clear) core_.hot_set.is_on_disk = false;
}

void HotSaver::on_saved(const Manifest& manifest) {
  busy_ = false;
  if (manifest.result) {
    core_.hot_set.saves_ended = core_.hot_set.saves_begun.load();
    core_.hot_set.saved_entries = manifest.entries;
  } else {
    ++core_.hot_set.saves_failed;
  }
  if (stopped_) std::exchange(stopped_, {})();
}

}  // namespace kachel
