// Numbers of the server: clients, latencies, policies, and what models' entries saved.
#include <array>
#include <fmt/format.h>

#include "server/metrics.h"
#include "server/set_metadata.h"

namespace kachel::server {
namespace {

struct OperationLabels {
  Operation operation;
  std::string_view name;
  std::string_view tier;
};
constexpr std::array<OperationLabels, kOperations> kLabels{{
    {Operation::kGetHot, "get", "hot"},
    {Operation::kGetWriteBuffer, "get", "write_buffer"},
    {Operation::kGetFlash, "get", "flash"},
    {Operation::kGetMiss, "get", "miss"},
    {Operation::kSet, "set", "none"},
    {Operation::kErase, "delete", "none"},
    {Operation::kExpire, "expire", "none"},
    {Operation::kLook, "look", "none"},
}};

void write_latencies(MetricWriter& out, const ServerState& state) {
  out.histogram("kachel_operation_duration_seconds",
                "From an operation's start in the engine to its answer, in seconds; of hits of the "
                "hot tier one in 13 is timed.");
  for (const OperationLabels& labels : kLabels) {
    out.sample(state.latencies(labels.operation),
               {{"operation", labels.name}, {"tier", labels.tier}});
  }
}

void write_http(MetricWriter& out, const http::HttpNumbers& http) {
  out.gauge("kachel_http_connections", "Connections to the HTTP port now.", http.connections);
  out.counter("kachel_http_connections_total", "Connections to the HTTP port.",
              http.connections_total);
  out.counter("kachel_http_connections_refused_total",
              "Connections to the HTTP port beyond the bound.", http.connections_refused);
  out.counter("kachel_http_requests_total", "HTTP requests, by operation and status.");
  for (const auto& [key, count] : http.requests) {
    const std::string status = fmt::format("{}", key.second);
    out.sample(count, {{"operation", key.first}, {"status", status}});
  }
}

void write_tls(MetricWriter& out, const ServerState& state, const http::HttpNumbers& http) {
  const TlsTotals redis = state.tls_totals();
  out.counter("kachel_tls_handshakes_total", "TLS handshakes of both ports, by their result.");
  out.sample(redis.handshakes + http.tls_handshakes, {{"result", "done"}});
  out.sample(redis.failed + http.tls_handshakes_failed, {{"result", "failed"}});
  const TlsContextPointer tls = state.tls == nullptr ? nullptr : state.tls->current();
  out.gauge("kachel_tls_certificate_expiry_timestamp_seconds",
            "When the certificate in force ends, in seconds since 1970; 0: there is no TLS.",
            tls ? static_cast<std::uint64_t>(tls->expires_ms() / 1000) : 0);
}

void write_quotas(MetricWriter& out, const ServerState& state) {
  const auto quotas = state.quotas.all();
  out.counter("kachel_requests_delayed_total",
              "Commands that waited because the tenant's requests_per_second were used up.");
  for (const auto& [tenant, quota] : quotas)
    out.sample(quota->delayed.load(), {{"tenant", tenant}});
  out.counter("kachel_requests_refused_total",
              "HTTP requests that were answered 429 for the same reason.");
  for (const auto& [tenant, quota] : quotas)
    out.sample(quota->refused.load(), {{"tenant", tenant}});
}

void write_policies(MetricWriter& out, const ServerState& state) {
  const PolicyTotals policy = state.policy_totals();
  out.counter("kachel_policy_clamped_total",
              "Writes that asked for a later time than the tenant's policy allows.");
  out.sample(policy.ttl_clamped, {{"bound", "ttl"}});
  out.sample(policy.erase_by_clamped, {{"bound", "erase_by"}});
  out.counter("kachel_policy_reloads_total", "SIGHUPs, by what became of them.");
  out.sample(state.policy_reloads.load(), {{"result", "done"}});
  out.sample(state.policy_reloads_refused.load(), {{"result", "refused"}});
}

/// Why a write was not taken, whoever decided it.
void write_refusals(MetricWriter& out, const ServerState& state, const Stats& stats) {
  const PolicyTotals policy = state.policy_totals();
  out.counter("kachel_sets_not_stored_total", "SETs accepted and dropped, by reason.");
  out.sample(stats.sets_not_stored, {{"reason", "pressure"}});
  out.sample(stats.sets_over_quota, {{"reason", "tenant_capacity"}});
  out.sample(stats.sets_while_draining, {{"reason", "draining"}});
  out.sample(policy.sets_without_subject, {{"reason", "no_subject"}});
  out.counter("kachel_admissions_refused_total",
              "Writes refused with an answer that says so, by reason.");
  out.sample(policy.kachel_sets_refused, {{"reason", "no_subject"}});
  out.sample(stats.fills_refused_erased, {{"reason", "lease_erased"}});
  out.sample(stats.fills_refused_expired, {{"reason", "lease_expired"}});
  out.sample(stats.fills_refused_unknown, {{"reason", "lease_unknown"}});
}

struct ModelRow {
  std::string tenant;
  std::string label;
  ModelTotals totals;
};

using Value = double (*)(const ModelTotals& totals);
constexpr double kMicro = 1e6;

void write_by_model(MetricWriter& out, const std::vector<ModelRow>& rows, std::string name,
                    std::string help, Value value) {
  out.counter(std::move(name), std::move(help));
  for (const ModelRow& row : rows)
    out.sample(value(row.totals), {{"tenant", row.tenant}, {"model", row.label}});
}

void write_tokens(MetricWriter& out, const std::vector<ModelRow>& rows, std::string name,
                  std::string help, std::uint64_t ModelTotals::*in,
                  std::uint64_t ModelTotals::*tokens_out) {
  out.counter(std::move(name), std::move(help));
  for (const ModelRow& row : rows) {
    out.sample(row.totals.*in,
               {{"tenant", row.tenant}, {"model", row.label}, {"direction", "input"}});
    out.sample(row.totals.*tokens_out,
               {{"tenant", row.tenant}, {"model", row.label}, {"direction", "output"}});
  }
}

void write_hits(MetricWriter& out, const std::vector<ModelRow>& rows) {
  out.counter("kachel_hits_total", "Reads served, by tenant, model and tier.");
  for (const ModelRow& row : rows) {
    for (const Tier tier : {Tier::kHot, Tier::kWriteBuffer, Tier::kFlash}) {
      out.sample(row.totals.hits[static_cast<std::size_t>(tier)],
                 {{"tenant", row.tenant}, {"model", row.label}, {"tier", tier_name(tier)}});
    }
  }
}

}  // namespace

void write_serving_metrics(MetricWriter& out, const ServerState& state, const Stats& stats,
                           const http::HttpNumbers& http) {
  const CounterTotals totals = state.all_totals();
  out.gauge("kachel_clients", "Clients of the Redis protocol now.", state.clients.count());
  out.gauge("kachel_clients_max", "Most clients of the Redis protocol at once.", state.max_clients);
  out.counter("kachel_connections_total", "Clients accepted.", totals.connections);
  out.counter("kachel_connections_refused_total", "Clients beyond the bound.", totals.rejected);
  out.counter("kachel_commands_total", "Commands of the Redis protocol.", totals.commands);
  out.counter("kachel_command_errors_total",
              "Commands that are none, and breaches of the protocol.", totals.errors);
  out.counter("kachel_slow_commands_total", "Commands that took longer than SLOWLOG's threshold.",
              state.slow_log.noted());
  out.counter("kachel_network_receive_bytes_total", "Bytes received from clients.",
              totals.input_bytes);
  out.counter("kachel_network_transmit_bytes_total", "Bytes sent to clients.", totals.output_bytes);
  out.gauge("kachel_clients_throttled",
            "Clients that wait because the write buffers are past half, now.",
            state.throttled_now());
  out.counter("kachel_clients_throttled_total", "Writes that had to wait so.", state.throttled());
  write_http(out, http);
  write_tls(out, state, http);
  write_latencies(out, state);
  write_policies(out, state);
  write_quotas(out, state);
  write_refusals(out, state, stats);
}

void write_tenant_metrics(MetricWriter& out, const ServerState& state, const Store& store) {
  std::vector<std::pair<std::string, TenantUsage>> tenants;
  for (const auto& [name, number] : state.authenticator.tenants())
    tenants.emplace_back(name, store.usage_of(number));
  const auto write = [&](std::uint64_t TenantUsage::*value) {
    for (const auto& [name, usage] : tenants)
      out.sample(usage.*value, {{"tenant", name}});
  };
  out.gauge("kachel_tenant_entries", "Live entries, expired ones not yet reclaimed included.");
  write(&TenantUsage::entries);
  out.gauge("kachel_tenant_bytes", "Bytes of their records on the device.");
  write(&TenantUsage::bytes);
  out.gauge("kachel_tenant_capacity_bytes",
            "What the tenant's policy bounds them by; 0: it does not.");
  write(&TenantUsage::quota_bytes);
  out.counter("kachel_tenant_evictions_total",
              "Entries evicted because the tenant was past its capacity.");
  write(&TenantUsage::evicted_entries);
  out.counter("kachel_tenant_sets_not_stored_total",
              "SETs accepted and dropped because evicting did not keep up.");
  write(&TenantUsage::puts_not_stored);
}

void write_model_metrics(MetricWriter& out, const ServerState& state) {
  std::vector<ModelRow> rows;
  for (ModelSeries& series : state.models.all()) {
    const ModelTotals totals = state.model_totals(series.slot);
    rows.push_back(
        {state.authenticator.tenant_name(series.tenant), std::move(series.label), totals});
  }
  write_hits(out, rows);
  out.counter("kachel_misses_total",
              "Reads of what is not there, by tenant; a miss does not know its model.");
  for (const ModelRow& row : rows) {
    if (row.label == kUnknownModel) out.sample(row.totals.misses, {{"tenant", row.tenant}});
  }
  write_by_model(out, rows, "kachel_sets_total",
                 "Values stored: where each fills a miss, the misses of the model.",
                 [](const ModelTotals& t) { return static_cast<double>(t.sets); });
  write_tokens(out, rows, "kachel_tokens_saved_total",
               "Tokens of entries served: not computed again.", &ModelTotals::tokens_in_saved,
               &ModelTotals::tokens_out_saved);
  write_tokens(out, rows, "kachel_tokens_computed_total", "Tokens of values stored.",
               &ModelTotals::tokens_in_set, &ModelTotals::tokens_out_set);
  write_by_model(out, rows, "kachel_usd_saved_total",
                 "US dollars that the entries served would have cost to compute again.",
                 [](const ModelTotals& t) { return t.usd_saved_micro / kMicro; });
  write_by_model(out, rows, "kachel_usd_computed_total",
                 "US dollars that the values stored have cost to compute.",
                 [](const ModelTotals& t) { return t.usd_set_micro / kMicro; });
}

}  // namespace kachel::server
