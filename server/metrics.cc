#include "server/metrics.h"

#include <prometheus/text_serializer.h>
#include <sstream>
#include <sys/resource.h>

#include "server/info.h"

namespace kachel::server {
namespace {

constexpr double kNsPerSecond = 1e9;

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void write_process_metrics(MetricWriter& out, const ServerState& state, const Store& store) {
  out.gauge("kachel_build_info", "1, with the version of this server.");
  out.sample(1, {{"version", KACHEL_VERSION}, {"durability", durability_name(state.durability)}});
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  out.counter("process_cpu_seconds_total", "CPU time of the process, in seconds.",
              seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  out.gauge("process_resident_memory_bytes", "Resident memory of the process, in bytes.",
            resident_bytes());
  const std::int64_t up_ms = monotonic_ms() - state.started_ms;
  out.gauge("process_start_time_seconds", "When the process began to serve, in Unix seconds.",
            static_cast<double>(store.now_ms() - up_ms) / 1e3);
}

}  // namespace

void MetricWriter::begin(std::string name, std::string help, prometheus::MetricType type) {
  families_.push_back({std::move(name), std::move(help), type, {}});
}

void MetricWriter::counter(std::string name, std::string help) {
  begin(std::move(name), std::move(help), prometheus::MetricType::Counter);
}

void MetricWriter::gauge(std::string name, std::string help) {
  begin(std::move(name), std::move(help), prometheus::MetricType::Gauge);
}

void MetricWriter::histogram(std::string name, std::string help) {
  begin(std::move(name), std::move(help), prometheus::MetricType::Histogram);
}

void MetricWriter::add(double value, const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, text] : labels)
    metric.label.push_back({std::string(name), std::string(text)});
  metric.counter.value = metric.gauge.value = value;
  families_.back().metric.push_back(std::move(metric));
}

void MetricWriter::sample(const Latencies& latencies, const Labels& labels) {
  add(0, labels);
  auto& histogram = families_.back().metric.back().histogram;
  histogram.sample_count = latencies.count;
  histogram.sample_sum = static_cast<double>(latencies.sum_ns) / kNsPerSecond;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i + 1 < LatencyBuckets::kCount; ++i) {
    below += latencies.buckets[i];
    histogram.bucket.push_back(
        {below, static_cast<double>(LatencyBuckets::upper_ns(i)) / kNsPerSecond});
  }
  histogram.bucket.push_back({latencies.count, std::numeric_limits<double>::infinity()});
}

std::string MetricWriter::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_);
  return std::move(out).str();
}

std::string render_metrics(const ServerState& state, const Store& store,
                           const http::HttpNumbers& http) {
  const Stats stats = store.stats();
  MetricWriter out;
  write_process_metrics(out, state, store);
  write_serving_metrics(out, state, stats, http);
  write_tenant_metrics(out, state, store);
  write_model_metrics(out, state);
  write_store_metrics(out, stats, store.now_ms());
  return out.text();
}

}  // namespace kachel::server
