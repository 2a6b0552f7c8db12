#include "server/http/auth.h"

#include <boost/asio/ip/address.hpp>
#include <string>

#include "server/tenant_name.h"

namespace kachel::server::http {
namespace {

/// Without the port.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, std::min(host.find(']'), host.size()) - 1);
  return host.substr(0, host.find(':'));
}

bool is_address_or_localhost(std::string_view host) {
  const std::string name(host_name(host));
  if (name == "localhost") return true;
  boost::system::error_code error;
  boost::asio::ip::make_address(name, error);
  return !error;
}

}  // namespace

Authorization authorize(const Head& head, std::optional<std::string_view> tenant) {
  const bool is_foreign_page = !head.origin.empty() || head.fetch_site == "cross-site";
  if (is_foreign_page || !is_address_or_localhost(head.host)) {
    return {0,
            Problem{Status::forbidden, "foreign-origin",
                    "requests from web pages, and to this port under a host's name, are refused; "
                    "ask 127.0.0.1 or localhost, without an Origin header"}};
  }
  if (!tenant) return {};
  if (const auto known = find_tenant(*tenant)) return {*known, std::nullopt};
  return {0, Problem{Status::forbidden, "forbidden",
                     "no such tenant, or not yours; without authentication there is only "
                     "\"default\""}};
}

}  // namespace kachel::server::http
