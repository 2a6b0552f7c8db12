#include "engine/cold_read.h"

#include "engine/stored_entry.h"

namespace kachel {
namespace {
// Above this, decompressing takes milliseconds: not on a thread that serves others.
constexpr std::uint64_t kDecodeOnPoolBytes = kMiB;
}  // namespace

ColdRead::ColdRead(Core& core, io::Loop& loop, Namespace space, const Mac& mac,
                   std::string_view key)
    : core_(core), loop_(loop), space_(space), mac_(mac), key_(key) {}

void ColdRead::join(io::Loop& loop, GetHandler handler) {
  waiters_.emplace_back(&loop, std::move(handler));
}

void ColdRead::mark_stale(std::int64_t now_ms) {
  if (!stale()) stale_ms_.store(now_ms, std::memory_order_release);
}

/// For all who wait. What is stale was still there for them when it was replaced: a client that has
/// sent its reads and writes one after the other is answered what was there before the write.
bool ColdRead::is_expired(const Row& row) const {
  const std::int64_t stale_ms = stale_ms_.load(std::memory_order_acquire);
  const std::int64_t moment_ms = stale_ms == kFresh ? core_.clock.now_ms() : stale_ms;
  return row.expires_at_ms != 0 && row.expires_at_ms <= moment_ms;
}

bool ColdRead::start(const std::optional<Row>& row) {
  if (row) return on_lookup({LookupStatus::kFound, *row});
  return locate();
}

bool ColdRead::locate() {
  bump(core_.counters.index_lookups);
  const RowKey key{space_, mac_};
  return on_lookup(core_.lookup_pace.is_quick() ? find_timed(core_, key)
                                                : core_.index->find(key, Where::kMemory));
}

void ColdRead::locate_on_pool() {
  bump(core_.counters.index_pool_lookups);
  core_.env.pool.run([&loop = loop_, self = shared_from_this()]() mutable {
    const Lookup lookup = find_timed(self->core_, {self->space_, self->mac_});
    loop.post([self = std::move(self), lookup] { self->on_lookup(lookup); });
  });
}

bool ColdRead::on_lookup(const Lookup& lookup) {
  if (lookup.status == LookupStatus::kNeedsDisk) {
    locate_on_pool();
    return false;
  }
  if (lookup.status != LookupStatus::kFound) {
    located_.store(true, std::memory_order_release);
    if (lookup.status == LookupStatus::kFailed) bump(core_.counters.io_errors);
    finish(nullptr);
    return true;
  }
  const Row& row = lookup.row;
  const bool expired = is_expired(row);
  if (expired) bump(core_.counters.expired);
  segment_ = core_.segments.find(row.segment_id);
  if (!expired && !segment_ && row.segment_id != row_.segment_id) {
    // Reclaimed since the lookup: the index knows by now where the entry went.
    row_.segment_id = row.segment_id;
    return locate();
  }
  located_.store(true, std::memory_order_release);
  if (expired || !segment_ || core_.is_refused(space_, row.version, row.tags)) {
    finish(nullptr, expired);
    return true;
  }
  read(row);
  return true;
}

void ColdRead::read(const Row& row) {
  row_ = row;
  const std::uint64_t start = io::round_down_to_block(row.offset);
  const std::uint64_t length = io::round_up_to_block(row.offset + row.size) - start;
  buffer_ = loop_.io().acquire_buffer(length);
  request_.op = io::IoOp::kRead;
  request_.file = segment_->file.get();
  request_.offset = start;
  request_.data = buffer_.data();
  request_.length = length;
  request_.buffer_index = buffer_.registered_index();
  request_.context = this;
  request_.on_complete = [](io::IoRequest& done) {
    static_cast<ColdRead*>(done.context)->on_read();
  };
  self_ = shared_from_this();
  submitted_ns_ = core_.env.clock.monotonic_ns();
  loop_.io().submit(request_);
}

void ColdRead::on_read() {
  std::shared_ptr<ColdRead> self = std::move(self_);
  if (request_.error != 0) {
    bump(core_.counters.io_errors);
    finish(nullptr);
    return;
  }
  segment_->reads.fetch_add(1, std::memory_order_relaxed);
  core_.read_latency.note((core_.env.clock.monotonic_ns() - submitted_ns_) / 1000);
  if (row_.raw_bytes <= kDecodeOnPoolBytes) {
    decode();
    return;
  }
  core_.env.pool.run([&loop = loop_, self = std::move(self)]() mutable {
    auto entry = self->decode_entry();
    loop.post([self = std::move(self), entry = std::move(entry)]() mutable {
      self->buffer_.release();
      self->finish(std::move(entry));
    });
  });
}

void ColdRead::decode() {
  Entry::Pointer entry = decode_entry();
  buffer_.release();
  finish(std::move(entry));
}

/// nullptr when what was read is not the record that the row promised.
Entry::Pointer ColdRead::decode_entry() {
  const std::size_t skip = row_.offset - request_.offset;
  if (request_.transferred < skip + row_.size) return nullptr;
  const std::span<const std::byte> bytes(buffer_.data() + skip, row_.size);
  StoredEntry stored = decode_stored_entry(core_, *segment_, space_, row_, bytes);
  return stored.key == key_ ? std::move(stored.entry) : nullptr;
}

void ColdRead::finish(Entry::Pointer entry, bool expired) {
  if (segment_ && !entry && row_.size != 0 && request_.error == 0) {
    note_unreadable(core_, *segment_);
  }
  std::vector<std::pair<io::Loop*, GetHandler>> waiters;
  std::optional<Found> result;
  Current newer;
  Shard& shard = core_.shard(mac_);
  {
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.reads.find(mac_);
    if (found != shard.reads.end() && found->second.get() == this) shard.reads.erase(found);
    if (entry && core_.is_refused(space_, entry->version, entry->tags)) entry = nullptr;
    // Who joined late may have asked after its expiry.
    expired |= entry && is_expired(row_);
    if (expired) entry = nullptr;
    if (entry) result = Found{entry, row_.expires_at_ms, Tier::kFlash};
    // What is being reclaimed may have been given up already: it would outlive its record.
    const bool stays = entry && !stale() && segment_->state != SegmentState::kReclaiming;
    if (stays) shard.hot.insert(mac_, {entry, row_.expires_at_ms, space_});
    if (!entry && stale() && !expired) newer = what_is_newer(shard);
    if (newer.entry) result = Found{newer.entry, newer.expires_at_ms, newer.tier};
    mark_stale(core_.clock.now_ms());
    if (result || !newer.exists) waiters = std::move(waiters_);
  }
  if (!result && newer.exists) {
    on_lookup({LookupStatus::kFound, *newer.row});
    return;
  }
  deliver(core_, loop_, std::move(waiters), result);
}

/// What this read was for is gone, and was replaced before: it is the later value that whoever
/// waits gets, as there was no moment without one. Nothing when memory does not know.
Current ColdRead::what_is_newer(Shard& shard) const {
  Current newer = find_current(core_, shard, space_, mac_, core_.clock.now_ms(), Where::kMemory);
  if (newer.version == row_.version || (!newer.entry && !newer.row)) newer = {};
  return newer;
}

void ColdRead::deliver(Core& core, io::Loop& here,
                       std::vector<std::pair<io::Loop*, GetHandler>> waiters,
                       const std::optional<Found>& found) {
  Counters& counters = core.counters;
  if (found) {
    bump(counters.flash_hits, waiters.size());
    bump(counters.shared_reads, waiters.size() - 1);
  } else {
    bump(counters.misses, waiters.size());
    bump(counters.flash_misses, waiters.size());
  }
  for (auto& [loop, handler] : waiters) {
    if (loop == &here) {
      handler(found);
    } else {
      loop->post([found, handler = std::move(handler)]() mutable { handler(found); });
    }
  }
}

}  // namespace kachel
