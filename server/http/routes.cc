#include "server/http/routes.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <optional>

#include "server/http/auth.h"

namespace kachel::server::http {
namespace {

constexpr std::string_view kTenantPart = "{tenant}";

constexpr std::array kRoutes = std::to_array<Route>({
    {Verb::get, "/healthz", "getHealth", get_health, Asks::kNothing, false},
    {Verb::get, "/readyz", "getReadiness", get_readiness, Asks::kNothing, false},
    {Verb::get, "/metrics", "getMetrics", get_metrics, Asks::kServer},
    {Verb::get, "/v1/openapi.yaml", "getOpenapi", get_openapi, Asks::kNothing, false},
    {Verb::get, "/v1/tenants/{tenant}/entries/{key}", "getEntry", get_entry},
    {Verb::put, "/v1/tenants/{tenant}/entries/{key}", "putEntry", put_entry},
    {Verb::delete_, "/v1/tenants/{tenant}/entries/{key}", "deleteEntry", delete_entry},
    {Verb::get, "/v1/tenants/{tenant}/entries/{key}/metadata", "getMetadata", get_metadata},
    {Verb::post, "/v1/tenants/{tenant}/entries/{key}/lease", "leaseEntry", lease_entry},
    {Verb::post, "/v1/tenants/{tenant}/erase", "erase", erase},
    {Verb::get, "/v1/tenants/{tenant}/erasures", "listErasures", list_erasures},
    {Verb::get, "/v1/tenants/{tenant}/receipts/{id}", "getReceipt", get_receipt},
    {Verb::get, "/v1/tenants/{tenant}/holds", "listHolds", list_holds},
    {Verb::post, "/v1/tenants/{tenant}/holds", "placeHold", place_hold},
    {Verb::delete_, "/v1/tenants/{tenant}/holds/{id}", "releaseHold", release_hold},
});

std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);  // the slash
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

/// The parts in braces, encoded as they are; nothing when the path is not of this pattern.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   std::string_view path) {
  std::vector<std::string_view> parts;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(path);
    if (wanted.starts_with('{')) {
      parts.push_back(given);
    } else if (wanted != given) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return parts;
}

/// Where in the parts the tenant's name is.
std::optional<std::size_t> tenant_part(std::string_view pattern) {
  const std::size_t at = pattern.find(kTenantPart);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<std::size_t>(std::count(pattern.begin(), pattern.begin() + at, '{'));
}

bool serves(const Route& route, Verb method) {
  return route.method == method || (route.method == Verb::get && method == Verb::head);
}

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string_view> parts;
  std::string allowed;  // methods of the path, when this one is not
};

RouteMatch find_route(Verb method, std::string_view path) {
  RouteMatch found;
  for (const Route& route : kRoutes) {
    auto parts = match(route.pattern, path);
    if (!parts) continue;
    if (serves(route, method)) return {&route, std::move(*parts), {}};
    fmt::format_to(std::back_inserter(found.allowed), "{}{}", found.allowed.empty() ? "" : ", ",
                   std::string_view(boost::beast::http::to_string(route.method)));
  }
  return found;
}

void refuse_method(Exchange& exchange, const std::string& allowed) {
  Reply reply = problem_reply(
      {Status::method_not_allowed, "method-not-allowed", "this path serves " + allowed},
      exchange.request_id);
  reply.headers.emplace_back("Allow", ZeroizingString(allowed));
  exchange.reply(std::move(reply));
}

bool decode(Exchange& exchange, const RouteMatch& found, std::string_view query) {
  for (const std::string_view part : found.parts) {
    auto decoded = percent_decode(part);
    if (!decoded || decoded->empty()) return false;
    exchange.path.push_back(std::move(*decoded));
  }
  auto parameters = parse_query(query);
  if (!parameters) return false;
  exchange.query = std::move(*parameters);
  return true;
}

bool is_within_quota(Exchange& exchange) {
  const Services& services = exchange.services();
  const std::string& tenant = exchange.principal->name;
  const auto rate = services.policies.current().of(tenant).requests_per_second;
  if (!rate) return true;
  RequestQuotas& quotas = services.state.quotas;
  const RequestQuotas::Pointer quota = quotas.of(tenant);
  if (quota->try_take(*rate, quotas.now_ns())) return true;
  quota->refused.fetch_add(1, std::memory_order_relaxed);
  Reply reply = problem_reply(
      {Status::too_many_requests, "too-many-requests",
       fmt::format("the tenant may make {} requests a second, and has made them", *rate)},
      exchange.request_id);
  reply.headers.emplace_back("Retry-After", ZeroizingString("1"));
  exchange.reply(std::move(reply));
  return false;
}

bool is_admitted(Exchange& exchange) {
  const auto part = tenant_part(exchange.route->pattern);
  const auto name = part ? std::optional<std::string_view>(exchange.path[*part]) : std::nullopt;
  const Authenticator* const authenticator =
      exchange.has_store() ? &exchange.services().state.authenticator : nullptr;
  const Authorization authorization =
      authorize(exchange.head, exchange.caller, authenticator, exchange.route->asks_for, name);
  if (authorization.refusal) {
    exchange.refuse(*authorization.refusal);
    return false;
  }
  exchange.principal = authorization.principal;
  if (exchange.principal && !is_within_quota(exchange)) return false;
  if (exchange.route->needs_store && !exchange.has_store()) {
    Reply reply = problem_reply({Status::service_unavailable, "starting",
                                 "the store is being opened; ask /readyz when it is done"},
                                exchange.request_id);
    reply.headers.emplace_back("Retry-After", ZeroizingString("1"));
    exchange.reply(std::move(reply));
    return false;
  }
  return true;
}

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

void dispatch(Exchange& exchange) {
  const std::string_view target = exchange.head.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = target.substr(std::min(path.size() + 1, target.size()));
  const RouteMatch found = find_route(exchange.head.method, path);
  if (found.route == nullptr && !found.allowed.empty()) {
    return refuse_method(exchange, found.allowed);
  }
  if (found.route == nullptr) {
    return exchange.refuse({Status::not_found, "no-such-path",
                            "no such path; /v1/openapi.yaml describes those there are"});
  }
  exchange.route = found.route;
  if (!decode(exchange, found, query)) {
    return exchange.refuse({Status::bad_request, "invalid-path",
                            fmt::format("the path or query is malformed: write % as %25, / in a "
                                        "key as %2F, and at most {} parameters",
                                        kMaxParameters)});
  }
  if (is_admitted(exchange)) found.route->handle(exchange);
}

}  // namespace kachel::server::http
