#include "server/server_state.h"

namespace kachel::server {

CounterTotals ServerState::sum() const {
  CounterTotals all;
  for (const auto& worker : counters) {
    all.commands += worker->commands.load(std::memory_order_relaxed);
    all.errors += worker->errors.load(std::memory_order_relaxed);
    all.connections += worker->connections.load(std::memory_order_relaxed);
    all.input_bytes += worker->input_bytes.load(std::memory_order_relaxed);
    all.output_bytes += worker->output_bytes.load(std::memory_order_relaxed);
  }
  all.rejected = rejected_connections.load(std::memory_order_relaxed);
  return all;
}

CounterTotals ServerState::totals() const {
  const std::lock_guard lock(reset_mutex_);
  CounterTotals all = sum();
  all.commands -= reset_totals_.commands;
  all.errors -= reset_totals_.errors;
  all.connections -= reset_totals_.connections;
  all.rejected -= reset_totals_.rejected;
  all.input_bytes -= reset_totals_.input_bytes;
  all.output_bytes -= reset_totals_.output_bytes;
  return all;
}

Stats ServerState::since_reset(Stats stats) const {
  const std::lock_guard lock(reset_mutex_);
  stats.hot_hits -= reset_stats_.hot_hits;
  stats.write_buffer_hits -= reset_stats_.write_buffer_hits;
  stats.flash_hits -= reset_stats_.flash_hits;
  stats.misses -= reset_stats_.misses;
  stats.hot_misses -= reset_stats_.hot_misses;
  stats.flash_misses -= reset_stats_.flash_misses;
  stats.expired -= reset_stats_.expired;
  stats.evicted_entries -= reset_stats_.evicted_entries;
  stats.quota_evicted_entries -= reset_stats_.quota_evicted_entries;
  return stats;
}

Latencies ServerState::latencies(Operation operation) const {
  Latencies all;
  for (const auto& worker : counters)
    worker->meter.add_to(all, operation);
  return all;
}

ModelTotals ServerState::model_totals(ModelSlot slot) const {
  ModelTotals all;
  for (const auto& worker : counters)
    worker->meter.add_to(all, slot);
  return all;
}

std::uint64_t ServerState::throttled() const {
  std::uint64_t all = 0;
  for (const auto& worker : counters)
    all += worker->meter.throttled.load(std::memory_order_relaxed);
  return all;
}

std::uint64_t ServerState::throttled_now() const {
  std::uint64_t all = 0;
  for (const auto& worker : counters)
    all += worker->meter.throttled_now.load(std::memory_order_relaxed);
  return all;
}

PolicyTotals ServerState::policy_totals() const {
  PolicyTotals all;
  for (const auto& worker : counters) {
    all.ttl_clamped += worker->ttl_clamped.load(std::memory_order_relaxed);
    all.erase_by_clamped += worker->erase_by_clamped.load(std::memory_order_relaxed);
    all.sets_without_subject += worker->sets_without_subject.load(std::memory_order_relaxed);
    all.kachel_sets_refused += worker->kachel_sets_refused.load(std::memory_order_relaxed);
  }
  return all;
}

TlsTotals ServerState::tls_totals() const {
  TlsTotals all;
  for (const auto& worker : counters) {
    all.handshakes += worker->tls_handshakes.load(std::memory_order_relaxed);
    all.failed += worker->tls_handshakes_failed.load(std::memory_order_relaxed);
  }
  return all;
}

void ServerState::reset_counters(const Stats& stats) {
  const std::lock_guard lock(reset_mutex_);
  reset_totals_ = sum();
  reset_stats_ = stats;
}

std::string_view durability_name(Durability durability) {
  switch (durability) {
    case Durability::kRelaxed:
      return "relaxed";
    case Durability::kGroup:
      return "group";
    case Durability::kStrict:
      return "strict";
  }
  return "group";
}

}  // namespace kachel::server
