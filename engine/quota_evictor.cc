#include "engine/quota_evictor.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/segment_files.h"

namespace kachel {
namespace {

constexpr std::chrono::milliseconds kQuotaTick{100};
constexpr std::chrono::milliseconds kFullTick{10};   // while puts are dropped
constexpr std::chrono::milliseconds kIdleTick{500};  // while nobody has a quota
constexpr std::chrono::milliseconds kDrainPause{5};
constexpr std::int64_t kRestNs = 5'000'000'000;
constexpr std::uint64_t kRoomShare = 16;   // of the quota, that evicting makes room for
constexpr std::uint64_t kExcessShare = 8;  // of the quota: past it puts are dropped
constexpr std::uint64_t kStagedShare = 8;  // of the write buffers: past it there is a pause
constexpr std::size_t kVictimsPerStep = 64;
constexpr std::size_t kRounds = 2;

}  // namespace

struct QuotaEvictor::Victim {
  RowKey key;
  std::uint64_t version = 0;
  ScopeTags tags;
  std::uint32_t bytes = 0;
};

struct QuotaEvictor::Job {
  std::uint32_t tenant = 0;
  std::uint64_t excess_bytes = 0;  // still to be taken out
  bool has_evicted = false;
  std::vector<SegmentPointer> segments;
  std::size_t turn = 0;  // of kRounds times as many as there are segments
  std::vector<Victim> victims;
  std::size_t next_victim = 0;
  std::size_t unanswered = 0;

  bool spares_read() const { return turn < segments.size(); }
  const SegmentPointer& segment() const { return segments[turn % segments.size()]; }
};

void QuotaEvictor::start() {
  const auto tick = core_.quotas.any_full()      ? kFullTick
                    : core_.quotas.all().empty() ? kIdleTick
                                                 : kQuotaTick;
  tick_timer_ = core_.env.log_loop.schedule_after(tick, [this] {
    if (stopping_) return;
    start();
    look();
  });
}

void QuotaEvictor::stop(io::Task done) {
  stopping_ = true;
  core_.env.log_loop.cancel(tick_timer_);
  if (!busy_) return done();
  stopped_ = std::move(done);
}

void QuotaEvictor::look() {
  const QuotaTable::Bytes quotas = core_.quotas.all();
  std::set<std::uint32_t> full;
  std::map<std::uint32_t, std::uint64_t> excess;
  const std::int64_t now_ns = core_.env.clock.monotonic_ns();
  for (const auto& [tenant, quota] : quotas) {
    const std::uint64_t bytes = core_.live_counts.of_tenant(tenant).bytes;
    if (bytes > quota + quota / kExcessShare) full.insert(tenant);
    if (bytes > quota && tenants_[tenant].next_ns <= now_ns) {
      excess[tenant] = bytes - (quota - quota / kRoomShare);
    }
  }
  core_.quotas.set_full(std::move(full));
  if (busy_ || excess.empty() || !core_.writable || core_.no_room) return;
  auto next = excess.upper_bound(last_tenant_);
  if (next == excess.end()) next = excess.begin();
  begin(next->first, next->second);
}

void QuotaEvictor::begin(std::uint32_t tenant, std::uint64_t excess_bytes) {
  busy_ = true;
  last_tenant_ = tenant;
  auto job = std::make_shared<Job>();
  job->tenant = tenant;
  job->excess_bytes = excess_bytes;
  for (const SegmentPointer& segment : core_.segments.all()) {
    const auto first = segment->live.lower_bound({tenant, 0});
    if (first != segment->live.end() && first->first.tenant == tenant) {
      job->segments.push_back(segment);
    }
  }
  const auto hand = std::find_if(
      job->segments.begin(), job->segments.end(),
      [&](const SegmentPointer& segment) { return segment->id >= tenants_[tenant].hand; });
  std::rotate(job->segments.begin(), hand, job->segments.end());
  next_segment(job);
}

void QuotaEvictor::next_segment(const std::shared_ptr<Job>& job) {
  const bool is_over = job->turn == kRounds * job->segments.size();
  if (stopping_ || job->excess_bytes == 0 || is_over) return finish(job);
  const SegmentPointer& segment = job->segment();
  if (!core_.segments.contains(segment->id)) {
    ++job->turn;
    return next_segment(job);
  }
  core_.env.pool.run([this, job, table = table_of(core_.store_id, segment)] {
    std::vector<Victim> victims;
    if (const auto records = read_table(core_.store_id, core_.mac_key, table)) {
      for (const format::RecordSummary& record : *records) {
        const bool is_entry =
            record.type == format::RecordType::kPut && (record.flags & format::kFlagHeld) == 0;
        if (!is_entry || record.space.tenant != job->tenant) continue;
        victims.push_back({{record.space, record.mac}, record.version, record.tags, record.size});
      }
    }
    core_.env.log_loop.post([this, job, victims = std::move(victims)]() mutable {
      job->victims = std::move(victims);
      job->next_victim = 0;
      next_victims(job);
    });
  });
}

void QuotaEvictor::next_victims(const std::shared_ptr<Job>& job) {
  if (stopping_ || job->excess_bytes == 0) return finish(job);
  if (job->next_victim == job->victims.size()) {
    ++job->turn;
    return next_segment(job);
  }
  if (core_.queue.staged_bytes() > core_.write_buffer_bytes / kStagedShare) {
    core_.env.log_loop.schedule_after(kDrainPause, [this, job] { next_victims(job); });
    return;
  }
  job->unanswered = 1;  // this step itself
  for (std::size_t i = 0; i < kVictimsPerStep && job->excess_bytes > 0; ++i) {
    if (job->next_victim == job->victims.size()) break;
    const Victim& victim = job->victims[job->next_victim++];
    ++job->unanswered;
    worker_.evict(victim.key, victim.version, victim.tags, job->spares_read(),
                  [this, job, bytes = victim.bytes](bool evicted) {
                    if (evicted) {
                      job->has_evicted = true;
                      job->excess_bytes -= std::min<std::uint64_t>(bytes, job->excess_bytes);
                    }
                    on_victims(job);
                  });
  }
  on_victims(job);
}

/// One more has its answer; after the last one the log's thread does what else there is to do.
void QuotaEvictor::on_victims(const std::shared_ptr<Job>& job) {
  if (--job->unanswered > 0) return;
  core_.env.log_loop.post([this, job] { next_victims(job); });
}

void QuotaEvictor::finish(const std::shared_ptr<Job>& job) {
  Tenant& tenant = tenants_[job->tenant];
  if (!job->segments.empty()) tenant.hand = job->segment()->id;
  if (!job->has_evicted) tenant.next_ns = core_.env.clock.monotonic_ns() + kRestNs;
  busy_ = false;
  if (stopped_) std::exchange(stopped_, {})();
}

}  // namespace kachel
