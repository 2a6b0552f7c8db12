// What supervisors and monitoring ask.
#include <boost/json.hpp>
#include <fmt/format.h>

#include "server/http/openapi.h"
#include "server/http/routes.h"
#include "server/metrics.h"

namespace kachel::server::http {
namespace {

struct Reason {
  std::string_view code;
  std::string detail;
};

std::vector<Reason> reasons_against(const Stats& stats) {
  std::vector<Reason> reasons;
  if (!stats.writable) {
    reasons.push_back({"not_writable",
                       "the store takes no writes since a sync failed; look to the device, then "
                       "restart"});
  }
  if (stats.erasures_overdue > 0) {
    reasons.push_back(
        {"erasure_overdue", fmt::format("{} deadlines of erasures have passed: {}",
                                        stats.erasures_overdue, describe(stats.erasure_trouble))});
  }
  if (stats.draining) {
    reasons.push_back({"draining",
                       "an operator takes this node out of service; values are not stored any "
                       "more"});
  }
  if (stats.is_in_doubt()) {
    reasons.push_back({"in_doubt",
                       "this store is a copy that does not serve what it came with until it knows "
                       "what was erased since: `kachel catch-up`"});
  }
  if (!stats.audit_error.empty()) reasons.push_back({"audit_log", stats.audit_error});
  return reasons;
}

/// Being ready, it may say that the hot tier is still being refilled.
Reply status_reply(const std::vector<Reason>& reasons, const Stats* stats = nullptr) {
  boost::json::array list;
  for (const Reason& reason : reasons)
    list.push_back({{"code", reason.code}, {"detail", reason.detail}});
  boost::json::object body{{"status", reasons.empty() ? "ready" : "not ready"},
                           {"reasons", std::move(list)}};
  if (stats != nullptr && stats->warming) body["warming"] = describe(stats->warm);
  Reply reply;
  reply.status = reasons.empty() ? Status::ok : Status::service_unavailable;
  reply.body = std::string_view(boost::json::serialize(body));
  return reply;
}

}  // namespace

void get_health(Exchange& exchange) {
  Reply reply;
  reply.body = exchange.has_store() ? R"({"status":"serving"})" : R"({"status":"starting"})";
  exchange.reply(std::move(reply));
}

void get_readiness(Exchange& exchange) {
  if (!exchange.has_store()) {
    return exchange.reply(status_reply({{"starting", "the store is being opened"}}));
  }
  const Stats stats = exchange.services().store.stats();
  exchange.reply(status_reply(reasons_against(stats), &stats));
}

void get_metrics(Exchange& exchange) {
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = std::string_view(
      render_metrics(exchange.services().state, exchange.services().store, exchange.numbers()));
  exchange.reply(std::move(reply));
}

void get_openapi(Exchange& exchange) {
  Reply reply;
  reply.content_type = "application/yaml";
  reply.body = openapi_text();
  exchange.reply(std::move(reply));
}

}  // namespace kachel::server::http
