#include "engine/hot_warmer.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/hot_manifest_reader.h"
#include "engine/segment_files.h"
#include "engine/stored_entry.h"

namespace kachel {
namespace {

// Of the hot tier's bytes, for the list of what is read next. A slice of the list reads most of
// what there is once its items lie as close as one entry in twenty, so the fewer slices the better.
constexpr std::uint64_t kListShare = 10;
constexpr std::size_t kLeastSliceItems = 16 * 1024;
constexpr std::size_t kLookupsPerStep = 4096;
constexpr std::uint64_t kBatchBytes = 2 * kMiB;
constexpr std::size_t kBatchItems = 512;
constexpr std::size_t kReadingAtOnce = 2;
constexpr std::size_t kBatchesAtOnce = 3;  // what is being decoded included
constexpr std::uint64_t kSpanBytes = 256 * 1024;
constexpr std::uint64_t kGapBytes = 16 * 1024;  // that is read along rather than left out
// A damaged manifest may say anything; of larger ones the index says how large.
constexpr std::uint32_t kMostPlacedBytes = 1024 * 1024;
constexpr std::int64_t kLeastRestNs = 1'000'000;
constexpr std::int64_t kTellEveryNs = 5'000'000'000;
constexpr std::chrono::milliseconds kTrustTick{100};

/// In an Item, of which there may be a million.
bool is_storable(const Row& row) {
  return row.offset <= UINT32_MAX && row.raw_bytes <= UINT32_MAX;
}

}  // namespace

/// One that the manifest names, and where it lies.
struct HotWarmer::Item {
  RowKey key;
  std::uint64_t segment_id = 0;
  std::uint64_t version = 0;  // 0: what lies there says that, its expiry and length
  std::int64_t expires_at_ms = 0;
  std::uint32_t offset = 0;  // bytes
  std::uint32_t size = 0;    // bytes
  std::uint32_t raw_bytes = 0;
  std::uint8_t heat = 0;
};  // 64 bytes

struct HotWarmer::Work {
  std::unique_ptr<HotManifestReader> manifest;  // nullptr: there is none
  bool is_second_pass = false;
  std::size_t slice_items = 0;  // at most
  // Since the manifest was written: of what the log says by now.
  std::vector<SegmentTableView> newer;
  bool trusts_places = false;
  boost::unordered_flat_set<Mac, MacHash> changed;
  std::vector<format::HotManifestItem> named;  // of a slice, and not looked up yet
  std::size_t next_named = 0;
  std::vector<Item> items;
  std::size_t next_item = 0;
  std::size_t batches = 0;  // under way
  std::size_t reading = 0;  // of those, whose bytes have not come
  std::int64_t not_before_ns = 0;
  std::uint64_t reads_seen = 0;  // of others
};

/// What is read in one piece: items side by side.
struct HotWarmer::Span {
  SegmentPointer segment;
  std::uint64_t begin = 0, end = 0;  // bytes
  std::size_t first = 0, last = 0;   // of the work's items; the last is not in it
  io::PooledBuffer buffer;
  io::IoRequest request;
  Batch* batch = nullptr;
};

struct HotWarmer::Batch {
  HotWarmer* warmer = nullptr;
  WorkPointer work;
  std::vector<std::unique_ptr<Span>> spans;
  std::uint64_t bytes = 0;
  std::size_t unread = 0;
  std::uint64_t warmed = 0;
  std::shared_ptr<Batch> self;  // while the kernel has the buffers
};

void HotWarmer::start() {
  if (core_.options.warm_bytes_per_s == 0) return;
  if (core_.is_in_doubt()) return await_trust();
  begin();
}

void HotWarmer::await_trust() {
  trust_timer_ = core_.env.log_loop.schedule_after(kTrustTick, [this] {
    if (!stopping_) start();
  });
}

void HotWarmer::begin() {
  busy_ = true;
  core_.hot_set.is_warming = true;
  // Whoever has not seen that yet has made his change by now, and the index may not know it.
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [mac, pending] : shard.pending)
      shard.changed.note(mac);
  }
  core_.hot_set.warming_began_ns = core_.env.clock.monotonic_ns();
  auto work = std::make_shared<Work>();
  core_.env.pool.run([this, work] { open(work); });
}

void HotWarmer::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(trust_timer_);
  if (!busy_) return done();
  stopped_ = std::move(done);
  if (const WorkPointer work = std::exchange(resting_, nullptr)) {
    core_.env.log_loop.cancel(rest_timer_);
    if (work->batches == 0) end(work);
  }
}

// ---- from the manifest to places -----------------------------------------------------------

void HotWarmer::open(const WorkPointer& work) {
  // Without one, or with one that is damaged, the hot tier begins empty.
  if (auto manifest = HotManifestReader::open(core_.env.storage, core_.store_id)) {
    work->manifest = std::move(*manifest);
    core_.hot_set.entries_named = work->manifest->entries();
  }
  core_.env.log_loop.post([this, work] {
    if (!work->manifest || work->is_second_pass) return next_slice(work);
    tell(false);
    find_changes(work);
  });
}

/// What the manifest says of places holds for all keys of which the log has no later record: that
/// what is in the log decides is what an index is rebuilt by, too. What is changed from now on is
/// in the shards' lists.
void HotWarmer::find_changes(const WorkPointer& work) {
  const std::uint64_t hot_bytes = MemoryPlan::of(core_.options.memory_bytes).hot_bytes;
  work->slice_items =
      std::max<std::size_t>(kLeastSliceItems, hot_bytes / kListShare / sizeof(Item));
  const std::uint64_t known_through = work->manifest->header().known_through;
  for (const SegmentPointer& segment : core_.segments.all()) {
    if (segment->highest_sequence <= known_through && segment->state != SegmentState::kOpen)
      continue;
    work->newer.push_back(table_of(core_.store_id, segment));
  }
  core_.env.pool.run([this, work] {
    read_changes(*work);
    core_.env.log_loop.post([this, work] { next_slice(work); });
  });
}

/// With more of them than a slice has items, or a table that can't be read whole, the index is
/// asked for all.
void HotWarmer::read_changes(Work& work) const {
  const std::uint64_t known_through = work.manifest->header().known_through;
  work.trusts_places = known_through != 0;
  for (const SegmentTableView& table : std::exchange(work.newer, {})) {
    if (!work.trusts_places) break;
    bool unsure = false;
    const auto records = read_table(core_.store_id, core_.mac_key, table, &unsure);
    work.trusts_places = records && !unsure && !table.segment->is_arriving &&
                         work.changed.size() + records->size() <= work.slice_items;
    if (!work.trusts_places) break;
    for (const format::RecordSummary& record : *records) {
      if (record.sequence > known_through) work.changed.insert(record.mac);
    }
  }
  if (!work.trusts_places) work.changed = {};
}

/// What has been used most comes first: a second pass takes the rest.
void HotWarmer::next_slice(const WorkPointer& work) {
  if (stopping_) return end(work);
  const bool has_more = work->manifest && work->manifest->has_more();
  if (has_more && work->named.size() + work->items.size() < work->slice_items) {
    return core_.env.pool.run([this, work] {
      take_names(*work);
      core_.env.log_loop.post([this, work] { next_slice(work); });
    });
  }
  const bool is_empty = work->named.empty() && work->items.empty();
  if (is_empty && work->manifest && !work->is_second_pass) {
    work->is_second_pass = true;
    return core_.env.pool.run([this, work] { open(work); });
  }
  if (is_empty) return end(work);
  core_.env.pool.run([this, work] {
    sort_as_rows(work->named);
    core_.env.log_loop.post([this, work] { look_up(work); });
  });
}

void HotWarmer::take_names(Work& work) {
  const auto items = work.manifest->next();
  if (!items) return;  // damage costs this block
  for (const format::HotManifestItem& item : *items) {
    if (HotShard::is_much_used(item.heat) == work.is_second_pass) continue;
    const format::HotPlace& place = item.place;
    const bool is_known = work.trusts_places && place.segment != 0 && place.size != 0 &&
                          place.size <= kMostPlacedBytes && !work.changed.contains(item.mac) &&
                          core_.segments.contains(place.segment);
    if (is_known) {
      work.items.push_back({.key = {item.space, item.mac},
                            .segment_id = place.segment,
                            .offset = place.offset,
                            .size = place.size,
                            .heat = item.heat});
    } else {
      work.named.push_back(item);
    }
  }
}

void HotWarmer::look_up(const WorkPointer& work) {
  if (stopping_) return end(work);
  if (work->next_named < work->named.size()) {
    return core_.env.pool.run([this, work] {
      look_up_some(*work);
      core_.env.log_loop.post([this, work] { look_up(work); });
    });
  }
  work->named = {};
  work->next_named = 0;
  core_.env.pool.run([this, work] {
    std::sort(work->items.begin(), work->items.end(), [](const Item& one, const Item& other) {
      return std::tie(one.segment_id, one.offset) < std::tie(other.segment_id, other.offset);
    });
    core_.env.log_loop.post([this, work] { next_batch(work); });
  });
}

void HotWarmer::look_up_some(Work& work) {
  const std::int64_t now_ms = core_.clock.now_ms();
  const std::size_t count = std::min(kLookupsPerStep, work.named.size() - work.next_named);
  const std::span named = std::span(work.named).subspan(work.next_named, count);
  work.next_named += count;
  std::vector<RowKey> keys(count);
  for (std::size_t i = 0; i < count; ++i)
    keys[i] = {named[i].space, named[i].mac};
  std::vector<Lookup> lookups(count);
  core_.index->find_many(keys, lookups);
  for (std::size_t i = 0; i < count; ++i) {
    const format::HotManifestItem& item = named[i];
    const RowKey& key = keys[i];
    const Lookup& lookup = lookups[i];
    const Row& row = lookup.row;
    const bool is_there = lookup.status == LookupStatus::kFound &&
                          core_.segments.contains(row.segment_id) && is_storable(row) &&
                          (row.expires_at_ms == 0 || row.expires_at_ms > now_ms) &&
                          !core_.is_refused(key.space, row.version, row.tags);
    if (is_there) {
      work.items.push_back({key, row.segment_id, row.version, row.expires_at_ms,
                            static_cast<std::uint32_t>(row.offset), row.size,
                            static_cast<std::uint32_t>(row.raw_bytes), item.heat});
    } else {
      ++core_.hot_set.entries_done;
    }
  }
}

// ---- from places to entries ----------------------------------------------------------------

/// As many as may be under way at once: fewer while clients read from the device.
void HotWarmer::next_batch(const WorkPointer& work) {
  if (stopping_ && work->batches == 0) return end(work);
  const std::uint64_t reads = core_.counters.flash_hits;
  const bool others_read = std::exchange(work->reads_seen, reads) != reads;
  const std::size_t reading_at_once = others_read ? 1 : kReadingAtOnce;
  while (!stopping_ && !resting_ && work->batches < kBatchesAtOnce &&
         work->reading < reading_at_once && work->next_item < work->items.size()) {
    const std::int64_t now_ns = core_.env.clock.monotonic_ns();
    if (work->not_before_ns >= now_ns + kLeastRestNs) return rest(work, now_ns);
    begin_batch(work, now_ns);
  }
  if (work->batches > 0 || resting_) return;
  work->items.clear();
  work->next_item = 0;
  next_slice(work);
}

void HotWarmer::rest(const WorkPointer& work, std::int64_t now_ns) {
  resting_ = work;
  rest_timer_ = core_.env.log_loop.schedule_after(
      std::chrono::milliseconds((work->not_before_ns - now_ns) / kLeastRestNs),
      [this] { next_batch(std::exchange(resting_, nullptr)); });
}

/// The next of the items that lie together.
void HotWarmer::begin_batch(const WorkPointer& work, std::int64_t now_ns) {
  auto batch = std::make_shared<Batch>();
  batch->warmer = this;
  batch->work = work;
  std::size_t items = 0;
  while (work->next_item < work->items.size() && items < kBatchItems &&
         batch->bytes < kBatchBytes) {
    const Item& item = work->items[work->next_item];
    Span* last = batch->spans.empty() ? nullptr : batch->spans.back().get();
    const std::uint64_t end = io::round_up_to_block(std::uint64_t{item.offset} + item.size);
    const bool is_beside = last != nullptr && last->segment->id == item.segment_id &&
                           item.offset <= last->end + kGapBytes && end - last->begin <= kSpanBytes;
    if (!is_beside) {
      SegmentPointer segment = core_.segments.find(item.segment_id);
      if (!segment) {  // reclaimed since
        ++work->next_item;
        ++core_.hot_set.entries_done;
        continue;
      }
      auto span = std::make_unique<Span>();
      span->segment = std::move(segment);
      span->begin = io::round_down_to_block(item.offset);
      span->first = work->next_item;
      span->batch = batch.get();
      last = batch->spans.emplace_back(std::move(span)).get();
      last->end = last->begin;
    }
    batch->bytes += end - last->end;
    last->end = end;
    last->last = ++work->next_item;
    ++items;
  }
  if (batch->spans.empty()) return;
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  work->not_before_ns =
      std::max(work->not_before_ns, now_ns) +
      static_cast<std::int64_t>(batch->bytes * kNsPerSecond / core_.options.warm_bytes_per_s);
  ++work->batches;
  ++work->reading;
  read(batch);
}

void HotWarmer::read(const std::shared_ptr<Batch>& batch) {
  batch->self = batch;
  batch->unread = batch->spans.size();
  for (const auto& span : batch->spans) {
    io::IoRequest& request = span->request;
    span->buffer = core_.env.log_loop.io().acquire_buffer(span->end - span->begin);
    request.op = io::IoOp::kRead;
    request.file = span->segment->file.get();
    request.offset = span->begin;
    request.data = span->buffer.data();
    request.length = span->end - span->begin;
    request.buffer_index = span->buffer.registered_index();
    request.context = span.get();
    request.on_complete = [](io::IoRequest& done) {
      Batch& of = *static_cast<Span*>(done.context)->batch;
      if (--of.unread == 0) of.warmer->on_read(std::exchange(of.self, nullptr));
    };
    core_.env.log_loop.io().submit(request);
  }
}

/// While it is decoded the next is read.
void HotWarmer::on_read(const std::shared_ptr<Batch>& batch) {
  core_.env.pool.run([this, batch] {
    take_in(batch);
    core_.env.log_loop.post([this, batch] { after(batch); });
  });
  --batch->work->reading;
  next_batch(batch->work);
}

void HotWarmer::take_in(const std::shared_ptr<Batch>& batch) {
  for (const auto& span : batch->spans) {
    for (std::size_t i = span->first; i < span->last; ++i) {
      const Item& item = batch->work->items[i];
      const std::size_t skip = item.offset - span->begin;
      const bool is_read =
          span->request.error == 0 && skip + item.size <= span->request.transferred;
      if (!is_read) continue;
      const std::span<const std::byte> bytes(span->buffer.data() + skip, item.size);
      Row row;
      row.segment_id = item.segment_id;
      row.offset = item.offset;
      row.size = item.size;
      row.version = item.version;
      row.raw_bytes = item.raw_bytes;
      row.expires_at_ms = item.expires_at_ms;
      const StoredEntry stored =
          decode_stored_entry(core_, *span->segment, item.key.space, row, bytes);
      if (!stored.entry || key_mac(core_.mac_key, item.key.space, stored.key) != item.key.mac) {
        continue;
      }
      const std::int64_t expires_at_ms =
          item.version == 0 ? stored.expires_at_ms : item.expires_at_ms;
      if (put_back(item, expires_at_ms, stored.entry)) ++batch->warmed;
    }
  }
}

/// If it is still what a read would find, and nobody has been quicker. What was changed since it
/// was looked up is in the shard's list.
bool HotWarmer::put_back(const Item& item, std::int64_t expires_at_ms,
                         const Entry::Pointer& entry) {
  Shard& shard = core_.shard(item.key.mac);
  const std::lock_guard lock(shard.mutex);
  if (shard.pending.contains(item.key.mac) || !shard.changed.is_surely_not(item.key.mac)) {
    return false;
  }
  if (expires_at_ms != 0 && expires_at_ms <= core_.clock.now_ms()) return false;
  if (core_.is_refused(item.key.space, entry->version, entry->tags)) return false;
  // Who asked for what was evicted has been told that it is gone.
  const SegmentPointer segment = core_.segments.find(item.segment_id);
  if (!segment || segment->state == SegmentState::kReclaiming) return false;
  return shard.hot.insert_with_heat(item.key.mac, {entry, expires_at_ms, item.key.space},
                                    item.heat);
}

void HotWarmer::after(const std::shared_ptr<Batch>& batch) {
  HotSet& hot_set = core_.hot_set;
  for (const auto& span : batch->spans) {
    if (span->request.error != 0) bump(core_.counters.io_errors);
    hot_set.entries_done += span->last - span->first;
    span->buffer.release();
  }
  hot_set.entries_warmed += batch->warmed;
  hot_set.bytes_read += batch->bytes;
  if (core_.env.clock.monotonic_ns() - told_ns_ >= kTellEveryNs) tell(false);
  --batch->work->batches;
  next_batch(batch->work);
}

void HotWarmer::tell(bool is_over) {
  told_ns_ = core_.env.clock.monotonic_ns();
  if (core_.env.on_warming) core_.env.on_warming(core_.hot_set.progress(told_ns_), is_over);
}

void HotWarmer::end(const WorkPointer& work) {
  const bool had_one = work->manifest != nullptr;
  work->manifest.reset();
  HotSet& hot_set = core_.hot_set;
  hot_set.warming_ended_ns = core_.env.clock.monotonic_ns();
  // A stop that comes before the end leaves the manifest as it is.
  if (!stopping_) hot_set.is_warming = false;
  for (Shard& shard : core_.shards) {
    const std::lock_guard lock(shard.mutex);
    shard.changed.clear();
  }
  busy_ = false;
  if (had_one && !stopping_) {
    hot_set.entries_named = hot_set.entries_done.load();
    hot_set.wants_save = true;  // without what has died since
    tell(true);
  }
  if (stopped_) std::exchange(stopped_, {})();
}

}  // namespace kachel
