// /metrics: every number there is, in Prometheus' text format. docs/metrics.md lists them; a test
// compares the two.
//
// The families are filled when asked, from counters that are the workers' and the engine's own:
// prometheus-cpp's counters would be shared by all workers, its serializer is used.
#pragma once

#include <cstdint>
#include <prometheus/metric_family.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "server/http/exchange.h"
#include "server/server_state.h"

namespace kachel::server {

/// Builds families one after the other.
class MetricWriter {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

  /// The family that the following samples belong to.
  void counter(std::string name, std::string help);
  void gauge(std::string name, std::string help);
  void histogram(std::string name, std::string help);

  template <typename Number>
  void sample(Number value, const Labels& labels = {}) {
    add(static_cast<double>(value), labels);
  }
  void sample(const Latencies& latencies, const Labels& labels);
  /// A family of a single sample.
  template <typename Number>
  void counter(std::string name, std::string help, Number value) {
    counter(std::move(name), std::move(help));
    sample(value);
  }
  template <typename Number>
  void gauge(std::string name, std::string help, Number value) {
    gauge(std::move(name), std::move(help));
    sample(value);
  }

  std::string text() const;

 private:
  void begin(std::string name, std::string help, prometheus::MetricType type);
  void add(double value, const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
};

std::string render_metrics(const ServerState& state, const Store& store,
                           const http::HttpNumbers& http);

// Its parts.
void write_store_metrics(MetricWriter& out, const Stats& stats, std::int64_t now_ms);
void write_serving_metrics(MetricWriter& out, const ServerState& state, const Stats& stats,
                           const http::HttpNumbers& http);
void write_tenant_metrics(MetricWriter& out, const ServerState& state, const Store& store);
void write_model_metrics(MetricWriter& out, const ServerState& state);

}  // namespace kachel::server
