#include "server/info.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <iterator>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/units.h"
#include "server/command.h"

namespace kachel::server {
namespace {

struct InfoSource {
  const ServerState& state;
  const Store& store;
  Stats stats;    // since the store was opened
  Stats current;  // since CONFIG RESETSTAT
  CounterTotals totals;
  PolicyTotals policy;
  InfoScope scope;
};

class Section {
 public:
  Section(std::string& out, std::string_view title) : out_(out) {
    if (!out_.empty()) out_ += "\r\n";
    fmt::format_to(std::back_inserter(out_), "# {}\r\n", title);
  }
  template <typename Value>
  void field(std::string_view name, const Value& value) {
    fmt::format_to(std::back_inserter(out_), "{}:{}\r\n", name, value);
  }
  void flag(std::string_view name, bool value) { field(name, value ? 1 : 0); }
  void ratio(std::string_view name, std::uint64_t part, std::uint64_t whole) {
    const double value = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
    fmt::format_to(std::back_inserter(out_), "{}:{:.4f}\r\n", name, value);
  }

 private:
  std::string& out_;
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::string system_name() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

std::uint64_t hits(const Stats& stats) {
  return stats.hot_hits + stats.write_buffer_hits + stats.flash_hits;
}

void server(std::string& out, const InfoSource& from) {
  Section section(out, "Server");
  const std::int64_t uptime_s = (monotonic_ms() - from.state.started_ms) / 1000;
  section.field("redis_version", kRedisVersion);
  section.field("kachel_version", KACHEL_VERSION);
  section.field("redis_mode", "standalone");
  section.field("os", system_name());
  section.field("arch_bits", 64);
  section.field("multiplexing_api", "epoll");
  section.field("process_id", getpid());
  section.field("run_id", from.state.run_id);
  section.field("tcp_port", from.state.listen_port);
  section.field("server_time_usec", from.store.now_ms() * 1000);
  section.field("uptime_in_seconds", uptime_s);
  section.field("uptime_in_days", uptime_s / 86400);
  if (from.scope.everybody) section.field("config_file", from.state.config_file);
  section.field("io_threads_active", from.state.threads);
}

void clients(std::string& out, const InfoSource& from) {
  Section section(out, "Clients");
  section.field("connected_clients", from.state.clients.count());
  section.field("maxclients", from.state.max_clients);
  section.field("blocked_clients", from.stats.lease_waits);
  section.field("throttled_clients", from.state.throttled_now());
  section.field("throttled_writes", from.state.throttled());
}

void memory(std::string& out, const InfoSource& from) {
  Section section(out, "Memory");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::uint64_t resident = resident_bytes();
  section.field("used_memory", resident);
  section.field("used_memory_human", format_size(resident));
  section.field("used_memory_rss", resident);
  section.field("used_memory_peak", static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
  section.field("maxmemory", from.state.memory_bytes.load());
  section.field("maxmemory_human", format_size(from.state.memory_bytes.load()));
  section.field("maxmemory_policy", "allkeys-lfu");
  section.field("hot_bytes", from.stats.hot_bytes);
  section.field("hot_capacity_bytes", from.stats.hot_capacity_bytes);
  section.field("write_buffer_bytes", from.stats.write_buffer_bytes);
  section.field("write_buffer_capacity_bytes", from.stats.write_buffer_capacity_bytes);
  section.field("index_memory_bytes", from.stats.index_memory_bytes);
}

void persistence(std::string& out, const InfoSource& from) {
  Section section(out, "Persistence");
  section.field("loading", 0);
  section.field("durability", durability_name(from.state.durability));
  section.flag("writable", from.stats.writable);
  section.field("device_sync_us", from.state.device_sync_us.load());
  section.flag("draining", from.stats.draining);
  section.flag("in_doubt", from.stats.is_in_doubt());
  if (from.scope.everybody) {
    section.field("last_sequence", from.stats.last_sequence);
    section.field("durable_through", from.stats.durable_through);
    section.field("doubtful_through", from.stats.doubtful_through);
    section.field("copied_ms", from.stats.copied_ms);
    section.flag("follows_source", from.stats.follows_source);
    section.field("arriving_segments", from.stats.arriving_segments);
    section.field("snapshots", from.stats.snapshots);
    section.field("snapshot_own_bytes", from.stats.snapshot_own_bytes);
    section.field("snapshots_dropped", from.stats.snapshots_dropped);
    section.field("snapshots_failed", from.stats.snapshots_failed);
  }
  // What monitors ask of Redis; there is no dump and no rewrite that could fail.
  section.field("rdb_changes_since_last_save", 0);
  section.field("rdb_bgsave_in_progress", 0);
  section.field("rdb_last_bgsave_status", "ok");
  section.field("aof_enabled", 0);
  section.field("aof_rewrite_in_progress", 0);
  section.field("aof_last_write_status", from.stats.writable ? "ok" : "err");
}

void stats(std::string& out, const InfoSource& from) {
  Section section(out, "Stats");
  section.field("total_connections_received", from.totals.connections);
  section.field("total_commands_processed", from.totals.commands);
  section.field("total_net_input_bytes", from.totals.input_bytes);
  section.field("total_net_output_bytes", from.totals.output_bytes);
  section.field("rejected_connections", from.totals.rejected);
  section.field("rejected_requests", from.totals.errors);
  section.field("expired_keys", from.current.expired);
  section.field("evicted_keys", from.current.evicted_entries + from.current.quota_evicted_entries);
  section.field("keyspace_hits", hits(from.current));
  section.field("keyspace_misses", from.current.misses);
  section.field("sets", from.stats.sets);
  section.field("sets_not_stored", from.stats.sets_not_stored + from.stats.sets_over_quota +
                                       from.stats.sets_while_draining +
                                       from.policy.sets_without_subject);
  section.field("erases", from.stats.erases);
}

void replication(std::string& out, const InfoSource&) {
  Section section(out, "Replication");
  section.field("role", "master");
  section.field("connected_slaves", 0);
}

void cpu(std::string& out, const InfoSource&) {
  Section section(out, "CPU");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  section.field("used_cpu_sys", fmt::format("{:.6f}", seconds(usage.ru_stime)));
  section.field("used_cpu_user", fmt::format("{:.6f}", seconds(usage.ru_utime)));
}

void keyspace(std::string& out, const InfoSource& from) {
  Section section(out, "Keyspace");
  for (std::uint8_t database = 0; database < kDatabases; ++database) {
    const Namespace strings{from.scope.tenant, database};
    const std::uint64_t fields = from.store.count(fields_of(strings));
    const std::uint64_t entries = from.store.count(strings) + fields;
    if (entries == 0) continue;
    std::string line = fmt::format("keys={},expires=0,avg_ttl=0", entries);
    if (fields > 0) line += fmt::format(",hash_fields={}", fields);
    section.field(fmt::format("db{}", database), line);
  }
}

void tiers(std::string& out, const InfoSource& from) {
  const Stats& s = from.current;
  Section section(out, "Tiers");
  section.field("hot_hits", s.hot_hits);
  section.field("hot_misses", s.hot_misses);
  section.ratio("hot_hit_ratio", s.hot_hits, s.hot_hits + s.hot_misses);
  section.field("hot_entries", s.hot_entries);
  section.field("hot_evictions", s.hot_evictions);
  section.field("write_buffer_hits", s.write_buffer_hits);
  section.field("flash_hits", s.flash_hits);
  section.field("flash_misses", s.flash_misses);
  section.field("misses", s.misses);
  section.ratio("hit_ratio", hits(s), hits(s) + s.misses);
  section.field("shared_reads", s.shared_reads);
  section.field("damaged_reads", s.damaged_reads);
  section.field("not_arrived_reads", s.not_arrived_reads);
  section.field("entries", s.entries);
}

void compression(std::string& out, const InfoSource& from) {
  Section section(out, "Compression");
  section.field("raw_bytes", from.stats.raw_bytes);
  section.field("stored_bytes", from.stats.stored_bytes);
  section.ratio("stored_ratio", from.stats.stored_bytes, from.stats.raw_bytes);
  section.ratio("compression_ratio", from.stats.raw_bytes, from.stats.stored_bytes);
  section.field("dictionaries", from.stats.dictionaries);
  section.field("dictionary_memory_bytes", from.stats.dictionary_memory_bytes);
  section.field("dictionaries_trained", from.stats.dictionaries_trained);
  section.field("dictionaries_discarded", from.stats.dictionaries_discarded);
  section.field("reencoded_entries", from.stats.reencoded_entries);
}

void device(std::string& out, const InfoSource& from) {
  const Stats& s = from.stats;
  Section section(out, "Device");
  section.flag("io_uring", from.state.io_uring.load());
  section.field("capacity_bytes", s.capacity_bytes);
  section.field("segment_bytes_on_disk", s.segment_bytes_on_disk);
  section.field("index_bytes_on_disk", s.index_bytes_on_disk);
  section.field("device_reads", s.device_reads);
  section.field("device_read_bytes", s.device_read_bytes);
  section.field("device_writes", s.device_writes);
  section.field("device_write_bytes", s.device_write_bytes);
  section.ratio("device_writes_per_stored_byte", s.device_write_bytes, s.stored_bytes);
  section.field("reclaim_write_bytes", s.reclaim_write_bytes);
  section.field("index_flush_bytes", s.index_flush_bytes);
  section.field("index_compaction_bytes", s.index_compaction_bytes);
  section.ratio("write_amplification",
                s.device_write_bytes + s.index_flush_bytes + s.index_compaction_bytes,
                s.stored_bytes);
  section.field("device_syncs", s.device_syncs);
  section.field("io_errors", s.io_errors);
  section.field("io_in_flight", s.io_in_flight);
  section.field("io_queue_depth", s.io_queue_depth);
  section.field("index_lookups", s.index_lookups);
  section.field("index_pool_lookups", s.index_pool_lookups);
  section.field("index_flushes", s.index_flushes);
}

void segments(std::string& out, const InfoSource& from) {
  Section section(out, "Segments");
  section.field("evicted_segments", from.stats.evicted_segments);
  section.field("expired_segments", from.stats.expired_segments);
  section.field("evicted_entries", from.stats.evicted_entries);
  section.field("due_segments", from.stats.due_segments);
  section.field("overdue_segments", from.stats.overdue_segments);
  section.field("erasure_debt_segments", from.stats.erasure_debt_segments);
  section.field("erasure_debt_bytes", from.stats.erasure_debt_bytes);
  section.field("erasure_next_deadline_ms", from.stats.erasure_next_deadline_ms);
  section.field("erasures_pending", from.stats.erasures_pending);
  section.field("erasures_blocked_by_hold", from.stats.erasures_blocked);
  section.field("holds", from.stats.holds);
  section.field("held_bytes", from.stats.held_bytes);
  section.field("audit_entries", from.stats.audit_entries);
  section.field("audit_status", from.stats.audit_error.empty() ? "ok" : from.stats.audit_error);
  section.field("reinserted_entries", from.stats.reinserted_entries);
  for (const BucketStats& bucket : from.stats.buckets) {
    const std::string lifetime =
        bucket.no_expiry ? "none" : fmt::format("{}", bucket.lifetime_min_s);
    section.field(bucket.held ? std::string("bucket_held") : fmt::format("bucket{}", bucket.bucket),
                  fmt::format("lifetime_min_s={},open={},sealed={},bytes={}", lifetime,
                              bucket.open_segments, bucket.sealed_segments, bucket.bytes));
  }
}

void leases(std::string& out, const InfoSource& from) {
  const Stats& s = from.stats;
  Section section(out, "Leases");
  section.field("leases", s.leases);
  section.field("leases_granted", s.leases_granted);
  section.field("lease_waits", s.lease_waits);
  section.field("lease_retries", s.lease_retries);
  section.field("fills_refused_erased", s.fills_refused_erased);
  section.field("fills_refused_expired", s.fills_refused_expired);
  section.field("fills_refused_unknown", s.fills_refused_unknown);
}

void erasure(std::string& out, const InfoSource& from) {
  const Stats& s = from.stats;
  Section section(out, "Erasure");
  const std::int64_t deadline_ms = s.erasure_next_deadline_ms;
  section.field(
      "erasure_next_deadline_s",
      deadline_ms == 0 ? "none" : fmt::format("{}", (deadline_ms - from.store.now_ms()) / 1000));
  section.field("erasures_at_risk", s.erasures_at_risk);
  section.field("erasures_at_risk_bytes", s.erasures_at_risk_bytes);
  section.field("erasures_overdue", s.erasures_overdue);
  section.flag("erasure_alarm", s.erasure_trouble != ErasureTrouble::kNone);
  section.field("erasure_alarm_reason", describe(s.erasure_trouble));
  section.field("index_debt_deadline_ms", s.index_debt_deadline_ms);
  section.field("index_compactions", s.index_compactions);
  section.field("index_compactions_failed", s.index_compactions_failed);
  section.field("index_compaction_last_ms", s.index_compaction_last_ms);
  section.field("index_compaction_duration_ms", s.index_compaction_duration_ms);
}

void policy(std::string& out, const InfoSource& from) {
  Section section(out, "Policy");
  section.field("tenant_default", describe(from.state.policy.current()->default_tenant()));
  section.field("ttl_clamped", from.policy.ttl_clamped);
  section.field("erase_by_clamped", from.policy.erase_by_clamped);
  section.field("sets_without_subject", from.policy.sets_without_subject);
  section.field("kachel_sets_refused", from.policy.kachel_sets_refused);
  section.field("policy_reloads", from.state.policy_reloads.load());
  section.field("policy_reloads_refused", from.state.policy_reloads_refused.load());
}

void start(std::string& out, const InfoSource& from) {
  const StartStats& s = from.stats.start;
  Section section(out, "Start");
  section.flag("start_created", s.created);
  section.flag("start_clean", s.clean);
  section.flag("start_index_rebuilt", s.index_rebuilt);
  section.field("start_duration_ms", s.duration_ms);
  section.field("start_replayed_records", s.replayed_records);
  section.field("start_replayed_bytes", s.replayed_bytes);
  section.field("start_damaged_records", s.damaged_records);
  section.field("start_damaged_bytes", s.damaged_bytes);
  section.field("start_voided_records", s.voided_records);
  section.field("start_damaged_segments", s.damaged_segments);
  const WarmProgress& warm = from.stats.warm;
  section.flag("warming", from.stats.warming);
  section.field("warm_progress", from.stats.warming ? describe(warm) : "done");
  section.field("warm_entries", warm.entries);
  section.field("warm_entries_done", warm.entries_done);
  section.field("warm_entries_warmed", warm.entries_warmed);
  section.field("warm_bytes_read", warm.bytes_read);
  section.field("warm_duration_ms", warm.elapsed_ms);
  section.field("hot_saves", from.stats.hot_saves);
  section.field("hot_saves_failed", from.stats.hot_saves_failed);
  section.field("hot_saved_entries", from.stats.hot_saved_entries);
}

void tenants(std::string& out, const InfoSource& from) {
  Section section(out, "Tenants");
  std::size_t number = 0;
  for (const auto& [name, tenant] : from.state.authenticator.tenants()) {
    const TenantUsage usage = from.store.usage_of(tenant);
    section.field(fmt::format("tenant{}", number++),
                  fmt::format("name={},entries={},bytes={},capacity_bytes={},evicted_entries={},"
                              "sets_not_stored={}",
                              name, usage.entries, usage.bytes, usage.quota_bytes,
                              usage.evicted_entries, usage.puts_not_stored));
  }
}

/// As Redis has its databases: a line each. Labels have neither commas nor equals signs.
void models(std::string& out, const InfoSource& from) {
  Section section(out, "Models");
  std::size_t number = 0;
  for (const ModelSeries& series : from.state.models.all()) {
    const ModelTotals totals = from.state.model_totals(series.slot);
    section.field(
        fmt::format("model{}", number++),
        fmt::format("tenant={},model={},hot_hits={},write_buffer_hits={},flash_hits={},misses={},"
                    "sets={},tokens_in_saved={},tokens_out_saved={},usd_saved={:.6f},"
                    "usd_computed={:.6f}",
                    from.state.authenticator.tenant_name(series.tenant), series.label,
                    totals.hits[0], totals.hits[1], totals.hits[2], totals.misses, totals.sets,
                    totals.tokens_in_saved, totals.tokens_out_saved, totals.usd_saved_micro / 1e6,
                    totals.usd_set_micro / 1e6));
  }
}

void latency(std::string& out, const InfoSource& from) {
  static constexpr std::array<std::pair<std::string_view, Operation>, kOperations> kNames{{
      {"get_hot", Operation::kGetHot},
      {"get_write_buffer", Operation::kGetWriteBuffer},
      {"get_flash", Operation::kGetFlash},
      {"get_miss", Operation::kGetMiss},
      {"set", Operation::kSet},
      {"delete", Operation::kErase},
      {"expire", Operation::kExpire},
      {"look", Operation::kLook},
  }};
  Section section(out, "Latency");
  for (const auto& [name, operation] : kNames) {
    const Latencies all = from.state.latencies(operation);
    const auto us = [&](double quantile) {
      return static_cast<double>(all.quantile_ns(quantile)) / 1e3;
    };
    section.field(fmt::format("latency_{}", name),
                  fmt::format("count={},p50_us={:.1f},p95_us={:.1f},p99_us={:.1f},p99.9_us={:.1f}",
                              all.count, us(0.5), us(0.95), us(0.99), us(0.999)));
  }
}

struct SectionWriter {
  std::string_view name;
  void (*write)(std::string& out, const InfoSource& from);
  bool tells_of_others = true;  // for administrators only
};
constexpr std::array<SectionWriter, 19> kSections{{
    {"server", server, false},
    {"clients", clients},
    {"memory", memory},
    {"persistence", persistence, false},
    {"stats", stats},
    {"replication", replication, false},
    {"cpu", cpu},
    {"tiers", tiers},
    {"tenants", tenants},
    {"models", models},
    {"latency", latency},
    {"compression", compression},
    {"device", device},
    {"segments", segments},
    {"leases", leases},
    {"erasure", erasure},
    {"policy", policy},
    {"start", start},
    {"keyspace", keyspace, false},
}};

bool is_wanted(std::string_view section, const std::vector<std::string_view>& wanted) {
  if (wanted.empty()) return true;
  return std::any_of(wanted.begin(), wanted.end(), [&](std::string_view name) {
    return equals_ignoring_case(name, section) || equals_ignoring_case(name, "default") ||
           equals_ignoring_case(name, "all") || equals_ignoring_case(name, "everything");
  });
}

}  // namespace

std::uint64_t resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long total_pages = 0;
  unsigned long long resident_pages = 0;
  const int read = std::fscanf(file, "%llu %llu", &total_pages, &resident_pages);
  std::fclose(file);
  return read == 2 ? resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

std::string render_info(const ServerState& state, const Store& store, const InfoScope& scope,
                        const std::vector<std::string_view>& sections) {
  const Stats stats = store.stats();
  const InfoSource from{
      state, store, stats, state.since_reset(stats), state.totals(), state.policy_totals(), scope};
  std::string out;
  for (const SectionWriter& section : kSections) {
    if (section.tells_of_others && !scope.everybody) continue;
    if (is_wanted(section.name, sections)) section.write(out, from);
  }
  return out;
}

}  // namespace kachel::server
